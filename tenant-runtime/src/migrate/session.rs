//! The session that applies migrations: its settings, sqlx's lock, and the session that holds the lock.

use std::time::{Duration, Instant};

use sqlx::{
    Connection as _, Executor as _, PgConnection,
    migrate::{Migrate as _, MigrateError},
};

use super::{
    history::{Row, TableName, code, driver},
    privileges,
    progress::{OnProgress, Progress},
};
use crate::{
    db::{connection_options, open_connection, open_for_writing},
    error::{MigrationError, Result},
    registry::Registered,
};

/// The name of the session in `pg_stat_activity`, unless the URL contains one.
const APPLICATION: &str = "tenant-runtime migrations";

/// The settings that files rely on, whatever is set for the server, the database, the login or in the URL. With
/// `row_security = off`, a statement that policies would filter fails instead of skipping rows.
const SETTINGS: &str = "SET search_path = public, pg_temp; SET row_security = off; SET standard_conforming_strings = on; \
                        SET transform_null_equals = off; SET array_nulls = on; SET check_function_bodies = on";

/// The purpose of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Write,
}

/// Opens a connection that the server closes soon after this process ends.
///
/// An application login is refused: it cannot read the migrations table, so it would seem that no migration has been
/// applied.
pub(super) async fn open(admin_url: &str, purpose: Purpose) -> Result<PgConnection> {
    let mut options = connection_options(admin_url)?;
    let login = options.get_username();
    if inventory::iter::<Registered>().any(|registered| registered.0.tenancy.has_login(login)) {
        return Err(MigrationError::AppLogin { login: login.to_owned() }.into());
    }
    if options.get_application_name().is_none() {
        options = options.application_name(APPLICATION);
    }
    let mut connection = match purpose {
        Purpose::Read => open_connection(&options).await?,
        Purpose::Write => open_for_writing(&options).await?,
    };
    // Without this setting, the server would finish a long statement and keep the lock. Some operating systems do not
    // support the setting.
    let _ = connection.execute("SET client_connection_check_interval = '1s'").await;
    pin(&mut connection).await?;
    Ok(connection)
}

/// Sets the settings that files rely on. A file can reset a setting of the session, so this runs before each file.
pub(super) async fn pin(connection: &mut PgConnection) -> sqlx::Result<()> {
    connection.execute(SETTINGS).await?;
    Ok(())
}

/// Reads the applied migrations by version on a connection that is then closed. The result is empty
/// if the table does not exist.
pub(super) async fn read(admin_url: &str, name: &TableName) -> Result<Vec<Row>> {
    let mut connection = open(admin_url, Purpose::Read).await?;
    let read = async {
        let table = name.find(&mut connection).await?;
        table.rows(&mut connection).await
    };
    let read = read.await;
    let read = privileges::explained(&mut connection, name, read).await;
    let _ = connection.close().await;
    read
}

/// Waits for sqlx's lock, at most for a given time.
///
/// This function polls: a session that blocks on a lock holds a snapshot, and CREATE INDEX CONCURRENTLY waits for all
/// snapshots, so the two sessions would deadlock.
pub(super) async fn lock(connection: &mut PgConnection, limit: Duration, progress: OnProgress<'_, '_>) -> Result<()> {
    progress(Progress::Locking);
    let start = Instant::now();
    let mut told: Option<Holder> = None;
    loop {
        connection.execute("SET lock_timeout = '200ms'").await?;
        let locked = connection.lock().await;
        connection.execute("RESET lock_timeout").await?;
        match locked {
            Err(MigrateError::Execute(error)) if code(&error) == Some("55P03") => {}
            locked => return locked.map_err(driver),
        }
        let holder = Holder::find(connection).await?;
        if start.elapsed() >= limit {
            return Err(MigrationError::Locked {
                seconds: limit.as_secs(),
                holder: holder.as_ref().map_or_else(|| "another session".to_owned(), Holder::to_string),
                pid: holder.map_or(0, |holder| holder.pid),
            }
            .into());
        }
        if let Some(holder) = holder.filter(|holder| told.as_ref() != Some(holder)) {
            progress(Progress::Waiting { holder: &holder.to_string() });
            told = Some(holder);
        }
        pause(connection, 0.2).await?;
    }
}

/// Waits for a random time of at most `most` seconds, so that conflicting sessions do not retry at the same time.
pub(super) async fn pause(connection: &mut PgConnection, most: f64) -> sqlx::Result<()> {
    sqlx::query("SELECT pg_catalog.pg_sleep($1 * pg_catalog.random())").bind(most).execute(connection).await?;
    Ok(())
}

/// The session that holds the lock.
#[derive(Debug, PartialEq, Eq, sqlx::FromRow)]
struct Holder {
    pid: i32,
    application: String,
    login: String,
    /// The time at which the session began, in UTC; hidden from a login that is not a member of the session's login.
    since: Option<String>,
}

impl Holder {
    async fn find(connection: &mut PgConnection) -> sqlx::Result<Option<Self>> {
        let database: String =
            sqlx::query_scalar("SELECT pg_catalog.current_database()::text").fetch_one(&mut *connection).await?;
        let key = lock_key(&database).cast_unsigned();
        let [class, object] =
            [key >> 32, key & 0xffff_ffff].map(|half| i64::from(u32::try_from(half).unwrap_or_default()));
        let sql = "SELECT activity.pid, coalesce(activity.application_name, '') AS application,
                       coalesce(activity.usename::text, '') AS login,
                       pg_catalog.to_char(activity.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS since
                   FROM pg_catalog.pg_locks AS held JOIN pg_catalog.pg_stat_activity AS activity USING (pid)
                   WHERE held.locktype = 'advisory' AND held.granted AND held.objsubid = 1
                       AND held.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
                       AND held.classid::bigint = $1 AND held.objid::bigint = $2";
        sqlx::query_as(sql).bind(class).bind(object).fetch_optional(connection).await
    }
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { pid, application, login, since } = self;
        write!(f, "process {pid} of the server (login `{login}`")?;
        if !application.is_empty() {
            write!(f, ", application `{application}`")?;
        }
        match since {
            Some(since) => write!(f, ", connected since {since} UTC)"),
            None => f.write_str(")"),
        }
    }
}

/// Returns the key of sqlx's lock, which sqlx derives from the name of the database. Only messages depend on it: the lock is
/// taken by sqlx's function.
fn lock_key(database: &str) -> i64 {
    let crc = !database.bytes().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 })
    });
    0x3d32_ad9e * i64::from(crc)
}
