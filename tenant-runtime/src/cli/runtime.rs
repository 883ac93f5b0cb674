//! Helpers that several commands share: running futures, applying the folder's migrations, and printing errors with
//! their causes.

use std::time::Duration;

use sqlx::error::DatabaseError;

use super::{Failure, progress::ProgressDisplay};
use crate::{
    error::server_error,
    migrate::{Applied, Migrations, folder::Folder, generate::generate},
    registry::Models,
};

/// Runs a future to completion.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Message(format!("cannot start the async runtime: {error}")))?;
    Ok(runtime.block_on(future))
}

/// Turns an error with its causes into the failure of a command.
pub(super) fn failed(error: impl std::error::Error + 'static) -> Failure {
    Failure::Message(with_causes(&error))
}

/// Returns an error with its causes, one on each line. Some sqlx errors already end with their cause.
///
/// sqlx shows an error of the server with a line number, which is a line of the server's C source. It is replaced by the
/// server's message, followed by its detail and hint.
pub(super) fn with_causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |cause| cause.source());
    let server = chain().find_map(|cause| match cause.downcast_ref::<sqlx::Error>() {
        Some(error) => server_error(error),
        None => cause.downcast_ref::<Box<dyn DatabaseError>>()?.try_downcast_ref(),
    });
    let text = chain().skip(1).map(ToString::to_string).fold(error.to_string(), |text, cause| {
        if text.ends_with(&cause) { text } else { format!("{text}\n  caused by: {cause}") }
    });
    let Some(server) = server else { return text };
    let with_line = server.to_string();
    let text = text.replace(&format!("error returned from database: {with_line}"), server.message());
    let text = text.replace(&with_line, server.message());
    let more = [("detail", server.detail()), ("hint", server.hint())].into_iter();
    more.fold(text, |text, (name, line)| match line {
        Some(line) => format!("{text}\n  {name}: {line}"),
        None => text,
    })
}

/// Returns an error if the folder lacks migrations for the models.
pub(super) fn require_up_to_date(models: &Models, folder: &Folder) -> Result<(), Failure> {
    match generate(models, folder)?.migrations.is_empty() {
        true => Ok(()),
        false => Err(Failure::Message(
            "the migrations do not match the models: a migration is missing\n  help: run `gen-migrations` without a command to \
             generate it"
                .into(),
        )),
    }
}

/// The table of applied migrations.
#[derive(Debug, Default, clap::Args)]
pub(super) struct History {
    /// Table of applied migrations, with its schema, if another app has a table of that name in the same database
    /// [default: public._sqlx_migrations]
    #[arg(long, value_name = "TABLE")]
    history: Option<String>,
}

/// How long to wait for another session that migrates.
#[derive(Debug, clap::Args)]
pub(super) struct Wait {
    /// Seconds to wait for another process that migrates this database
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    lock_timeout: u64,
}

impl Wait {
    /// Sets the time to wait.
    pub(super) fn on(&self, migrations: Migrations) -> Migrations {
        migrations.lock_timeout(Duration::from_secs(self.lock_timeout))
    }
}

/// Reads the migrations of the folder.
pub(super) fn read_migrations(folder: &Folder, history: &History) -> Result<Migrations, Failure> {
    let migrations = block_on(Migrations::from_dir(folder.path()))?.map_err(failed)?;
    match &history.history {
        Some(name) => migrations.history_table(name).map_err(failed),
        None => Ok(migrations),
    }
}

/// Applies migrations, and shows progress.
pub(super) fn apply_migrations(migrations: &Migrations, url: &str, to: Option<i64>) -> Result<Applied, Failure> {
    let mut display = ProgressDisplay::new("applied");
    block_on(migrations.apply_to(url, to, &mut |progress| display.show(progress)))?.map_err(failed)
}
