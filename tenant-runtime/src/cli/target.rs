//! The database of a command: the database at a URL, or a temporary PostgreSQL.

use std::{
    env,
    io::{self, Write},
};

use super::{
    Failure,
    runtime::{History, apply_migrations, block_on, failed, read_migrations, require_up_to_date},
};
use crate::{
    db::{connection_options, connection_target},
    migrate::folder::Folder,
    registry::Models,
    server::{Server, ServerOptions, Trial},
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
    #[arg(long, value_name = "MAJOR", conflicts_with = "database_url", value_parser = major)]
    postgres: Option<u32>,
}

impl Target {
    /// Starts a temporary PostgreSQL with a database for an administrator, and says what the command does on it.
    pub(super) fn trial(&self, verb: &str) -> Result<Trial, Failure> {
        let options = ServerOptions { major: self.postgres, fetch: true, ..ServerOptions::default() };
        let mut print = |text: &str| {
            let _ = writeln!(io::stderr(), "{text}");
        };
        let server = Server::start_with(&options, &mut print).map_err(failed)?;
        writeln!(io::stderr(), "{verb} a temporary {}", server.origin())?;
        block_on(Trial::new(server))?.map_err(failed)
    }

    /// Starts a temporary PostgreSQL, and applies the migrations to it.
    pub(super) fn migrated_trial(&self, verb: &str, models: &Models, folder: &Folder) -> Result<Trial, Failure> {
        require_up_to_date(models, folder)?;
        let migrations = read_migrations(folder, &History::default())?;
        let trial = self.trial(verb)?;
        apply_migrations(&migrations, trial.administrator_url(), None)?;
        Ok(trial)
    }
}

/// Parses a major release and checks that it is supported.
fn major(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(major @ 15..) => Ok(major),
        Ok(_) => Err(format!("PostgreSQL {text} is not supported; use 15 or newer")),
        Err(_) => Err("expected a major release, such as 17".to_owned()),
    }
}

/// Says on standard error which database a command acts on, and where its URL comes from, because
/// `DATABASE_URL` is often set for the app or for sqlx's macros.
pub(super) fn announce(verb: &str, url: &str) -> Result<(), Failure> {
    let options = connection_options(url).map_err(failed)?;
    let source = if is_from_environment(url) { "DATABASE_URL" } else { "--database-url" };
    writeln!(io::stderr(), "{verb} database {} ({source})", connection_target(&options))?;
    Ok(())
}

fn is_from_environment(url: &str) -> bool {
    env::var("DATABASE_URL").is_ok_and(|set| set == url)
}

/// Refuses the URL of a login role of the app, which `DATABASE_URL` often contains for the app and for sqlx's macros.
///
/// Such a login has so few privileges that a command would report wrong or misleading results.
pub(super) fn require_administrator(models: &Models, url: Option<&str>) -> Result<(), Failure> {
    let Some((url, options)) = url.and_then(|url| Some((url, connection_options(url).ok()?))) else { return Ok(()) };
    let login = options.get_username();
    if !models.tables().iter().any(|def| def.tenancy.has_login(login)) {
        return Ok(());
    }
    let source = if is_from_environment(url) { "the URL is from `DATABASE_URL`; " } else { "" };
    Err(Failure::Message(format!(
        "this command requires an administrator; `{login}` is a login role of the app\n  help: {source}use `--database-url \
         postgres://administrator@host/database`"
    )))
}
