//! The database of a command: the database at a URL, or a temporary PostgreSQL.

use std::{
    env,
    io::{self, Write},
};

use super::{
    Failure,
    runtime::{apply_folder, require_up_to_date, with_causes},
};
use crate::{
    db::connection_options,
    migrate::folder::Folder,
    registry::Models,
    server::{Server, ServerOptions},
};

/// The database, or the release of the temporary PostgreSQL.
#[derive(Debug, clap::Args)]
pub(super) struct Target {
    /// Administrator URL: postgres://user:password@host/database
    ///
    /// Default: start a temporary PostgreSQL, apply the migrations, and delete it afterwards.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    pub(super) database_url: Option<String>,
    /// Major release of the temporary PostgreSQL, such as 17; downloaded if not installed
    #[arg(long, value_name = "MAJOR", conflicts_with = "database_url", value_parser = clap::value_parser!(u32).range(15..))]
    postgres: Option<u32>,
}

impl Target {
    /// Starts the temporary PostgreSQL.
    pub(super) fn temporary_server(&self) -> Result<Server, Failure> {
        let options = ServerOptions { major: self.postgres, fetch: true, ..ServerOptions::default() };
        let mut print = |text: &str| {
            let _ = writeln!(io::stderr(), "{text}");
        };
        Server::start_with(&options, &mut print).map_err(|error| Failure::Message(with_causes(&error)))
    }

    /// Starts the temporary PostgreSQL, and applies the migrations to it.
    pub(super) fn migrated_server(&self, models: &Models, folder: &Folder) -> Result<Server, Failure> {
        require_up_to_date(models, folder)?;
        let server = self.temporary_server()?;
        apply_folder(folder, &server.admin_url(), None)?;
        Ok(server)
    }
}

/// Returns an error for the URL of an application login, which `DATABASE_URL` often contains for the app and for sqlx's
/// macros.
///
/// Such a login has so few privileges that a command would report wrong or misleading results.
pub(super) fn require_administrator(models: &Models, url: Option<&str>) -> Result<(), Failure> {
    let Some((url, options)) = url.and_then(|url| Some((url, connection_options(url).ok()?))) else { return Ok(()) };
    let login = options.get_username();
    if !models.tables().iter().any(|def| def.tenancy.has_login(login)) {
        return Ok(());
    }
    let source =
        if env::var("DATABASE_URL").is_ok_and(|set| set == url) { "the URL is from `DATABASE_URL`; " } else { "" };
    Err(Failure::Message(format!(
        "this command requires an administrator; `{login}` is an application login\n  help: {source}use `--database-url \
         postgres://administrator@host/database`"
    )))
}
