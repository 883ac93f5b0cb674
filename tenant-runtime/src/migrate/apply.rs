//! Applies and reverts migrations one by one, in sqlx's format and with its table and lock.
//!
//! A file runs statement by statement in one transaction, which is what sqlx makes of it, so that whoever watches knows
//! where it is, and an error names its line. A file that says `-- no-transaction` is recorded as begun before it runs: when
//! the run dies, the next one knows that it has to look what is there.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection, migrate::Migrate as _};

use super::{
    failure::StatementFailure,
    history,
    migrations::{File, Migrations},
    statements::{Concurrently, Statement, split},
};
use crate::{
    db::trusted,
    error::{Result, server_error},
};

/// How often a file is tried that was in the way of others, or they in its.
const TRIES: u32 = 5;

/// A step on the way, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Waits until no one else migrates the database.
    Locking,
    /// Begins a file.
    File {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// Its place among those to run, from 1.
        index: usize,
        /// How many are to run.
        of: usize,
    },
    /// Begins a statement of the file.
    Statement {
        /// Its text.
        text: &'a str,
        /// Its place in the file, from 1.
        index: usize,
        /// How many statements the file has.
        of: usize,
    },
    /// Runs a file once more, which was rolled back because it met others.
    Retrying {
        /// The file.
        file: &'a str,
        /// What it met.
        reason: &'static str,
        /// The try that begins, from 2.
        attempt: u32,
    },
    /// Drops an index that an interrupted run left half built, before it is built again.
    Clearing {
        /// The index.
        index: &'a str,
    },
    /// Has run a file.
    Done {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// How long it took.
        elapsed: Duration,
    },
}

/// Who is told how it goes.
pub(super) type Watcher<'w, 'f> = &'w mut (dyn FnMut(Progress<'_>) + Send + 'f);

/// What was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Applied {
    /// The versions that were applied now, in their order.
    pub versions: Vec<i64>,
    /// How many had been applied before.
    pub before: usize,
    /// How long all of it took.
    pub elapsed: Duration,
}

impl Migrations {
    /// Applies what the database does not have yet, each file in a transaction of its own.
    ///
    /// It runs on a connection of its own, which holds sqlx's lock and is closed at the end, so that `sqlx migrate run`
    /// and other instances of the app wait. What was applied before an error stays; the next call goes on from there, also
    /// after this process was killed.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`](crate::Error::Connect), and [`Error::Migration`](crate::Error::Migration) when files and database
    /// do not belong together or a file fails.
    pub async fn apply(&self, admin_url: &str, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Applied> {
        self.apply_to(admin_url, None, progress).await
    }

    /// Applies up to a version.
    ///
    /// # Errors
    ///
    /// As [`apply`](Self::apply), and [`MigrationError::Unknown`](crate::MigrationError::Unknown) where no file has the version.
    pub async fn apply_to(
        &self,
        admin_url: &str,
        to: Option<i64>,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Applied> {
        let mut connection = history::open(admin_url).await?;
        let applied = self.apply_on(&mut connection, to, progress).await;
        // After an error the lock would stay for as long as the connection does.
        let closed = connection.close().await;
        let applied = applied?;
        closed?;
        Ok(applied)
    }

    async fn apply_on(
        &self,
        connection: &mut PgConnection,
        to: Option<i64>,
        progress: Watcher<'_, '_>,
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
            let begun = rows.iter().any(|row| row.version == version);
            self.run(connection, file, if begun { Direction::Resume } else { Direction::Up }, progress).await?;
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

    /// Runs a file and records it, in one transaction unless the file says otherwise.
    pub(super) async fn run(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: Watcher<'_, '_>,
    ) -> Result<()> {
        for attempt in 1.. {
            let run = match file.migration.no_tx {
                true => self.run_alone(connection, file, direction, progress).await,
                false => self.run_in_transaction(connection, file, direction, progress).await,
            };
            let Err(stopped) = run else { return Ok(()) };
            let Some(reason) = stopped.passes().filter(|_| attempt < TRIES) else {
                return Err(stopped.into_error(file));
            };
            progress(Progress::Retrying { file: &file.name, reason, attempt: attempt + 1 });
            history::pause(connection, 0.1 * f64::from(1 << attempt)).await?;
        }
        unreachable!("the last try returns");
    }

    async fn run_in_transaction(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: Watcher<'_, '_>,
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

    /// Runs a file outside a transaction. It goes to the server whole, as sqlx sends it.
    async fn run_alone(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        progress: Watcher<'_, '_>,
    ) -> Result<(), StatementFailure> {
        let text = file.migration.sql.as_str();
        let concurrently = Concurrently::of(text);
        let is_done = match &concurrently {
            Some(build @ Concurrently::Create { .. }) => match index(connection, build).await? {
                Index::Valid => direction == Direction::Resume,
                Index::Absent => false,
                Index::Abandoned(name) => {
                    clear(connection, &name, progress).await?;
                    false
                }
            },
            // Of one that was dropped by half the name is still there, and dropping it again does the rest.
            Some(drop) => direction != Direction::Up && index(connection, drop).await? == Index::Absent,
            None if direction == Direction::Resume => return Err(StatementFailure::Unclear),
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

    /// Undoes what a refused statement leaves outside a transaction. What cannot be undone is found by the next run.
    async fn clean_up(
        &self,
        connection: &mut PgConnection,
        file: &File,
        direction: Direction,
        concurrently: Option<Concurrently>,
        error: &sqlx::Error,
        progress: Watcher<'_, '_>,
    ) {
        // Where it is not the server that speaks, nobody knows what was done.
        if server_error(error).is_none() {
            return;
        }
        if direction != Direction::Down {
            let _ = history::remove(connection, &self.table, file.migration.version).await;
        }
        if let Some(build @ Concurrently::Create { .. }) = concurrently
            && let Ok(Index::Abandoned(name)) = index(connection, &build).await
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

/// Which way a file goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// It is applied.
    Up,
    /// It is applied, and an earlier run began to.
    Resume,
    /// It undoes what was applied.
    Down,
}

/// What there is of an index.
#[derive(Debug, PartialEq, Eq)]
enum Index {
    Absent,
    Valid,
    /// Its build was interrupted: it slows writes down and serves no read. With its name, quoted.
    Abandoned(String),
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
        Some((name, false)) => Index::Abandoned(name),
    })
}

async fn clear(connection: &mut PgConnection, index: &str, progress: Watcher<'_, '_>) -> sqlx::Result<()> {
    progress(Progress::Clearing { index });
    execute(connection, &format!("DROP INDEX CONCURRENTLY {index}")).await
}

/// Runs text of a file, or the one statement that this module writes.
async fn execute(connection: &mut PgConnection, text: &str) -> sqlx::Result<()> {
    sqlx::raw_sql(trusted(text.to_owned())).execute(connection).await?;
    Ok(())
}
