//! Which database a command is about: the one of a URL, or a private PostgreSQL that stands in for it.

use std::{
    env,
    io::{self, Write},
};

use super::{
    Failure,
    apply::{chain, follows, run},
};
use crate::{
    db::connection_options,
    migrate::folder::Folder,
    registry::Models,
    server::{Server, ServerOptions},
};

/// Names the database, or the release that stands in for it.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// The database, as its administrator (`verify` takes a superuser): postgres://user:password@host/database
    ///
    /// Without it a private PostgreSQL is started, the migrations are applied to it, and it is gone again.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,
    /// Take this major release as the private PostgreSQL, such as 17; it is fetched where none is installed
    #[arg(long, value_name = "MAJOR", conflicts_with = "database_url", value_parser = clap::value_parser!(u32).range(15..))]
    postgres: Option<u32>,
}

impl Target {
    /// Starts the private PostgreSQL.
    pub(super) fn private_server(&self) -> Result<Server, Failure> {
        let options = ServerOptions { major: self.postgres, fetch: true, ..ServerOptions::default() };
        let mut say = |text: &str| {
            let _ = writeln!(io::stderr(), "{text}");
        };
        Server::start_with(&options, &mut say).map_err(|error| Failure::Message(chain(&error)))
    }

    /// Starts the private PostgreSQL, and applies the folder to it.
    pub(super) fn migrated_server(&self, models: &Models, folder: &Folder) -> Result<Server, Failure> {
        follows(models, folder)?;
        let server = self.private_server()?;
        run(folder, &server.admin_url(), None)?;
        Ok(server)
    }
}

/// Refuses the URL of a login of the app, which `DATABASE_URL` mostly holds for the app and for sqlx's macros.
///
/// It may do so little that a command would report what is not so, or what nobody can act upon.
pub(super) fn administrators(models: &Models, url: Option<&str>) -> Result<(), Failure> {
    let Some((url, options)) = url.and_then(|url| Some((url, connection_options(url).ok()?))) else { return Ok(()) };
    let login = options.get_username();
    if !models.tables().iter().any(|def| def.tenancy.has_login(login)) {
        return Ok(());
    }
    let whence = if env::var("DATABASE_URL").is_ok_and(|set| set == url) { "`DATABASE_URL` names it; " } else { "" };
    Err(Failure::Message(format!(
        "`{login}` is a login of the app, and this takes an administrator\n  help: {whence}name another: \
         `--database-url postgres://administrator@host/database`"
    )))
}
