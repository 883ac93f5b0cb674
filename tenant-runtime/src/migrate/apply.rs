//! Applies and reverts migrations one by one, in sqlx's format and with sqlx's table and lock.
//!
//! As with sqlx, a file runs in one transaction, but statement by statement, so that progress can be shown and an error
//! can name its line. A file with `-- no-transaction` is recorded as started before it runs, so that after a crash the
//! next run checks which of its statements are done.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection, migrate::Migrate as _};

use super::{
    failure::StatementFailure,
    history,
    migrations::{File, Migrations},
    statements::{Concurrently, Statement, split},
};
use crate::{
    db::assert_sql_safe,
    error::{Result, server_error},
};

/// The number of attempts for a file that conflicts with other sessions.
const ATTEMPTS: u32 = 5;

/// Progress of a run, for display.
///
/// ```
/// use tenant_runtime::migrate::Progress;
///
/// fn show(step: Progress<'_>) {
///     match step {
///         Progress::Statement { index, of, .. } => eprintln!("  statement {index} of {of}"),
///         Progress::Done { file, elapsed, .. } => eprintln!("{file} took {elapsed:?}"),
///         _ => {}
///     }
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// The run waits for the lock, which another migrating session might hold.
    Locking,
    /// A file starts.
    File {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// Its position among the files to run, from 1.
        index: usize,
        /// The number of files to run.
        of: usize,
    },
    /// A statement of the file starts.
    Statement {
        /// The text of the statement.
        text: &'a str,
        /// Its position in the file, from 1.
        index: usize,
        /// The number of statements in the file.
        of: usize,
    },
    /// A file that was rolled back because of a conflict with another session is retried.
    Retrying {
        /// The file.
        file: &'a str,
        /// The conflict.
        reason: &'static str,
        /// The number of the attempt that starts, from 2.
        attempt: u32,
    },
    /// Drops an invalid index that an interrupted run has left, before building the index again.
    Clearing {
        /// The index.
        index: &'a str,
    },
    /// A file is finished.
    Done {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// Its duration.
        elapsed: Duration,
    },
}

/// A callback for progress.
pub(super) type OnProgress<'w, 'f> = &'w mut (dyn FnMut(Progress<'_>) + Send + 'f);

/// The result of applying migrations.
///
/// ```no_run
/// # use tenant_runtime::{Migrations, Result};
/// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
/// let applied = migrations.apply(admin_url, &mut |_| {}).await?;
/// println!("applied {:?} after {} earlier ones", applied.versions, applied.before);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The versions that this run applied, in order.
    pub versions: Vec<i64>,
    /// The number of migrations that had been applied before this run.
    pub before: usize,
    /// The duration of the run.
    pub elapsed: Duration,
}

impl Migrations {
    /// Applies the pending migrations, each file in a separate transaction.
    ///
    /// Applying uses a separate connection, which holds sqlx's lock and is closed at the end, so
    /// that `sqlx migrate run` and other instances of the app wait. Files that were applied before
    /// an error stay applied; the next call continues after them, even if this process was killed.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Migrations, Result};
    /// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
    /// let applied = migrations.apply(admin_url, &mut |step| eprintln!("{step:?}")).await?;
    /// assert!(applied.versions.is_sorted());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Connect`](crate::Error::Connect) if the server is not reachable or refuses the login.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::AppLogin`](crate::MigrationError::AppLogin) if the URL names a login of the app.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Changed`](crate::MigrationError::Changed),
    ///   [`Missing`](crate::MigrationError::Missing) or [`OutOfOrder`](crate::MigrationError::OutOfOrder) if the files do not match
    ///   the applied migrations.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Failed`](crate::MigrationError::Failed)
    ///   if a statement of a file fails, or [`Dirty`](crate::MigrationError::Dirty) if an earlier run of a file outside
    ///   a transaction was interrupted.
    /// - [`Error::Database`](crate::Error::Database), or the error of the violated constraint or missing privilege, if another statement fails, such as one on
    ///   sqlx's table.
    pub async fn apply(&self, admin_url: &str, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Applied> {
        self.apply_to(admin_url, None, progress).await
    }

    /// Applies the pending migrations up to a version.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Migrations, Result};
    /// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
    /// let applied = migrations.apply_to(admin_url, Some(3), &mut |_| {}).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unknown`](crate::MigrationError::Unknown) if no file has the version.
    /// - The errors of [`apply`](Self::apply).
    pub async fn apply_to(
        &self,
        admin_url: &str,
        to: Option<i64>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Applied> {
        let mut connection = history::open(admin_url).await?;
        let applied = self.apply_on(&mut connection, to, progress).await;
        let applied = match applied {
            Ok(applied) => Ok(applied),
            Err(error) => Err(history::with_missing_privileges(&mut connection, &self.table, error).await),
        };
        // After an error the connection still holds the lock.
        let closed = connection.close().await;
        let applied = applied?;
        closed?;
        Ok(applied)
    }

    async fn apply_on(
        &self,
        connection: &mut PgConnection,
        to: Option<i64>,
        progress: OnProgress<'_, '_>,
    ) -> Result<Applied> {
        let start = Instant::now();
        progress(Progress::Locking);
        history::lock(connection).await?;
        connection.ensure_migrations_table(&self.table).await.map_err(history::driver)?;
        let rows = history::rows(connection, &self.table).await?;
        let pending = self.to_apply(&rows, to)?;
        for (index, file) in pending.iter().enumerate() {
            let (name, version) = (file.name.as_str(), file.migration.version);
            progress(Progress::File { file: name, version, index: index + 1, of: pending.len() });
            let started = Instant::now();
            let is_started = rows.iter().any(|row| row.version == version);
            let direction = if is_started { Direction::Resume } else { Direction::Up };
            self.run(connection, file, direction, progress).await?;
            history::finish(connection, &self.table, version, started.elapsed()).await?;
            progress(Progress::Done { file: name, version, elapsed: started.elapsed() });
        }
        connection.unlock().await.map_err(history::driver)?;
        Ok(Applied {
            versions: pending.iter().map(|file| file.migration.version).collect(),
            before: rows.iter().filter(|row| row.success).count(),
            elapsed: start.elapsed(),
        })
    }

    /// Runs a file and records it, in one transaction unless the file specifies otherwise.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: OnProgress<'_, '_>,
    ) -> Result<()> {
        for attempt in 1.. {
            let run = match file.migration.no_tx {
                true => self.run_without_transaction(connection, file, direction, progress).await,
                false => self.run_in_transaction(connection, file, direction, progress).await,
            };
            let Err(failure) = run else { return Ok(()) };
            let Some(reason) = failure.retry_reason().filter(|_| attempt < ATTEMPTS) else {
                return Err(failure.into_error(file));
            };
            progress(Progress::Retrying { file: &file.name, reason, attempt: attempt + 1 });
            history::pause(connection, 0.1 * f64::from(1 << attempt)).await?;
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
            history::record(connection, &self.table, &file.migration, false).await?;
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
            let _ = history::remove(connection, &self.table, file.migration.version).await;
        }
        if let Some(build @ Concurrently::Create { .. }) = concurrently
            && let Ok(Index::Invalid(name)) = index(connection, &build).await
        {
            let _ = clear(connection, &name, progress).await;
        }
    }

    async fn record(&self, connection: &mut PgConnection, file: &File, direction: Direction) -> sqlx::Result<()> {
        match direction {
            Direction::Up | Direction::Resume => history::record(connection, &self.table, &file.migration, true).await,
            Direction::Down => history::remove(connection, &self.table, file.migration.version).await,
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
