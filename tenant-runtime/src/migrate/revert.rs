//! Reverts migrations, the newest first, as far as their files say that it can be done.

use std::time::Instant;

use sqlx::{Connection as _, PgConnection, migrate::Migrate as _};

use super::{
    apply::{Direction, Progress, Watcher},
    history::{self, Row},
    migrations::{File, MigrationStatus, Migrations, State},
};
use crate::error::{MigrationError, Result};

/// How a down file begins that must not run.
const CANNOT: &str = "-- tenant: cannot be undone:";
/// How a down file begins that loses data.
const LOSES: &str = "-- tenant: loses data:";

/// How far to revert, and at which price.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Revert {
    /// The version that stays the newest, 0 for none; without it the newest migration alone is reverted.
    pub to: Option<i64>,
    /// Whether data may be lost.
    pub allow_data_loss: bool,
}

/// A migration that is to be reverted.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ToRevert<'m> {
    /// Its version.
    pub version: i64,
    /// The file that undoes it.
    pub file: &'m str,
    /// What is lost, in the words of the file.
    pub loses: Option<&'m str>,
}

impl Migrations {
    /// Lists what [`revert`](Self::revert) would revert, and changes nothing.
    ///
    /// # Errors
    ///
    /// As [`revert`](Self::revert), but for what the server would say to the files.
    pub async fn to_revert(&self, admin_url: &str, revert: Revert) -> Result<Vec<ToRevert<'_>>> {
        let mut connection = history::open(admin_url).await?;
        let rows = history::rows(&mut connection, &self.table).await;
        let _ = connection.close().await;
        let files = self.files_to_revert(&rows?, revert)?.into_iter();
        let shown = files.map(|File { name, migration }| ToRevert {
            version: migration.version,
            file: name,
            loses: marked(migration.sql.as_str(), LOSES),
        });
        Ok(shown.collect())
    }

    /// Reverts migrations, the newest first, each in a transaction of its own; returns their versions.
    ///
    /// It runs on a connection of its own, under sqlx's lock. All of the files are judged before the first one runs.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`](crate::Error::Connect), and [`Error::Migration`](crate::Error::Migration) when one of them cannot
    /// be reverted or loses data that it may not, when files and database do not belong together, or when a file fails.
    pub async fn revert(
        &self,
        admin_url: &str,
        revert: Revert,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Vec<i64>> {
        let mut connection = history::open(admin_url).await?;
        let reverted = self.revert_on(&mut connection, revert, progress).await;
        // After an error the lock would stay for as long as the connection does.
        let closed = connection.close().await;
        let reverted = reverted?;
        closed?;
        Ok(reverted)
    }

    async fn revert_on(
        &self,
        connection: &mut PgConnection,
        revert: Revert,
        progress: Watcher<'_, '_>,
    ) -> Result<Vec<i64>> {
        progress(Progress::Locking);
        history::lock(connection).await?;
        let rows = history::rows(connection, &self.table).await?;
        let files = self.files_to_revert(&rows, revert)?;
        for (index, file) in files.iter().enumerate() {
            let (name, version, started) = (file.name.as_str(), file.migration.version, Instant::now());
            progress(Progress::File { file: name, version, index: index + 1, of: files.len() });
            self.run(connection, file, Direction::Down, progress).await?;
            progress(Progress::Done { file: name, version, elapsed: started.elapsed() });
        }
        connection.unlock().await.map_err(history::driver)?;
        Ok(files.iter().map(|file| file.migration.version).collect())
    }

    /// Returns the files that revert what was applied, the newest first, if all of them may run.
    fn files_to_revert(&self, rows: &[Row], revert: Revert) -> Result<Vec<&File>, MigrationError> {
        if let Some(version) = revert.to.filter(|version| *version != 0 && !self.ups.contains_key(version)) {
            return Err(MigrationError::Unknown { version });
        }
        let standings = self.sound(rows)?;
        let applied = standings.iter().rev().filter(|standing| standing.state != State::Pending);
        let reverted: Vec<_> = match revert.to {
            Some(to) => applied.filter(|standing| standing.version > to).collect(),
            None => applied.take(1).collect(),
        };
        reverted.into_iter().map(|standing| self.file_to_revert(standing, revert)).collect()
    }

    fn file_to_revert(&self, standing: &MigrationStatus, revert: Revert) -> Result<&File, MigrationError> {
        let file = standing.name.clone();
        let Some(down) = self.downs.get(&standing.version) else {
            let reason = format!("there is no `{}.down.sql`", super::files::stem(&file));
            return Err(MigrationError::Irreversible { file, reason });
        };
        let text = down.migration.sql.as_str();
        match (marked(text, CANNOT), marked(text, LOSES)) {
            (Some(reason), _) => Err(MigrationError::Irreversible { file, reason: reason.to_owned() }),
            (None, Some(what)) if !revert.allow_data_loss => {
                Err(MigrationError::LosesData { file, what: what.to_owned() })
            }
            _ => Ok(down),
        }
    }
}

/// Returns what follows on a mark among the comments with which a file begins.
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
