//! One pool for each role, and the net under it: a connection goes back with nothing of its last transaction, or not at all.

use std::{
    collections::BTreeMap,
    fmt, io,
    sync::{Mutex, PoisonError},
};

use sqlx::{
    Connection as _, PgConnection, PgPool, Postgres,
    pool::PoolConnection,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{TenantDbOptions, begin_sql, connect, denial_counter::DenialCounter};
use crate::error::{Error, Result, server_error};

/// The pools by database role. The map is held for moments only, never across an await.
pub(super) struct Pools {
    options: TenantDbOptions,
    connect: PgConnectOptions,
    /// The roles that have a login of their own.
    logins: BTreeMap<String, PgConnectOptions>,
    warnings: Vec<String>,
    /// Whether the next transaction may run on another connection of the server than this crate cleared.
    pooled: bool,
    by_role: Mutex<BTreeMap<&'static str, (PgPool, DenialCounter)>>,
}

/// How the pool of a role stands. Returned by [`TenantDb::pools`](super::TenantDb::pools).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The database role.
    pub role: &'static str,
    /// How many connections are open.
    pub open: u32,
    /// How many of them wait for work.
    pub idle: u32,
    /// How many there may be.
    pub max: u32,
    /// How many attempts were denied since the app connected: by the database, and statements that would change who acts.
    pub denied: u64,
}

impl Pools {
    pub(super) fn new(
        options: TenantDbOptions,
        connect: PgConnectOptions,
        logins: BTreeMap<String, PgConnectOptions>,
        warnings: Vec<String>,
        pooled: bool,
    ) -> Self {
        Self { options, connect, logins, warnings, pooled, by_role: Mutex::default() }
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn options(&self) -> &TenantDbOptions {
        &self.options
    }

    /// Says whether a transaction itself has to check the connection, since a pooler may have given it another one.
    pub(super) fn pooled(&self) -> bool {
        self.pooled
    }

    /// Returns how often a begin may meet a connection that the server has closed: each that is kept, and a fresh one.
    pub(super) fn attempts(&self, role: &str) -> u32 {
        self.options.max_connections_of(role).saturating_add(1)
    }

    /// Takes a connection that serves the role.
    pub(super) async fn acquire(&self, role: &'static str) -> Result<PoolConnection<Postgres>> {
        let (pool, _) = self.of_role(role);
        pool.acquire().await.map_err(|error| match error {
            sqlx::Error::PoolTimedOut => Error::PoolTimeout { role, waited: self.options.acquire_timeout },
            sqlx::Error::PoolClosed => Error::Database(error),
            error => connect::failure(self.login(role), error),
        })
    }

    /// Returns what counts the denied attempts of a role.
    pub(super) fn denials(&self, role: &'static str) -> DenialCounter {
        self.of_role(role).1
    }

    fn of_role(&self, role: &'static str) -> (PgPool, DenialCounter) {
        let mut pools = self.by_role.lock().unwrap_or_else(PoisonError::into_inner);
        pools.entry(role).or_insert_with(|| (self.open(role), DenialCounter::of(role))).clone()
    }

    fn login(&self, role: &str) -> &PgConnectOptions {
        self.logins.get(role).unwrap_or(&self.connect)
    }

    fn open(&self, role: &str) -> PgPool {
        let pooled = self.pooled;
        PgPoolOptions::new()
            .max_connections(self.options.max_connections_of(role))
            .acquire_timeout(self.options.acquire_timeout)
            // A ping would cost a round trip on each begin; the begin itself finds a dead connection, and is repeated.
            .test_before_acquire(false)
            .after_release(move |connection, _| Box::pin(is_clean(connection, pooled)))
            .connect_lazy_with(self.login(role).clone())
    }

    pub(super) fn status(&self) -> Vec<PoolStatus> {
        let status = |(role, (pool, denials)): (&'static str, (PgPool, DenialCounter))| PoolStatus {
            role,
            open: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            max: self.options.max_connections_of(role),
            denied: denials.count(),
        };
        self.opened().into_iter().map(status).collect()
    }

    fn opened(&self) -> BTreeMap<&'static str, (PgPool, DenialCounter)> {
        self.by_role.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn close(&self) {
        for (pool, _) in self.opened().into_values() {
            pool.close().await;
        }
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connect options hold the password.
        f.debug_struct("Pools").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Clears a connection that comes back, and says whether it is idle; one that is not gets closed, which ends what was left
/// open.
///
/// A statement that would leave something is refused as far as its text shows it, but a function may do it too, and the
/// next transaction may be another tenant's. A prepared statement that SQL left is an error, which closes the connection:
/// sqlx runs cached statements by name, and the name may now be that of another text.
///
/// sqlx counts transactions itself, and can be wrong where a future was dropped midway. It asks the server only when it
/// begins one, so this begins one with statements that do not: on an idle connection that is `BeginFailed`, in an
/// open transaction it succeeds, and in an aborted one the first statement fails. A `ROLLBACK` would warn in the server's
/// log on every release, and `BEGIN; ROLLBACK` would count as a rollback in its statistics.
async fn is_clean(connection: &mut PgConnection, pooled: bool) -> sqlx::Result<bool> {
    let cached = (!pooled).then(|| connection.cached_statements_size());
    match connection.begin_with(begin_sql::clear(cached)).await {
        Err(sqlx::Error::BeginFailed) => Ok(true),
        Ok(_open) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Says whether an error means that the connection is gone or must go, so that beginning on another one may well succeed.
pub(super) fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => matches!(
            error.kind(),
            io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::NotConnected
                | io::ErrorKind::UnexpectedEof
        ),
        // The server's last words: shutdown, crash, idle session timeout, and the connection exceptions.
        error => server_error(error).is_some_and(|server| {
            matches!(server.code(), "57P01" | "57P02" | "57P05" | "25P03" | begin_sql::FOREIGN_STATEMENT)
                || server.code().starts_with("08")
        }),
    }
}
