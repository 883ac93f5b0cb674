//! How a database is connected to: sizes, timeouts and logins, for all roles or for one.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use sqlx::{Connection as _, PgConnection, postgres::PgConnectOptions};

use super::{TenantDb, acting::visitor_role, connect, fingerprint, guard, pool::Pools};
use crate::{
    error::{Error, Result},
    model::def::TenancyDef,
    tenant::{Role, Tenancy},
};

/// How a [`TenantDb`] keeps its connections.
///
/// ```no_run
/// # use std::time::Duration;
/// # use tenant_runtime::{roles::Admin, *};
/// # async fn f(url: &str, admins_url: &str) -> Result<()> {
/// let db = TenantDb::options()
///     .max_connections(20)
///     .statement_timeout(Duration::from_secs(5))
///     .role::<Admin>(RoleOptions::default().max_connections(3).url(admins_url))
///     .connect(url)
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until `connect` is called"]
pub struct TenantDbOptions {
    max_connections: u32,
    statement_timeout: Option<Duration>,
    pub(super) acquire_timeout: Duration,
    pub(super) attempts: u32,
    pub(super) trace_tenants: bool,
    fingerprint: Option<String>,
    pub(super) prepared: bool,
    /// What is different for a database role.
    by_role: BTreeMap<&'static str, OfRole>,
}

/// What is different for one role; see [`TenantDbOptions::role`].
#[derive(Clone, Default)]
#[must_use = "these are passed to `TenantDbOptions::role`"]
pub struct RoleOptions {
    max_connections: Option<u32>,
    statement_timeout: Option<Duration>,
    url: Option<String>,
}

#[derive(Debug, Clone)]
struct OfRole {
    options: RoleOptions,
    tenancy: &'static TenancyDef,
    /// The role as attributes name it; visitors have none.
    name: Option<&'static str>,
}

impl Default for TenantDbOptions {
    fn default() -> Self {
        Self {
            max_connections: 10,
            statement_timeout: None,
            acquire_timeout: Duration::from_secs(10),
            attempts: 5,
            trace_tenants: false,
            fingerprint: None,
            prepared: true,
            by_role: BTreeMap::new(),
        }
    }
}

impl TenantDbOptions {
    /// Sets how many connections each role may hold; 10 unless said.
    ///
    /// All roles together must stay below the connection limit of the login.
    pub fn max_connections(mut self, per_role: u32) -> Self {
        self.max_connections = per_role.max(1);
        self
    }

    /// Sets after which time the server cancels a statement; unless said, the login's own setting holds.
    ///
    /// A statement that was cancelled fails with [`Error::TimedOut`].
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Sets how long to wait for a connection; 10 seconds unless said.
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Sets how often [`TenantDb::retry`] runs a transaction at most; 5 times unless said.
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Puts the tenant's key into the `tracing` spans of transactions; it stays out unless said, as logs are often read
    /// by more people than the database.
    ///
    /// The spans are called `tenant_tx`, are of the level info, and always have the `role`. What sqlx logs of a statement
    /// stands inside of them.
    pub fn trace_tenants(mut self, trace: bool) -> Self {
        self.trace_tenants = trace;
        self
    }

    /// Refuses a database that is not the one that was audited: each audit ends with the fingerprint of what it found.
    ///
    /// It is a hash over row security, policies, privileges, columns, constraints, functions and triggers, which one query
    /// takes when the app connects. A pipeline that migrates, audits, and deploys hands it on. The next migration changes
    /// it, so instances that start after that need the new one.
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// Sets whether statements stay prepared on their connection; they do unless said.
    ///
    /// Behind a PgBouncer before 1.21 in transaction mode they must not, since it hands a connection's statements to
    /// others. Newer ones keep them apart; `max_prepared_statements` says how many, and 0 turns it off.
    pub fn prepared_statements(mut self, prepared: bool) -> Self {
        self.prepared = prepared;
        self
    }

    /// Sets what is different for contexts of one role.
    pub fn role<R: Role>(mut self, options: RoleOptions) -> Self {
        let of_role = OfRole { options, tenancy: <R::Tenancy as Tenancy>::DEF, name: Some(R::NAME) };
        self.by_role.insert(R::DB_ROLE, of_role);
        self
    }

    /// Sets what is different for visitors: users without an organization, and the look-up of sessions.
    pub fn visitors<T: Tenancy>(mut self, options: RoleOptions) -> Self {
        self.by_role.insert(visitor_role::<T>(), OfRole { options, tenancy: T::DEF, name: None });
        self
    }

    /// Connects as the app's login, once it is sure that row security holds for that login and for those of single roles.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when the server cannot be reached or does not let a login in,
    /// [`Error::UnsafeLogin`] with everything that lets a login pass by row security, and [`Error::Drifted`] when a
    /// fingerprint was asked for and is another one.
    pub async fn connect(self, url: &str) -> Result<TenantDb> {
        let (connect, warnings) = checked(url, None, self.fingerprint.as_deref()).await?;
        let mut logins = BTreeMap::new();
        for (role, of_role) in &self.by_role {
            if let Some(url) = &of_role.options.url {
                logins.insert(*role, checked(url, Some(of_role), None).await?.0);
            }
        }
        Ok(TenantDb { inner: Arc::new(Pools::new(self, connect, logins, warnings)) })
    }

    pub(super) fn max_connections_of(&self, role: &str) -> u32 {
        self.by_role.get(role).and_then(|of_role| of_role.options.max_connections).unwrap_or(self.max_connections)
    }

    pub(super) fn statement_timeout_of(&self, role: &str) -> Option<Duration> {
        self.by_role.get(role).and_then(|of_role| of_role.options.statement_timeout).or(self.statement_timeout)
    }
}

/// Reads a URL and checks its login; returns what the operator should know.
async fn checked(
    url: &str,
    of_role: Option<&OfRole>,
    expected: Option<&str>,
) -> Result<(PgConnectOptions, Vec<String>)> {
    let options = connect::options(url)?;
    let mut connection = connect::open(&options).await?;
    // In a transaction, as behind a pooler of transactions each statement alone might run on another connection.
    let mut tx = connection.begin().await?;
    let warnings = guard::check(&mut tx, &guard::system_roles()).await?;
    if let Some(expected) = expected {
        fingerprint::check(&mut tx, expected).await?;
    }
    if let Some(of_role) = of_role {
        of_role.check_login(&mut tx).await?;
    }
    tx.rollback().await?;
    // The pools open their own.
    let _ = connection.close().await;
    Ok((options, warnings))
}

impl RoleOptions {
    /// Sets how many connections the role may hold.
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections.max(1));
        self
    }

    /// Sets after which time the server cancels a statement of the role.
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Gives the role a login of its own, which can become this role and none above it.
    ///
    /// SQL that somebody injects can become whatever its login can. With a login for each role it cannot climb. The
    /// migrations make one login for all, so such a login is made by hand: `CREATE ROLE acme_admins LOGIN NOINHERIT`,
    /// `GRANT CONNECT ON DATABASE acme TO acme_admins` and `GRANT app_admin TO acme_admins`, on PostgreSQL 16 and newer
    /// `WITH INHERIT FALSE, SET TRUE`; and `REVOKE app_admin FROM app_service`.
    pub fn url(mut self, url: impl Into<String>) -> Self {
        self.url = Some(url.into());
        self
    }
}

impl fmt::Debug for RoleOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds a password.
        let mut f = f.debug_struct("RoleOptions");
        f.field("max_connections", &self.max_connections).field("statement_timeout", &self.statement_timeout);
        f.finish_non_exhaustive()
    }
}

impl OfRole {
    /// Refuses a login that can become more than the role for which it is.
    async fn check_login(&self, connection: &mut PgConnection) -> Result<()> {
        let database_role = |name: &str| format!("{}{name}", self.tenancy.role_prefix);
        let others = self.tenancy.roles.iter().map(|role| role.name);
        let above = others.filter(|other| !self.name.is_some_and(|own| self.tenancy.includes(own, other)));
        let above: Vec<String> = above.map(database_role).collect();
        let sql = "SELECT session_user::text, rolname::text FROM pg_catalog.pg_roles
                   WHERE rolname = ANY ($1) AND pg_catalog.pg_has_role(rolname, 'MEMBER') ORDER BY rolname";
        let query = sqlx::query_as(sql).bind(above).persistent(false);
        let found: Vec<(String, String)> = query.fetch_all(connection).await?;
        let Some((login, _)) = found.first().cloned() else { return Ok(()) };
        let own = self.name.map_or_else(|| "visitors".to_owned(), |name| format!("`{}`", database_role(name)));
        let finding = |(login, role): (String, String)| {
            format!("it is the login of {own} alone, and can become `{role}`; run `REVOKE {role} FROM {login}`")
        };
        Err(Error::UnsafeLogin { login, findings: found.into_iter().map(finding).collect() })
    }
}
