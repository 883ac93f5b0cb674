//! Connection options: pool sizes, timeouts and login roles, for all roles or for one.

use std::{collections::BTreeMap, time::Duration};

use super::{
    call::InlineValues,
    logins::{MeantFor, RoleLogin},
    signing_key::SigningKey,
    statement_filter::Allowed,
};
use crate::{
    model::def::TenancyDef,
    tenant::{LoginPerRole, Role, Tenancy, lattice::assert_names, no_tenant_role},
};

/// What a transaction does with the statements of the app.
#[derive(Debug, Clone, Copy)]
pub(super) struct StatementOptions {
    /// Whether statements of the repository remain prepared on the connection.
    pub(super) prepared: bool,
    /// Whether custom statements remain prepared as well.
    prepared_custom: bool,
    /// What the statement filter allows.
    pub(super) allowed: Allowed,
}

impl StatementOptions {
    /// Returns whether statements that the repository did not generate remain prepared.
    pub(super) fn prepares_custom(self) -> bool {
        self.prepared && self.prepared_custom
    }
}

/// Connection options of a [`TenantDb`](crate::TenantDb).
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
    max_connections: Option<u32>,
    statement_timeout: Option<Duration>,
    pub(super) acquire_timeout: Duration,
    pub(super) attempts: u32,
    pub(super) trace_tenants: bool,
    pub(super) fingerprint: Option<String>,
    pub(super) inline_values: InlineValues,
    pub(super) signing_key: Option<SigningKey>,
    pub(super) statements: StatementOptions,
    /// The options for single database roles.
    by_role: BTreeMap<&'static str, RoleOptions>,
    /// The login roles of single application roles.
    pub(super) logins: Vec<RoleLogin>,
}

/// Connection options of one role, which override those of [`TenantDbOptions`]; see
/// [`TenantDbOptions::role`].
///
/// ```
/// # use std::time::Duration;
/// # use tenant_runtime::{RoleOptions, TenantDb, roles::Admin};
/// let admin = RoleOptions::default().max_connections(3).statement_timeout(Duration::from_secs(60));
/// let options = TenantDb::options().role::<Admin>(admin);
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "these are passed to `TenantDbOptions::role`"]
pub struct RoleOptions {
    max_connections: Option<u32>,
    statement_timeout: Option<Duration>,
}

impl Default for TenantDbOptions {
    fn default() -> Self {
        Self {
            max_connections: None,
            statement_timeout: None,
            acquire_timeout: Duration::from_secs(10),
            attempts: 5,
            trace_tenants: false,
            fingerprint: None,
            statements: StatementOptions { prepared: true, prepared_custom: true, allowed: Allowed::default() },
            inline_values: InlineValues::default(),
            signing_key: None,
            by_role: BTreeMap::new(),
            logins: Vec::new(),
        }
    }
}

impl TenantDbOptions {
    /// Sets the maximum number of connections of each role. Default: 10, or fewer, so that the pools of all roles together fit
    /// into the connection limit of their login role.
    ///
    /// The connection limit applies to all instances of the app together. If the sum over the roles of a login role exceeds it,
    /// [`TenantDb::warnings`](crate::TenantDb::warnings) contains a warning. Behind a connection pooler, the default is 10.
    ///
    /// ```
    /// let options = tenant_runtime::TenantDb::options().max_connections(20);
    /// ```
    pub fn max_connections(mut self, per_role: u32) -> Self {
        self.max_connections = Some(per_role.max(1));
        self
    }

    /// Sets the `statement_timeout` for all roles. Default: the setting of the login role.
    ///
    /// A cancelled statement fails with [`Error::TimedOut`](crate::Error::TimedOut).
    ///
    /// ```
    /// # use std::time::Duration;
    /// let options = tenant_runtime::TenantDb::options().statement_timeout(Duration::from_secs(5));
    /// ```
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }

    /// Sets how long beginning a transaction waits for a connection. Default: 10 seconds.
    ///
    /// If none becomes available in time, the call fails with [`Error::PoolTimeout`](crate::Error::PoolTimeout).
    ///
    /// ```
    /// # use std::time::Duration;
    /// let options = tenant_runtime::TenantDb::options().acquire_timeout(Duration::from_secs(2));
    /// ```
    pub fn acquire_timeout(mut self, timeout: Duration) -> Self {
        self.acquire_timeout = timeout;
        self
    }

    /// Sets the maximum number of attempts of [`TenantDb::retry`](crate::TenantDb::retry). Default:
    /// 5.
    ///
    /// ```
    /// let options = tenant_runtime::TenantDb::options().attempts(3);
    /// ```
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts.max(1);
        self
    }

    /// Records the tenant ID in the `tracing` spans of transactions. Default: `false`, because logs
    /// often have more readers than the database.
    ///
    /// The spans are named `tenant_tx`, have the level `INFO`, and always record the `role`. sqlx's
    /// statement logs appear inside them. The spans of jobs over all tenants are named `system_tx`
    /// and record the access ID of the job as `record`.
    ///
    /// ```
    /// let options = tenant_runtime::TenantDb::options().trace_tenants(true);
    /// ```
    pub fn trace_tenants(mut self, trace: bool) -> Self {
        self.trace_tenants = trace;
        self
    }

    /// Sets the expected fingerprint of the database; connecting to a database with a different
    /// fingerprint fails. `gen-migrations audit` prints the fingerprint.
    ///
    /// The fingerprint is a hash of RLS, policies, privileges, columns, constraints, functions,
    /// triggers and roles; one query computes it when the app connects. A deployment pipeline
    /// migrates, audits, and passes the fingerprint to the app. The next migration can change it,
    /// so instances that start after that migration need the new fingerprint.
    ///
    /// ```
    /// # let fingerprint = String::new();
    /// let options = tenant_runtime::TenantDb::options().fingerprint(fingerprint);
    /// ```
    pub fn fingerprint(mut self, fingerprint: impl Into<String>) -> Self {
        self.fingerprint = Some(fingerprint.into());
        self
    }

    /// Sets whether statements remain prepared on their connection. Default: `true`.
    ///
    /// Set it to `false` behind PgBouncer before 1.21 in transaction mode, where a client's statement
    /// can run on a connection on which it was not prepared. Newer versions support prepared
    /// statements; their `max_prepared_statements` sets the maximum number, and 0 disables the support.
    ///
    /// ```
    /// let options = tenant_runtime::TenantDb::options().prepared_statements(false);
    /// ```
    pub fn prepared_statements(mut self, prepared: bool) -> Self {
        self.statements.prepared = prepared;
        self
    }

    /// Sets whether custom SQL can run `EXPLAIN`. Default: `false`. Set it to `true` only during development, on a
    /// database whose rows every developer can read.
    ///
    /// The planner's estimates come from statistics of all tenants' rows. From the row counts of plans with conditions such
    /// as `email >= 'a' AND email < 'b'`, a role learns, letter by letter, frequent values of any column that it can select,
    /// in rows that the policies hide from it.
    /// Without this option, `EXPLAIN` and the settings that print plans (`debug_print_plan`, `client_min_messages`) fail
    /// with [`Error::ForbiddenStatement`](crate::Error::ForbiddenStatement). The check reads the text of statements;
    /// the attribute `sensitive` prevents statistics of a column's values.
    ///
    /// ```
    /// let options = tenant_runtime::TenantDb::options().allow_explain(cfg!(debug_assertions));
    /// ```
    pub fn allow_explain(mut self, allow: bool) -> Self {
        self.statements.allowed.explain = allow;
        self
    }

    /// Sets whether custom statements remain prepared on their connection, as those of the repository do. Default: `true`.
    ///
    /// Set it to `false` if the text of custom statements contains values that are not bound as parameters: the view
    /// `pg_prepared_statements` shows the text to later transactions on the connection, also to SQL that is injected for
    /// another tenant. Each custom statement is then prepared when it runs, which takes another round trip. For single
    /// statements, call sqlx's `persistent(false)`. It has no effect on `Executor::prepare`, which names the statement.
    ///
    /// ```
    /// let options = tenant_runtime::TenantDb::options().prepared_custom_statements(false);
    /// ```
    pub fn prepared_custom_statements(mut self, prepared: bool) -> Self {
        self.statements.prepared_custom = prepared;
        self
    }

    /// Sets which values may be written into the text of a statement. Default: [`InlineValues::NonText`].
    ///
    /// A single repository call, such as `Project::get(&db.scope(&ctx), id)`, takes one round trip if all its values may be part of
    /// the text; otherwise two for a read and three for a write. In a transaction this applies to the first call.
    ///
    /// Values in the text are never interpreted as SQL: each is a typed constant. But PostgreSQL writes the text of a statement
    /// that fails, or that takes longer than `log_min_duration_statement`, to its log, and shows the text of running statements in
    /// `pg_stat_activity` to the same login and to roles with `pg_read_all_stats`. The value of a column with `sensitive` or with a
    /// `select` role is never part of the text.
    ///
    /// ```
    /// # use tenant_runtime::{InlineValues, TenantDb};
    /// let options = TenantDb::options().inline_values(InlineValues::All);
    /// ```
    pub fn inline_values(mut self, values: InlineValues) -> Self {
        self.inline_values = values;
        self
    }

    /// Sets the key that signs the contexts of tenancies with `signed_context: true`.
    ///
    /// The database then accepts a tenant, a user and a role only from the app, so injected SQL cannot change them. Without the
    /// key, connecting fails with [`Error::SigningKeyRequired`](crate::Error::SigningKeyRequired); if the database does not accept
    /// its signatures, with [`Error::ContextNotSigned`](crate::Error::ContextNotSigned).
    ///
    /// ```no_run
    /// # use tenant_runtime::TenantDb;
    /// # async fn f(url: &str) -> Result<(), Box<dyn std::error::Error>> {
    /// let key = std::env::var("CONTEXT_KEY")?.parse()?;
    /// let db = TenantDb::options().signing_key(key).connect(url).await?;
    /// # Ok(()) }
    /// ```
    pub fn signing_key(mut self, key: SigningKey) -> Self {
        self.signing_key = Some(key);
        self
    }

    /// Sets options for the contexts of one role.
    ///
    /// ```
    /// # use tenant_runtime::{RoleOptions, TenantDb, roles::Admin};
    /// let options = TenantDb::options().role::<Admin>(RoleOptions::default().max_connections(3));
    /// ```
    pub fn role<R: Role>(mut self, options: RoleOptions) -> Self {
        const { assert_names::<R>() }
        self.by_role.insert(R::DB_ROLE, options);
        self
    }

    /// Sets options for users without a tenant, including the membership lookup of a
    /// session.
    ///
    /// ```
    /// # use tenant_runtime::{RoleOptions, TenantDb, roles::Organizations};
    /// let options = TenantDb::options().no_tenant_role::<Organizations>(RoleOptions::default().max_connections(3));
    /// ```
    pub fn no_tenant_role<T: Tenancy>(mut self, options: RoleOptions) -> Self {
        self.by_role.insert(no_tenant_role::<T>(), options);
        self
    }

    /// Sets the URLs of the login roles for a tenancy with `login_per_role: true`; the closure
    /// returns the URL for a role such as `viewer`.
    ///
    /// Injected SQL can assume every role that the login can assume. With a separate login for each
    /// role, injected SQL cannot assume a role higher than that of the transaction. The URL passed
    /// to [`connect`](Self::connect) then serves only users without a tenant.
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
    /// A program that serves a single role needs only the login of that role: connect with the URL
    /// of that login and without this option.
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

    /// Returns the maximum number of connections that an option sets for a role.
    pub(super) fn max_connections_of(&self, role: &str) -> Option<u32> {
        self.by_role.get(role).and_then(|options| options.max_connections).or(self.max_connections)
    }

    pub(super) fn statement_timeout_of(&self, role: &str) -> Option<Duration> {
        self.by_role.get(role).and_then(|options| options.statement_timeout).or(self.statement_timeout)
    }
}

impl RoleOptions {
    /// Sets the maximum number of connections of the role.
    ///
    /// ```
    /// let options = tenant_runtime::RoleOptions::default().max_connections(3);
    /// ```
    pub fn max_connections(mut self, connections: u32) -> Self {
        self.max_connections = Some(connections.max(1));
        self
    }

    /// Sets the `statement_timeout` of the role.
    ///
    /// ```
    /// # use std::time::Duration;
    /// let options = tenant_runtime::RoleOptions::default().statement_timeout(Duration::from_secs(60));
    /// ```
    pub fn statement_timeout(mut self, timeout: Duration) -> Self {
        self.statement_timeout = Some(timeout);
        self
    }
}
