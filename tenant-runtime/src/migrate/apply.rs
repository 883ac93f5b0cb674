//! Applies migrations one by one, with sqlx's own machinery, table and lock.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use sqlx::{
    Connection as _, PgConnection,
    migrate::{AppliedMigration, Migrate as _, MigrateError, Migration, Migrator},
};

use super::files;
use crate::{
    db::{connection_options, open_connection},
    error::{Error, MigrationError, Result, line_of, server_error},
};

/// How often a migration is tried that collides with another one on what all databases of a server share.
const TRIES: u32 = 5;

/// Migrations, read from a folder or embedded by `sqlx::migrate!`.
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
    /// The up migrations, by version.
    files: BTreeMap<i64, File>,
    /// The table in which sqlx records what it applied.
    table: Cow<'static, str>,
}

/// A migration and what people call it.
#[derive(Debug)]
struct File {
    name: String,
    migration: Migration,
}

/// A step on the way, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress<'a> {
    /// Waits until no one else migrates the database.
    Locking,
    /// Begins to apply a file.
    Applying {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// Its description.
        description: &'a str,
        /// Its place among those to apply, from 1.
        index: usize,
        /// How many are to be applied.
        of: usize,
    },
    /// Applies a file once more, since it collided with another database's migration and was rolled back.
    Retrying {
        /// The file.
        file: &'a str,
        /// The try that begins, from 2.
        attempt: u32,
    },
    /// Has applied a file.
    Applied {
        /// The file.
        file: &'a str,
        /// Its version.
        version: i64,
        /// How long it took.
        elapsed: Duration,
    },
}

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
    /// Reads the migrations of a folder.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Unreadable`] when the folder cannot be read, when a `.sql` file in it has no number and would
    /// be passed over, and when two files have the same number.
    pub async fn from_dir(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref().to_owned();
        let unreadable = |reason: String| MigrationError::Unreadable { folder: folder.display().to_string(), reason };
        let listed = files::list(&folder).map_err(|error| unreadable(error.to_string()))?;
        let mut names: BTreeMap<_, _> = listed.into_iter().map(|names| (names.version, names.up)).collect();
        let migrator = Migrator::new(PathBuf::as_path(&folder)).await.map_err(|error| match error {
            MigrateError::Source(source) => unreadable(source.to_string()),
            error => unreadable(error.to_string()),
        })?;
        let ups = migrator.iter().filter(|migration| migration.migration_type.is_up_migration());
        let files = ups.map(|migration| File {
            name: names.remove(&migration.version).unwrap_or_else(|| name(migration)),
            migration: migration.clone(),
        });
        Self::new(files, Migrator::DEFAULT.table_name).map_err(|reason| unreadable(reason).into())
    }

    /// Takes the migrations that `sqlx::migrate!` embedded.
    ///
    /// # Errors
    ///
    /// [`MigrationError::Unreadable`] when two of them have the same number.
    pub fn embedded(migrator: &Migrator) -> Result<Self> {
        let ups = migrator.iter().filter(|migration| migration.migration_type.is_up_migration());
        let files = ups.map(|migration| File { name: name(migration), migration: migration.clone() });
        Self::new(files, migrator.table_name.clone())
            .map_err(|reason| MigrationError::Unreadable { folder: "the program".to_owned(), reason }.into())
    }

    fn new(files: impl Iterator<Item = File>, table: Cow<'static, str>) -> Result<Self, String> {
        let mut by_version = BTreeMap::new();
        for file in files {
            if let Some(twin) = by_version.insert(file.migration.version, file) {
                return Err(format!("two files have the number of `{}`", twin.name));
            }
        }
        Ok(Self { files: by_version, table })
    }

    /// Applies what the database does not have yet, each file in a transaction of its own.
    ///
    /// It runs on a connection of its own, which holds sqlx's lock and is closed at the end, so that `sqlx migrate run`
    /// and other instances of the app wait. What was applied before an error stays.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`], and [`Error::Migration`] when files and database do not belong together or a file fails.
    pub async fn apply(&self, admin_url: &str, progress: &mut (dyn FnMut(Progress<'_>) + Send)) -> Result<Applied> {
        let mut connection = open_connection(&connection_options(admin_url)?).await?;
        let applied = self.apply_on(&mut connection, progress).await;
        // After an error the lock would stay for as long as the connection does.
        let closed = connection.close().await;
        let applied = applied?;
        closed?;
        Ok(applied)
    }

    async fn apply_on(
        &self,
        connection: &mut PgConnection,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Applied> {
        let start = Instant::now();
        progress(Progress::Locking);
        connection.lock().await.map_err(driver)?;
        connection.ensure_migrations_table(&self.table).await.map_err(driver)?;
        if let Some(version) = connection.dirty_version(&self.table).await.map_err(driver)? {
            return Err(MigrationError::Dirty { version }.into());
        }
        let applied = connection.list_applied_migrations(&self.table).await.map_err(driver)?;
        let pending = self.pending(&applied)?;
        for (index, file) in pending.iter().enumerate() {
            let File { name, migration } = file;
            progress(Progress::Applying {
                file: name,
                version: migration.version,
                description: &migration.description,
                index: index + 1,
                of: pending.len(),
            });
            let elapsed = self.apply_file(connection, file, progress).await?;
            progress(Progress::Applied { file: name, version: migration.version, elapsed });
        }
        connection.unlock().await.map_err(driver)?;
        Ok(Applied {
            versions: pending.iter().map(|file| file.migration.version).collect(),
            before: applied.len(),
            elapsed: start.elapsed(),
        })
    }

    /// Holds the files against what was applied, and returns the files that were not.
    fn pending(&self, applied: &[AppliedMigration]) -> Result<Vec<&File>, MigrationError> {
        for done in applied {
            match self.files.get(&done.version) {
                None => return Err(MigrationError::Missing { version: done.version }),
                Some(file) if file.migration.checksum != done.checksum => {
                    return Err(MigrationError::Changed { file: file.name.clone() });
                }
                Some(_) => {}
            }
        }
        let pending: Vec<&File> = self
            .files
            .values()
            .filter(|file| applied.iter().all(|done| done.version != file.migration.version))
            .collect();
        match (pending.first(), applied.iter().map(|done| done.version).max()) {
            (Some(first), Some(newest)) if first.migration.version < newest => {
                Err(MigrationError::OutOfOrder { file: first.name.clone(), newest })
            }
            _ => Ok(pending),
        }
    }

    async fn apply_file(
        &self,
        connection: &mut PgConnection,
        file: &File,
        progress: &mut (dyn FnMut(Progress<'_>) + Send),
    ) -> Result<Duration> {
        for attempt in 1.. {
            let error = match connection.apply(&self.table, &file.migration).await {
                Ok(elapsed) => return Ok(elapsed),
                Err(MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _)) => error,
                Err(error) => return Err(driver(error)),
            };
            // What ran outside a transaction may have been done in part, so it is not tried again.
            if attempt == TRIES || file.migration.no_tx || !is_collision(&error) {
                return Err(failed(file, error));
            }
            progress(Progress::Retrying { file: &file.name, attempt: attempt + 1 });
            // The server is the clock, and rolls the dice: those that collided must not come back at the same time.
            let most = 0.1 * f64::from(1 << attempt);
            sqlx::query("SELECT pg_sleep($1 * random())").bind(most).execute(&mut *connection).await?;
        }
        unreachable!("the last try returns");
    }
}

/// Says whether a migration collided with that of another database of the same server: roles and their memberships are
/// shared by all databases, and sqlx's lock is for one.
fn is_collision(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|server| match server.code() {
        "XX000" => server.message().starts_with("tuple concurrently"),
        "23505" => server.constraint().is_some_and(|constraint| {
            ["pg_authid_", "pg_auth_members_", "pg_db_role_setting_"].iter().any(|name| constraint.starts_with(name))
        }),
        "40P01" => true,
        _ => false,
    })
}

fn failed(file: &File, error: sqlx::Error) -> Error {
    let Some(server) = server_error(&error) else { return error.into() };
    let mut message = format!("{} (SQLSTATE {})", server.message(), server.code());
    for (what, more) in [("detail", server.detail()), ("hint", server.hint()), ("where", server.r#where())] {
        if let Some(more) = more {
            message.push_str(&format!("\n{what}: {more}"));
        }
    }
    MigrationError::Failed {
        file: file.name.clone(),
        line: line_of(server, file.migration.sql.as_str()),
        code: Some(server.code().to_owned()),
        message,
    }
    .into()
}

fn driver(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => error.into(),
        error => Error::Database(error.into()),
    }
}

/// Names a migration of which the file is not at hand.
fn name(migration: &Migration) -> String {
    format!("{:04}_{}.sql", migration.version, migration.description.replace(' ', "_"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn migrations(files: &[(i64, &'static str)]) -> Migrations {
        let files = files.iter().map(|(version, sql)| {
            let sql = sqlx::SqlStr::from_static(sql);
            let up = sqlx::migrate::MigrationType::ReversibleUp;
            let migration = Migration::new(*version, "x".into(), up, sql, false);
            File { name: name(&migration), migration }
        });
        Migrations::new(files, "t".into()).expect("distinct versions")
    }

    fn applied(migrations: &Migrations) -> Vec<AppliedMigration> {
        migrations
            .files
            .values()
            .map(|file| AppliedMigration { version: file.migration.version, checksum: file.migration.checksum.clone() })
            .collect()
    }

    #[test]
    fn only_what_was_not_applied_is_pending() {
        let all = migrations(&[(1, "a"), (2, "b"), (10, "c")]);
        let pending = all.pending(&applied(&migrations(&[(1, "a")]))).expect("they belong together");
        assert_eq!(pending.iter().map(|file| file.migration.version).collect::<Vec<_>>(), [2, 10]);
    }

    #[test]
    fn files_that_do_not_belong_to_the_database_are_refused() {
        let all = migrations(&[(1, "a"), (2, "b")]);
        let pending = |files: &[(i64, &'static str)]| all.pending(&applied(&migrations(files))).err();
        assert!(matches!(pending(&[(1, "changed")]), Some(MigrationError::Changed { .. })));
        assert!(matches!(pending(&[(3, "c")]), Some(MigrationError::Missing { version: 3 })));
        assert!(matches!(pending(&[(2, "b")]), Some(MigrationError::OutOfOrder { newest: 2, .. })));
    }
}
