//! Applies migrations one by one, in sqlx's format and with sqlx's table and lock.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, PgConnection, migrate::Migrate as _};

use super::{
    history,
    migrations::Migrations,
    privileges,
    progress::{OnProgress, Progress},
    run::{Direction, Runner},
    session::{self, Purpose},
};
use crate::error::Result;

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
    /// - [`Error::Pooled`](crate::Error::Pooled) if the URL names a pooler in transaction mode, and
    ///   [`Error::ReadOnlyServer`](crate::Error::ReadOnlyServer) if the server accepts no changes.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::AppLogin`](crate::MigrationError::AppLogin) if the URL names a login of the app.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Locked`](crate::MigrationError::Locked) if
    ///   another session holds the lock for longer than [`lock_timeout`](Self::lock_timeout).
    /// - [`Error::Migration`](crate::Error::Migration) with
    ///   [`MigrationError::HistoryElsewhere`](crate::MigrationError::HistoryElsewhere) if another schema has a table of
    ///   applied migrations too.
    /// - [`Error::Migration`](crate::Error::Migration) with
    ///   [`MigrationError::MissingPrivileges`](crate::MigrationError::MissingPrivileges) if the login lacks a privilege
    ///   that the pending files require.
    /// - [`Error::Migration`](crate::Error::Migration) with
    ///   [`MigrationError::RefusedStatement`](crate::MigrationError::RefusedStatement) if a pending file has a statement
    ///   that a migration must not contain.
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
        let mut connection = session::open(admin_url, Purpose::Write).await?;
        let applied = self.apply_on(&mut connection, to, progress).await;
        let applied = privileges::explained(&mut connection, &self.table, applied).await;
        let applied = self.with_leftovers(&mut connection, applied).await;
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
        session::lock(connection, self.lock_timeout, progress).await?;
        let table = self.table.find(connection).await?;
        let rows = table.rows(connection).await?;
        let pending = self.to_apply(&rows, to)?;
        privileges::check(connection, &table, &pending).await?;
        // Even with IF NOT EXISTS, CREATE TABLE requires CREATE on the schema.
        if !table.exists {
            connection.ensure_migrations_table(&table.sql).await.map_err(history::driver)?;
        }
        let runner = Runner { table };
        for (index, file) in pending.iter().enumerate() {
            let (name, version) = (file.name.as_str(), file.migration.version);
            progress(Progress::File { file: name, version, index: index + 1, of: pending.len() });
            let started = Instant::now();
            let is_started = rows.iter().any(|row| row.version == version);
            let direction = if is_started { Direction::Resume } else { Direction::Up };
            runner.run(connection, file, direction, progress).await?;
            runner.table.finish(connection, version, started.elapsed()).await?;
            progress(Progress::Done { file: name, version, elapsed: started.elapsed() });
        }
        connection.unlock().await.map_err(history::driver)?;
        Ok(Applied {
            versions: pending.iter().map(|file| file.migration.version).collect(),
            before: rows.iter().filter(|row| row.success).count(),
            elapsed: start.elapsed(),
        })
    }
}
