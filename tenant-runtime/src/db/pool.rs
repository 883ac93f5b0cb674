//! One connection pool for each role. A connection is reset when it is returned, and closed if it cannot be reset.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{
    ConnectOptions as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    begin_sql::{self, Unit},
    connect,
    denial_counter::DenialCounter,
    lease::{Lease, RolePool},
    message::Message,
    options::TenantDbOptions,
    pool_size::{LoginLimit, PoolSizes},
    reset::is_clean,
    session_context::SessionContext,
    signing_key::{Signature, SigningKey},
    stale_plans::StalePlans,
};
use crate::{
    error::{Error, Result},
    model::def::TenancyDef,
};

/// The pools by database role. The map's lock is never held across an await.
pub(super) struct Pools {
    options: TenantDbOptions,
    connect: PgConnectOptions,
    /// The connect options of roles with a separate login.
    logins: BTreeMap<String, PgConnectOptions>,
    sizes: PoolSizes,
    warnings: Vec<String>,
    /// Whether a connection pooler might run the next transaction on a server connection that this crate has not
    /// reset.
    pooled: bool,
    by_role: Mutex<BTreeMap<&'static str, Arc<RolePool>>>,
}

/// Status of a role's connection pool. Returned by
/// [`TenantDb::pools`](crate::TenantDb::pools).
///
/// ```no_run
/// # fn f(db: tenant_runtime::TenantDb) {
/// for pool in db.pools() {
///     println!("{}: {} of {} connections, {} denied", pool.role, pool.open, pool.max, pool.denied);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolStatus {
    /// The database role.
    pub role: &'static str,
    /// The number of open connections.
    pub open: u32,
    /// The number of open connections that are idle.
    pub idle: u32,
    /// The maximum number of connections.
    pub max: u32,
    /// The number of denied attempts since the app connected: permission errors of the database, and
    /// statements that the statement filter refused.
    pub denied: u64,
}

impl Pools {
    pub(super) fn new(
        options: TenantDbOptions,
        connect: PgConnectOptions,
        logins: BTreeMap<String, PgConnectOptions>,
        sizes: PoolSizes,
        warnings: Vec<String>,
        pooled: bool,
    ) -> Self {
        Self { options, connect, logins, sizes, warnings, pooled, by_role: Mutex::default() }
    }

    /// Returns the maximum number of connections of a role.
    fn size(&self, role: &str) -> u32 {
        self.sizes.of(role, &self.options)
    }

    pub(super) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    pub(super) fn options(&self) -> &TenantDbOptions {
        &self.options
    }

    /// Returns whether a transaction has to reset and check its server connection itself, because a
    /// connection pooler chose it.
    pub(super) fn pooled(&self) -> bool {
        self.pooled
    }

    /// Returns how many connections are tried to begin a transaction if the server has closed them: each pooled
    /// connection, and a new one.
    pub(super) fn attempts(&self, role: &str) -> u32 {
        self.size(role).saturating_add(1)
    }

    /// Acquires a connection for the role; before a write, one that has answered recently.
    pub(super) async fn acquire(&self, role: &'static str, for_write: bool) -> Result<Lease> {
        self.of_role(role).acquire(for_write).await.map_err(|error| self.acquire_error(role, error))
    }

    /// Replaces a connection of the role; before a write, by one that has answered.
    pub(super) async fn replaced(&self, role: &'static str, lease: Lease, for_write: bool) -> Result<Lease> {
        lease.replaced(for_write).await.map_err(|error| self.acquire_error(role, error))
    }

    fn acquire_error(&self, role: &'static str, error: sqlx::Error) -> Error {
        match error {
            sqlx::Error::PoolTimedOut => {
                let LoginLimit { login, connections } = self.sizes.limit(role).clone();
                let open = self.of_role(role).pool.size();
                let max = self.size(role);
                Error::PoolTimeout {
                    role,
                    waited: self.options.acquire_timeout,
                    open,
                    max,
                    login,
                    connection_limit: connections,
                }
            }
            sqlx::Error::PoolClosed => Error::Database(error),
            error => connect::failure(self.login(role), connect::Purpose::App, error),
        }
    }

    /// Returns the message that sets a context and does the work of `unit`.
    pub(super) fn message(&self, context: &SessionContext, unit: Unit<'_>, signature: Option<&Signature>) -> Message {
        let timeout = self.options.statement_timeout_of(context.role);
        begin_sql::message(context, timeout, self.pooled, unit, signature)
    }

    /// Returns the message that begins a transaction and asks for what the signature of its context must include.
    pub(super) fn begin_for_signature(&self, context: &SessionContext, unit: Unit<'_>) -> Message {
        begin_sql::begin_for_signature(context, self.options.statement_timeout_of(context.role), self.pooled, unit)
    }

    /// Returns the key for the contexts of a tenancy; `None` if they are not signed.
    pub(super) fn signing_key(&self, tenancy: &TenancyDef) -> Result<Option<&SigningKey>> {
        match (tenancy.signed_context, &self.options.signing_key) {
            (false, _) => Ok(None),
            (true, Some(key)) => Ok(Some(key)),
            (true, None) => Err(Error::SigningKeyRequired { schema: tenancy.schema }),
        }
    }

    fn of_role(&self, role: &'static str) -> Arc<RolePool> {
        let mut pools = self.by_role.lock().unwrap_or_else(PoisonError::into_inner);
        let open = || {
            let (stale_plans, max) = (StalePlans::none(), self.size(role));
            let pool = self.open(role, stale_plans.clone());
            let timeout = self.options.acquire_timeout;
            RolePool::new(pool, DenialCounter::of(role), stale_plans, max, timeout, self.pooled)
        };
        Arc::clone(pools.entry(role).or_insert_with(open))
    }

    fn login(&self, role: &str) -> &PgConnectOptions {
        self.logins.get(role).unwrap_or(&self.connect)
    }

    fn open(&self, role: &str, stale_plans: StalePlans) -> PgPool {
        let (pooled, signed) = (self.pooled, self.options.signing_key.is_some());
        let also = stale_plans.clone();
        PgPoolOptions::new()
            .max_connections(self.size(role))
            .acquire_timeout(self.options.acquire_timeout)
            // A ping would add a round trip to each transaction. Beginning a transaction detects a dead connection
            // anyway, and is then repeated on another one.
            .test_before_acquire(false)
            .before_acquire(move |_, meta| {
                let keep = !stale_plans.includes(meta.age);
                Box::pin(async move { Ok(keep) })
            })
            .after_release(move |connection, meta| {
                let keep = !also.includes(meta.age);
                Box::pin(async move { Ok(keep && is_clean(connection, pooled, signed).await?) })
            })
            // sqlx would log the whole text of a statement, in which values can stand.
            .connect_lazy_with(self.login(role).clone().disable_statement_logging())
    }

    pub(super) fn status(&self) -> Vec<PoolStatus> {
        let pools = self.opened().into_iter();
        let count = |connections| u32::try_from(connections).unwrap_or(u32::MAX);
        pools
            .map(|(role, pool)| PoolStatus {
                role,
                open: pool.pool.size(),
                idle: count(pool.pool.num_idle() + pool.kept()),
                max: self.size(role),
                denied: pool.denials.count(),
            })
            .collect()
    }

    fn opened(&self) -> BTreeMap<&'static str, Arc<RolePool>> {
        self.by_role.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) async fn close(&self) {
        for pool in self.opened().into_values() {
            pool.close().await;
        }
    }
}

impl fmt::Debug for Pools {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The connect options are omitted, because they contain the password.
        f.debug_struct("Pools").field("options", &self.options).finish_non_exhaustive()
    }
}
