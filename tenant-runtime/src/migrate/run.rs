//! Runs one file: statement by statement in a transaction, or as a whole outside a transaction.
//!
//! As with sqlx, a file runs in one transaction, but statement by statement, so that progress can be shown and an error
//! can name its line. A file with `-- no-transaction` is recorded as started before it runs, so that after a crash the
//! next run checks which of its statements are done.

use sqlx::{Connection as _, Executor as _, PgConnection};

use super::{
    failure::StatementFailure,
    files::File,
    history::Table,
    progress::{OnProgress, Progress},
    session,
    statements::{Concurrently, Statement, split},
};
use crate::{
    db::assert_sql_safe,
    error::{Result, server_error},
};

/// The number of attempts for a file that conflicts with other sessions.
const ATTEMPTS: u32 = 5;

/// Runs files and records them in sqlx's table.
#[derive(Debug)]
pub(super) struct Runner {
    pub(super) table: Table,
}

impl Runner {
    /// Runs a file and records it, in one transaction unless the file specifies otherwise.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: OnProgress<'_, '_>,
    ) -> Result<()> {
        for attempt in 1.. {
            session::pin(connection).await?;
            let run = match file.migration.no_tx {
                true => self.run_without_transaction(connection, file, direction, progress).await,
                false => self.run_in_transaction(connection, file, direction, progress).await,
            };
            let Err(failure) = run else { return Ok(()) };
            let Some(reason) = failure.retry_reason().filter(|_| attempt < ATTEMPTS) else {
                return Err(failure.into_error(file));
            };
            progress(Progress::Retrying { file: &file.name, reason, attempt: attempt + 1 });
            session::pause(connection, 0.1 * f64::from(1 << attempt)).await?;
        }
        unreachable!("the last attempt returns");
    }

    async fn run_in_transaction(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: OnProgress<'_, '_>,
    ) -> Result<(), StatementFailure> {
        let mut transaction = connection.begin().await?;
        let statements = split(file.migration.sql.as_str());
        for (index, statement) in statements.iter().enumerate() {
            progress(Progress::Statement { text: statement.text, index: index + 1, of: statements.len() });
            execute(&mut transaction, statement.text).await.map_err(|error| StatementFailure::at(*statement, error))?;
        }
        // A file can end as another role, which has no privileges on sqlx's table.
        transaction.execute("RESET ROLE").await?;
        self.record(&mut transaction, file, direction).await?;
        Ok(transaction.commit().await?)
    }

    /// Runs a file outside a transaction. The server receives the whole text at once, as with sqlx.
    async fn run_without_transaction(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: OnProgress<'_, '_>,
    ) -> Result<(), StatementFailure> {
        let text = file.migration.sql.as_str();
        let concurrently = Concurrently::of(text);
        let is_done = match &concurrently {
            Some(build @ Concurrently::Create { .. }) => match index(connection, build).await? {
                Index::Valid => direction == Direction::Resume,
                Index::Absent => false,
                Index::Invalid(name) => {
                    clear(connection, &name, progress).await?;
                    false
                }
            },
            // An interrupted DROP leaves an index with this name; dropping the index again completes the command.
            Some(drop) => direction != Direction::Up && index(connection, drop).await? == Index::Absent,
            None if direction == Direction::Resume => return Err(StatementFailure::Interrupted),
            None => false,
        };
        if direction == Direction::Up {
            self.table.record(connection, &file.migration, false).await?;
        }
        if !is_done {
            progress(Progress::Statement { text: text.trim(), index: 1, of: 1 });
            if let Err(error) = execute(connection, text).await {
                self.clean_up(connection, file, direction, concurrently, &error, progress).await;
                return Err(StatementFailure::at(Statement { text, line: 1 }, error));
            }
        }
        Ok(self.record(connection, file, direction).await?)
    }

    /// Undoes what a failed statement leaves outside a transaction. The next run detects what cannot be undone here.
    async fn clean_up(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        concurrently: Option<Concurrently>,
        error: &sqlx::Error,
        progress: OnProgress<'_, '_>,
    ) {
        // After an error that did not come from the server, it is unknown whether the statement was completed.
        if server_error(error).is_none() {
            return;
        }
        if direction != Direction::Down {
            let _ = self.table.remove(connection, file.migration.version).await;
        }
        if let Some(build @ Concurrently::Create { .. }) = concurrently
            && let Ok(Index::Invalid(name)) = index(connection, &build).await
        {
            let _ = clear(connection, &name, progress).await;
        }
    }

    async fn record(&self, connection: &mut PgConnection, file: &File, direction: Direction) -> sqlx::Result<()> {
        match direction {
            Direction::Up | Direction::Resume => self.table.record(connection, &file.migration, true).await,
            Direction::Down => self.table.remove(connection, file.migration.version).await,
        }
    }
}

/// The way in which a file is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// Applies the migration.
    Up,
    /// Applies the migration that an earlier run started.
    Resume,
    /// Reverts the migration.
    Down,
}

/// The state of an index.
#[derive(Debug, PartialEq, Eq)]
enum Index {
    Absent,
    Valid,
    /// The index build was interrupted: writes maintain the index, but no query uses it. Contains the index's quoted
    /// name.
    Invalid(String),
}

async fn index(connection: &mut PgConnection, concurrently: &Concurrently) -> sqlx::Result<Index> {
    let found: Option<(String, bool)> = match concurrently {
        Concurrently::Create { index, table } => {
            sqlx::query_as(
                "SELECT format('%I.%I', n.nspname, c.relname), i.indisvalid
                 FROM pg_catalog.pg_index AS i
                 JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
                 WHERE i.indrelid = to_regclass($2) AND c.relname = (parse_ident($1))[1]
                     AND NOT EXISTS (SELECT FROM pg_catalog.pg_stat_progress_create_index WHERE index_relid = c.oid)",
            )
            .bind(index)
            .bind(table)
            .fetch_optional(connection)
            .await?
        }
        Concurrently::Drop { index } => {
            sqlx::query_as("SELECT $1, true WHERE to_regclass($1) IS NOT NULL")
                .bind(index)
                .fetch_optional(connection)
                .await?
        }
    };
    Ok(match found {
        None => Index::Absent,
        Some((_, true)) => Index::Valid,
        Some((name, false)) => Index::Invalid(name),
    })
}

async fn clear(connection: &mut PgConnection, index: &str, progress: OnProgress<'_, '_>) -> sqlx::Result<()> {
    progress(Progress::Clearing { index });
    execute(connection, &format!("DROP INDEX CONCURRENTLY {index}")).await
}

/// Runs the text of a file, or this module's DROP INDEX.
async fn execute(connection: &mut PgConnection, text: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(assert_sql_safe(text.to_owned())).execute(connection).await?;
    Ok(())
}
