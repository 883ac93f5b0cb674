//! Reverts migrations, the newest first, unless a down file states that the migration cannot be undone.

use std::time::Instant;

use sqlx::{Connection as _, PgConnection, migrate::Migrate as _};

use super::{
    files::File,
    history::{self, Row},
    migrations::{MigrationStatus, Migrations, State},
    privileges,
    progress::{OnProgress, Progress},
    run::{Direction, Runner},
    session::{self, Purpose},
    statement_check,
};
use crate::error::{MigrationError, Result};

/// The mark at the beginning of a down file that must not run.
const CANNOT: &str = "-- tenant: cannot be undone:";
/// The mark at the beginning of a down file that loses data.
const LOSES: &str = "-- tenant: loses data:";

/// Options of a revert: which migrations to revert, and whether data loss is allowed.
///
/// ```
/// use tenant_runtime::migrate::Revert;
///
/// let newest = Revert::default();
/// let back_to_three = Revert { to: Some(3), allow_data_loss: true };
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revert {
    /// The version to revert to, or 0 to revert all migrations. Default: revert only the newest migration.
    pub to: Option<i64>,
    /// Whether migrations whose reversal loses data are reverted as well.
    pub allow_data_loss: bool,
}

/// A migration to be reverted.
///
/// ```no_run
/// # use tenant_runtime::{Migrations, Result, migrate::Revert};
/// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
/// for migration in migrations.to_revert(admin_url, Revert::default()).await? {
///     println!("{} loses {}", migration.file, migration.loses.unwrap_or("nothing"));
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToRevert<'m> {
    /// Its version.
    pub version: i64,
    /// Its down file.
    pub file: &'m str,
    /// The data that would be lost, as described in the file.
    pub loses: Option<&'m str>,
}

impl Migrations {
    /// Lists the migrations that [`revert`](Self::revert) would revert, without reverting them.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Migrations, Result, migrate::Revert};
    /// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
    /// let all = Revert { to: Some(0), allow_data_loss: true };
    /// let files: Vec<&str> = migrations.to_revert(admin_url, all).await?.iter().map(|migration| migration.file).collect();
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unknown`] if no file has the version.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Irreversible`] if a migration has no down
    ///   file, or its down file states that it cannot be undone.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::LosesData`] if reverting a migration
    ///   loses data and `allow_data_loss` is not set.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Changed`],
    ///   [`Missing`](MigrationError::Missing) or [`OutOfOrder`](MigrationError::OutOfOrder) if the files do not match
    ///   the applied migrations.
    /// - The errors of [`status`](Self::status).
    pub async fn to_revert(&self, admin_url: &str, revert: Revert) -> Result<Vec<ToRevert<'_>>> {
        let rows = session::read(admin_url, &self.table).await?;
        let files = self.files_to_revert(&rows, revert)?.into_iter();
        let shown = files.map(|File { name, migration }| ToRevert {
            version: migration.version,
            file: name,
            loses: marked(migration.sql.as_str(), LOSES),
        });
        Ok(shown.collect())
    }

    /// Reverts migrations, the newest first, each in a separate transaction; returns their versions.
    ///
    /// Reverting uses a separate connection, which holds sqlx's lock. All files are checked before the first one runs.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Migrations, Result, migrate::Revert};
    /// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
    /// let reverted = migrations.revert(admin_url, Revert::default(), &mut |step| eprintln!("{step:?}")).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unknown`] if no file has the version.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Irreversible`] if a migration has no down
    ///   file, or its down file states that it cannot be undone.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::LosesData`] if reverting a migration
    ///   loses data and `allow_data_loss` is not set.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Failed`] if a statement of a file fails.
    /// - The other errors of [`apply`](Self::apply).
    pub async fn revert(
        &self,
        admin_url: &str,
        revert: Revert,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Vec<i64>> {
        let mut connection = session::open(admin_url, Purpose::Write).await?;
        let reverted = self.revert_on(&mut connection, revert, progress).await;
        let reverted = privileges::explained(&mut connection, &self.table, reverted).await;
        // After an error the connection still holds the lock.
        let closed = connection.close().await;
        let reverted = reverted?;
        closed?;
        Ok(reverted)
    }

    async fn revert_on(
        &self,
        connection: &mut PgConnection,
        revert: Revert,
        progress: OnProgress<'_, '_>,
    ) -> Result<Vec<i64>> {
        session::lock(connection, self.lock_timeout, progress).await?;
        let table = self.table.find(connection).await?;
        let rows = table.rows(connection).await?;
        let files = self.files_to_revert(&rows, revert)?;
        let runner = Runner { table };
        for (index, file) in files.iter().enumerate() {
            let (name, version, started) = (file.name.as_str(), file.migration.version, Instant::now());
            progress(Progress::File { file: name, version, index: index + 1, of: files.len() });
            runner.run(connection, file, Direction::Down, progress).await?;
            progress(Progress::Done { file: name, version, elapsed: started.elapsed() });
        }
        connection.unlock().await.map_err(history::driver)?;
        Ok(files.iter().map(|file| file.migration.version).collect())
    }

    /// Returns the down files of the migrations to revert, the newest first, or an error if one of
    /// these files must not run.
    fn files_to_revert(&self, rows: &[Row], revert: Revert) -> Result<Vec<&File>, MigrationError> {
        if let Some(version) = revert.to.filter(|version| *version != 0 && !self.ups.contains_key(version)) {
            return Err(MigrationError::Unknown { version });
        }
        let statuses = self.consistent_statuses(rows)?;
        let applied = statuses.iter().rev().filter(|status| status.state != State::Pending);
        let reverted: Vec<_> = match revert.to {
            Some(to) => applied.filter(|status| status.version > to).collect(),
            None => applied.take(1).collect(),
        };
        reverted.into_iter().map(|status| self.file_to_revert(status, revert)).collect()
    }

    fn file_to_revert(&self, status: &MigrationStatus, revert: Revert) -> Result<&File, MigrationError> {
        let file = status.name.clone();
        let Some(down) = self.downs.get(&status.version) else {
            let reason = format!("`{}.down.sql` does not exist", super::files::stem(&file));
            return Err(MigrationError::Irreversible { file, reason });
        };
        let text = down.migration.sql.as_str();
        match (marked(text, CANNOT), marked(text, LOSES)) {
            (Some(reason), _) => Err(MigrationError::Irreversible { file, reason: reason.to_owned() }),
            (None, Some(what)) if !revert.allow_data_loss => {
                Err(MigrationError::LosesData { file, what: what.to_owned() })
            }
            _ => statement_check::file(down).map(|()| down),
        }
    }
}

/// Returns the text after a mark in the comments at the beginning of a file.
fn marked<'t>(text: &'t str, mark: &str) -> Option<&'t str> {
    let mut head = text.lines().take_while(|line| line.starts_with("--"));
    head.find_map(|line| line.strip_prefix(mark)).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revert_marker_is_read_from_the_leading_comments() {
        let text = "-- no-transaction\n-- tenant: loses data: all notes\nSELECT 1;\n-- tenant: cannot be undone: x\n";
        assert_eq!((marked(text, LOSES), marked(text, CANNOT)), (Some("all notes"), None));
    }
}
