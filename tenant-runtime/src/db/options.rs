//! How a database is connected to: sizes, timeouts and logins, for all roles or for one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use sqlx::{Connection as _, postgres::PgConnectOptions};

use super::{
    TenantDb, connect, fingerprint, login_check,
    logins::{self, MeantFor, RoleLogin},
    pool::Pools,
    session_context::no_tenant_role,
};
use crate::{
    error::Result,
    model::def::TenancyDef,
    tenant::{LoginPerRole, Role, Tenancy, lattice::assert_names},
};

/// How a [`TenantDb`] keeps its connections.
///
/// ```no_run
/// # use std::time::Duration;
/// # use tenant_runtime::{roles::Admin, *};
/// # async fn f(url: &str) -> Result<()> {
/// let db = TenantDb::options()
///     .max_connections(20)
///     .statement_timeout(Duration::from_secs(5))
///     .role::<Admin>(RoleOptions::default().max_connections(3))
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
    pub(super) fingerprint: Option<String>,
    pub(super) prepared: bool,
    /// What is different for a database role.
    by_role: BTreeMap<&'static str, RoleOptions>,
    /// The logins of single roles.
    logins: Vec<RoleLogin>,
}

/// What is different for one role; see [`TenantDbOptions::role`].
#[derive(Debug, Clone, Default)]
#[must_use = "these are passed to `TenantDbOptions::role`"]
pub struct RoleOptions {
    max_connections: Option<u32>,
    statement_timeout: Option<Duration>,
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
            logins: Vec::new(),
        }
    }
}

impl TenantDbOptions {
    /// Sets how many connections each role may hold; 10 unless said.
    ///
    /// All roles of a login together must stay below its connection limit.
    pub fn max_connections(mut self, per_role: u32) -> Self {
        self.max_connections = per_role.max(1);
        self
    }

    /// Sets after which time the server cancels a statement; unless said, the login's own setting holds.
    ///
    /// A statement that was cancelled fails with [`Error::TimedOut`](crate::Error::TimedOut).
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
    /// stands inside of them. Those of jobs over all tenants are called `system_tx`, and have the `record` of the reason.
    pub fn trace_tenants(mut self, trace: bool) -> Self {
        self.trace_tenants = trace;
        self
    }

    /// Refuses a database that is not the one that was audited: each audit ends with the fingerprint of what it found.
    ///
    /// It is a hash over row security, policies, privileges, columns, constraints, functions, triggers and roles, which one
    /// query takes when the app connects. A pipeline that migrates, audits, and deploys hands it on. The next migration changes
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
        const { assert_names::<R>() }
        self.by_role.insert(R::DB_ROLE, options);
        self
    }

    /// Sets what is different for visitors: users without an organization, and the look-up of sessions.
    pub fn visitors<T: Tenancy>(mut self, options: RoleOptions) -> Self {
        self.by_role.insert(no_tenant_role::<T>(), options);
        self
    }

    /// Takes the logins of a tenancy that says `login_per_role: true`; the closure returns the URL for the login of a role, such as
    /// `viewer`.
    ///
    /// SQL that somebody injects can become whatever its login can, and with a login for each role that is nothing above the
    /// role. The URL of [`connect`](Self::connect) then serves visitors, and no role.
    ///
    /// ```no_run
    /// use std::env;
    /// # use tenant_runtime::{TenantDb, TenantTable, tenancy};
    /// # tenancy! { pub Clinics { key: i64, login_per_role: true, roles: { Staff, Doctor: Staff } } }
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    ///
    /// let db = TenantDb::options()
    ///     // DATABASE_URL_STAFF, DATABASE_URL_DOCTOR
    ///     .login_per_role::<Clinics>(|role| env::var(format!("DATABASE_URL_{}", role.to_uppercase())).ok())
    ///     .connect(&env::var("DATABASE_URL")?)
    ///     .await?;
    /// # Ok(()) }
    /// ```
    ///
    /// A program that serves a single role needs no other login than that: connect by its URL, without this.
    pub fn login_per_role<T: LoginPerRole>(self, url_of: impl FnMut(&str) -> Option<String>) -> Self {
        self.logins_of(T::DEF, url_of)
    }

    pub(crate) fn logins_of(
        mut self,
        tenancy: &'static TenancyDef,
        mut url_of: impl FnMut(&str) -> Option<String>,
    ) -> Self {
        self.logins.retain(|login| login.meant_for.tenancy != tenancy);
        self.logins.extend(
            tenancy.roles.iter().map(|role| RoleLogin {
                meant_for: MeantFor { tenancy, role: Some(role.name) },
                url: url_of(role.name),
            }),
        );
        self
    }

    /// Connects as the app's login, once it is sure that row security holds for that login and for those of single roles.
    ///
    /// # Errors
    ///
    /// [`Error::Connect`] when the server cannot be reached or does not let a login in,
    /// [`Error::UnsafeLogin`] with everything that lets a login pass by row security, or become another role than it is for,
    /// [`Error::RoleWithoutLogin`] when roles have logins of their own and one is missing, and [`Error::FingerprintMismatch`] when a
    /// fingerprint was asked for and is another one.
    ///
    /// [`Error::Connect`]: crate::Error::Connect
    /// [`Error::UnsafeLogin`]: crate::Error::UnsafeLogin
    /// [`Error::RoleWithoutLogin`]: crate::Error::RoleWithoutLogin
    /// [`Error::FingerprintMismatch`]: crate::Error::FingerprintMismatch
    pub async fn connect(self, url: &str) -> Result<TenantDb> {
        logins::require(&self.logins)?;
        let of_app = |login: &str| logins::of_app(login, &self.logins);
        let (connect, warnings, mut pooled) = checked(url, of_app, self.fingerprint.as_deref(), self.prepared).await?;
        let mut by_role = BTreeMap::new();
        for RoleLogin { meant_for, url } in &self.logins {
            if let (MeantFor { tenancy, role: Some(role) }, Some(url)) = (*meant_for, url) {
                let (connect, _, login_pooled) = checked(url, |_| Ok(vec![*meant_for]), None, self.prepared).await?;
                pooled |= login_pooled;
                by_role.insert(tenancy.database_role(role), connect);
            }
        }
        Ok(TenantDb { inner: Arc::new(Pools::new(self, connect, by_role, warnings, pooled)) })
    }

    pub(super) fn max_connections_of(&self, role: &str) -> u32 {
        self.by_role.get(role).and_then(|options| options.max_connections).unwrap_or(self.max_connections)
    }

    pub(super) fn statement_timeout_of(&self, role: &str) -> Option<Duration> {
        self.by_role.get(role).and_then(|options| options.statement_timeout).or(self.statement_timeout)
    }
}

/// Reads a URL and checks its login, also for whom it is meant; returns what the operator should know, and whether
/// transactions may run through a pooler.
async fn checked(
    url: &str,
    meant_for: impl FnOnce(&str) -> Result<Vec<MeantFor>>,
    expected: Option<&str>,
    prepared: bool,
) -> Result<(PgConnectOptions, Vec<String>, bool)> {
    let options = connect::options(url)?;
    let mut connection = connect::open(&options).await?;
    // In a transaction, as behind a pooler of transactions each statement alone might run on another connection.
    let mut tx = connection.begin().await?;
    let (login, warnings) = login_check::check(&mut tx, &login_check::system_roles()).await?;
    for meant_for in meant_for(&login)? {
        meant_for.check(&login, &mut tx).await?;
    }
    if let Some(expected) = expected {
        fingerprint::check(&mut tx, expected).await?;
    }
    // Without prepared statements a pooler that does not know them is to be expected, and none can be asked for.
    let pooled = !prepared || connect::renames_statements(&mut tx).await?;
    tx.rollback().await?;
    // The pools open their own.
    let _ = connection.close().await;
    Ok((options, warnings, pooled))
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
}
