//! The migrations of a folder or a program, and their status in a database.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

use sha2::{Digest as _, Sha384};
use sqlx::migrate::{MigrateError, Migration, Migrator};

use super::{
    files::{self, File},
    history::{Row, TableName},
    session, statement_check,
    statements::{Statement, split},
};
use crate::error::{MigrationError, Result};

/// Migrations that are read from a folder or embedded by `sqlx::migrate!`.
///
/// ```no_run
/// # async fn f() -> tenant_runtime::Result<()> {
/// use tenant_runtime::migrate::Migrations;
///
/// let migrations = Migrations::from_dir("migrations").await?;
/// migrations.apply("postgres://postgres@localhost/acme", &mut |step| eprintln!("{step:?}")).await?;
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Migrations {
    /// The up files by version.
    pub(super) ups: BTreeMap<i64, File>,
    /// The down files by version.
    pub(super) downs: BTreeMap<i64, File>,
    /// The table in which sqlx records applied migrations.
    pub(super) table: TableName,
    /// How long to wait for another session that migrates.
    pub(super) lock_timeout: Duration,
}

/// The default of [`Migrations::lock_timeout`].
const LOCK_TIMEOUT: Duration = Duration::from_secs(300);

/// The status of a migration in a database.
///
/// ```no_run
/// # use tenant_runtime::{Migrations, Result};
/// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
/// for status in migrations.status(admin_url).await? {
///     println!("{:04} {} {:?}", status.version, status.name, status.state);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MigrationStatus {
    /// Its version.
    pub version: i64,
    /// Its file name, or its description if there is no file.
    pub name: String,
    /// Its state.
    pub state: State,
    /// When it was applied, in UTC, such as `2026-01-31 12:00:00`.
    pub applied_at: Option<String>,
    /// Its duration, if known.
    pub took: Option<Duration>,
}

/// The state of a migration in a database.
///
/// ```no_run
/// # use tenant_runtime::{Migrations, Result, migrate::State};
/// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
/// let statuses = migrations.status(admin_url).await?;
/// let is_current = statuses.iter().all(|status| status.state == State::Applied);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum State {
    /// Applied.
    Applied,
    /// Not applied yet.
    Pending,
    /// Started outside a transaction, and still running or interrupted.
    Unfinished,
    /// Applied, and its file was edited afterwards.
    Changed,
    /// Applied, and its file is missing.
    Missing,
    /// Not applied, although a later migration has been.
    OutOfOrder,
}

/// A pending migration.
///
/// ```no_run
/// # use tenant_runtime::{Migrations, Result};
/// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
/// for migration in migrations.pending(admin_url, None).await? {
///     let how = if migration.transaction { "in a transaction" } else { "outside a transaction" };
///     println!("{} runs {how}", migration.file);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Pending<'m> {
    /// Its version.
    pub version: i64,
    /// Its file.
    pub file: &'m str,
    /// Whether it runs in one transaction.
    pub transaction: bool,
    /// Its statements.
    pub statements: Vec<Statement<'m>>,
}

impl Migrations {
    /// Reads the migrations of a folder.
    ///
    /// ```no_run
    /// # async fn f() -> tenant_runtime::Result<()> {
    /// let migrations = tenant_runtime::Migrations::from_dir("migrations").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unreadable`] if the folder cannot be read, a `.sql` file in it has no number and would be
    /// skipped, or two files have the same number.
    pub async fn from_dir(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_owned();
        let unreadable = |reason: String| MigrationError::Unreadable { folder: folder.display().to_string(), reason };
        if !folder.is_dir() {
            return Err(unreadable("the folder does not exist".to_owned()).into());
        }
        let listed = files::list(&folder).map_err(|error| unreadable(error.to_string()))?;
        for name in listed.iter().flat_map(files::Names::all) {
            files::read(&folder, name).map_err(|error| unreadable(error.to_string()))?;
        }
        let migrator = Migrator::new(PathBuf::as_path(&folder)).await.map_err(|error| match error {
            MigrateError::Source(source) => unreadable(source.to_string()),
            error => unreadable(error.to_string()),
        })?;
        let mut names = BTreeMap::new();
        for files in listed {
            names.insert((files.version, false), files.up);
            names.extend(files.down.map(|down| ((files.version, true), down)));
        }
        let named = |migration: &Migration| {
            let down = migration.migration_type.is_down_migration();
            names.get(&(migration.version, down)).cloned().unwrap_or_else(|| name(migration))
        };
        Self::new(&migrator, named).map_err(|reason| unreadable(reason).into())
    }

    /// Uses the migrations that `sqlx::migrate!` embedded.
    ///
    /// ```no_run
    /// # fn f() -> tenant_runtime::Result<()> {
    /// # let migrator = sqlx::migrate::Migrator::DEFAULT;
    /// // static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("migrations");
    /// let migrations = tenant_runtime::Migrations::embedded(&migrator)?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unreadable`] if two migrations have the
    /// same number.
    pub fn embedded(migrator: &Migrator) -> Result<Self> {
        Self::new(migrator, name)
            .map_err(|reason| MigrationError::Unreadable { folder: "the program".to_owned(), reason }.into())
    }

    fn new(migrator: &Migrator, name: impl Fn(&Migration) -> String) -> Result<Self, String> {
        let (mut ups, mut downs) = (BTreeMap::new(), BTreeMap::new());
        for migration in migrator.iter() {
            let files = if migration.migration_type.is_down_migration() { &mut downs } else { &mut ups };
            let file = File { name: name(migration), migration: migration.clone() };
            if let Some(twin) = files.insert(migration.version, file) {
                return Err(format!("another file has the same number as `{}`", twin.name));
            }
        }
        Ok(Self { ups, downs, table: TableName::parse(&migrator.table_name)?, lock_timeout: LOCK_TIMEOUT })
    }

    /// Sets the table in which applied migrations are recorded, with its schema. Default: the table of the embedded migrator
    /// or `_sqlx_migrations`, in the schema `public` unless the name contains a schema.
    ///
    /// The table is not looked up through `search_path`. Unless the name contains a schema, a table of the same name in
    /// another schema is an error, because it might list the applied migrations.
    ///
    /// ```no_run
    /// # async fn f() -> tenant_runtime::Result<()> {
    /// let migrations = tenant_runtime::Migrations::from_dir("migrations").await?;
    /// let migrations = migrations.history_table("public._sqlx_migrations")?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unreadable`] if this is not the name of a table.
    pub fn history_table(self, name: &str) -> Result<Self> {
        let unreadable =
            |reason| MigrationError::Unreadable { folder: "the table of applied migrations".into(), reason };
        Ok(Self { table: TableName::parse(name).map_err(unreadable)?, ..self })
    }

    /// Sets how long [`apply`](Self::apply) and [`revert`](Self::revert) wait for another session that migrates this
    /// database. Default: 5 minutes.
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// # async fn f() -> tenant_runtime::Result<()> {
    /// let migrations = tenant_runtime::Migrations::from_dir("migrations").await?;
    /// let migrations = migrations.lock_timeout(Duration::from_secs(30));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn lock_timeout(self, limit: Duration) -> Self {
        Self { lock_timeout: limit, ..self }
    }

    /// Returns the status of each migration that is in the files or in the database.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Migrations, Result};
    /// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
    /// let statuses = migrations.status(admin_url).await?;
    /// let newest = statuses.iter().rev().find(|status| status.applied_at.is_some());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Connect`](crate::Error::Connect) if the server is not reachable or refuses the login.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::AppLogin`](crate::MigrationError::AppLogin) if the URL names a login of the app.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::NotAllowed`](crate::MigrationError::NotAllowed) if the login cannot read sqlx's table.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::HistoryElsewhere`] if another schema has a
    ///   table of applied migrations too.
    /// - [`Error::Pooled`](crate::Error::Pooled) if the URL names a pooler in transaction mode.
    /// - [`Error::Database`](crate::Error::Database) if the connection is lost.
    pub async fn status(&self, admin_url: &str) -> Result<Vec<MigrationStatus>> {
        let rows = session::read(admin_url, &self.table).await?;
        Ok(self.statuses(&rows))
    }

    /// Lists the migrations that [`apply_to`](Self::apply_to) would apply, without applying them.
    ///
    /// ```no_run
    /// # use tenant_runtime::{Migrations, Result};
    /// # async fn f(migrations: Migrations, admin_url: &str) -> Result<()> {
    /// if !migrations.pending(admin_url, None).await?.is_empty() {
    ///     println!("run `gen-migrations apply` before the deployment");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Unknown`] if no file has the version.
    /// - [`Error::Migration`](crate::Error::Migration) with [`MigrationError::Changed`],
    ///   [`Missing`](MigrationError::Missing) or [`OutOfOrder`](MigrationError::OutOfOrder) if the files do not match
    ///   the applied migrations.
    /// - The errors of [`status`](Self::status).
    pub async fn pending(&self, admin_url: &str, to: Option<i64>) -> Result<Vec<Pending<'_>>> {
        let rows = session::read(admin_url, &self.table).await?;
        let files = self.to_apply(&rows, to)?;
        Ok(files
            .into_iter()
            .map(|file| Pending {
                version: file.migration.version,
                file: &file.name,
                transaction: !file.migration.no_tx,
                statements: split(file.migration.sql.as_str()),
            })
            .collect())
    }

    pub(super) fn statuses(&self, rows: &[Row]) -> Vec<MigrationStatus> {
        let newest = rows.iter().map(|row| row.version).max();
        let rows: BTreeMap<i64, &Row> = rows.iter().map(|row| (row.version, row)).collect();
        let mut versions: Vec<i64> = self.ups.keys().chain(rows.keys()).copied().collect();
        versions.sort_unstable();
        versions.dedup();
        let status = |version| status(version, self.ups.get(&version), rows.get(&version).copied(), newest);
        versions.into_iter().map(status).collect()
    }

    /// Compares the files with the applied migrations, and returns the files to apply.
    pub(super) fn to_apply(&self, rows: &[Row], to: Option<i64>) -> Result<Vec<&File>, MigrationError> {
        if let Some(version) = to.filter(|version| !self.ups.contains_key(version)) {
            return Err(MigrationError::Unknown { version });
        }
        let statuses = self.consistent_statuses(rows)?;
        let pending = statuses.iter().filter(|status| matches!(status.state, State::Pending | State::Unfinished));
        let files = pending.filter_map(|status| self.ups.get(&status.version));
        let files: Vec<_> = files.filter(|file| to.is_none_or(|to| file.migration.version <= to)).collect();
        files.iter().try_for_each(|file| statement_check::file(file))?;
        Ok(files)
    }

    /// Returns the status of all migrations, or an error if the files do not match the applied migrations.
    pub(super) fn consistent_statuses(&self, rows: &[Row]) -> Result<Vec<MigrationStatus>, MigrationError> {
        let statuses = self.statuses(rows);
        let first = |is_it: fn(State) -> bool| statuses.iter().find(|status| is_it(status.state));
        // Missing and edited files are reported first, because they can be the reason why other files are out of order.
        let mismatch = first(|state| matches!(state, State::Missing | State::Changed));
        if let Some(MigrationStatus { version, name, state, .. }) =
            mismatch.or_else(|| first(|state| state == State::OutOfOrder))
        {
            let (version, file) = (*version, name.clone());
            return Err(match state {
                State::Missing => MigrationError::Missing { version },
                State::Changed => self.changed(file, version, rows),
                _ => {
                    let newest = rows.iter().map(|row| row.version).max().unwrap_or(version);
                    MigrationError::OutOfOrder { file, newest }
                }
            });
        }
        Ok(statuses)
    }
}

impl Migrations {
    /// Returns the error about a file that differs from the applied one: its line endings alone, or its text.
    fn changed(&self, file: String, version: i64, rows: &[Row]) -> MigrationError {
        let text = self.ups.get(&version).map(|file| file.migration.sql.as_str()).unwrap_or_default();
        let applied = rows.iter().find(|row| row.version == version).map(|row| row.checksum.as_slice());
        let is_applied = |text: &str| applied.is_some_and(|applied| *applied == *Sha384::digest(text));
        let unix = files::with_unix_lines(text);
        if is_applied(&unix) {
            MigrationError::LineEndings {
                file,
                now: "Windows line endings (CRLF) or a byte order mark",
                applied: "without",
            }
        } else if is_applied(&unix.replace('\n', "\r\n")) {
            MigrationError::LineEndings {
                file,
                now: "Unix line endings (LF)",
                applied: "with Windows line endings (CRLF)",
            }
        } else {
            MigrationError::Changed { file }
        }
    }
}

/// Returns the status of a version, from its file and its row in the migrations table.
fn status(version: i64, file: Option<&File>, row: Option<&Row>, newest: Option<i64>) -> MigrationStatus {
    let state = match (file, row) {
        (None, _) => State::Missing,
        (Some(_), None) if newest > Some(version) => State::OutOfOrder,
        (Some(_), None) => State::Pending,
        (Some(file), Some(row)) if *file.migration.checksum != *row.checksum => State::Changed,
        (Some(_), Some(row)) if !row.success => State::Unfinished,
        (Some(_), Some(_)) => State::Applied,
    };
    let took = row.and_then(|row| u64::try_from(row.execution_time).ok());
    MigrationStatus {
        version,
        name: match (file, row) {
            (Some(file), _) => file.name.clone(),
            (None, row) => row.map_or_else(String::new, |row| row.description.clone()),
        },
        state,
        applied_at: row.map(|row| row.applied_at.clone()),
        took: took.map(Duration::from_nanos),
    }
}

/// Returns the name of a migration whose file is missing.
fn name(migration: &Migration) -> String {
    let end = if migration.migration_type.is_down_migration() { "down.sql" } else { "sql" };
    format!("{:04}_{}.{end}", migration.version, migration.description.replace(' ', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrations(files: &[(i64, &'static str)]) -> Migrations {
        let files = files.iter().map(|(version, sql)| {
            let up = sqlx::migrate::MigrationType::ReversibleUp;
            Migration::new(*version, "x".into(), up, sqlx::SqlStr::from_static(sql), false)
        });
        Migrations::embedded(&Migrator::with_migrations(files.collect())).expect("distinct versions")
    }

    fn applied(files: &[(i64, &'static str)]) -> Vec<Row> {
        let row = |(version, file): (i64, File)| Row {
            version,
            description: "x".into(),
            checksum: file.migration.checksum.into_owned(),
            success: true,
            applied_at: String::new(),
            execution_time: -1,
        };
        migrations(files).ups.into_iter().map(row).collect()
    }

    #[test]
    fn pending_migrations_exclude_applied_ones() {
        let all = migrations(&[(1, "a"), (2, "b"), (10, "c")]);
        let pending = |to| {
            let files = all.to_apply(&applied(&[(1, "a")]), to).expect("they belong together");
            files.iter().map(|file| file.migration.version).collect::<Vec<_>>()
        };
        assert_eq!((pending(None), pending(Some(2)), pending(Some(1))), (vec![2, 10], vec![2], vec![]));
    }

    #[test]
    fn migrations_that_do_not_match_the_history_are_rejected() {
        let all = migrations(&[(1, "a"), (2, "b")]);
        let pending = |files: &[(i64, &'static str)]| all.to_apply(&applied(files), None).err();
        assert!(matches!(pending(&[(1, "changed")]), Some(MigrationError::Changed { .. })));
        assert!(matches!(pending(&[(3, "c")]), Some(MigrationError::Missing { version: 3 })));
        assert!(matches!(pending(&[(2, "b")]), Some(MigrationError::OutOfOrder { newest: 2, .. })));
    }
}
