//! Cross-tenant jobs: separate connections, a recorded reason, and transactions as the system role.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    marker::PhantomData,
    ops::{Deref, DerefMut},
    sync::Arc,
};

use sqlx::{
    Connection as _, Postgres, Row as _,
    postgres::{PgArguments, PgRow},
    query::Query,
};
use tracing::{Span, field};
use uuid::Uuid;

use super::{
    begin_sql, connect,
    context_tx::{ContextTx, context_error},
    executor::{TxStatements, executor_through_deref},
    fingerprint, login_check,
    message::FailedAt,
    options::TenantDbOptions,
    pool::{PoolStatus, Pools},
    pool_size::{LoginLimit, PoolSizes},
    session_context::SessionContext,
    signed_message,
    tx::{self, TenantTx},
    tx_options::TxOptions,
};
use crate::{
    error::{Error, Result},
    model::names,
    tenant::{Role as _, System, Tenancy, TenantCtx},
};

/// The database connection of cross-tenant jobs: it uses a separate login role, which can assume only the system
/// role.
///
/// The app's login role cannot assume the system role, so no query on the app's connections can use it to access other
/// tenants. Every job begins by recording a reason with [`begin_access`](Self::begin_access).
///
/// ```no_run
/// # use tenant_runtime::{*, repo::{access::{SystemMay, Tenants}, cmd, table::Select}, roles::Organizations};
/// # async fn f<Organization, Project>() -> Result<()>
/// # where Organization: Tenants + TenantTable<Tenancy = Organizations, Id = uuid::Uuid>,
/// #     Project: SystemMay<cmd::Read> + Select<Tenancy = Organizations> {
/// let jobs = SystemDb::<Organizations>::connect("postgres://app_jobs:secret@localhost/acme").await?;
/// let system = jobs.begin_access("counting projects for the invoices of March").await?;
/// let counts = system.for_each_tenant::<Organization, _, _>(|mut tx| async move { Project::count(&mut tx).await }).await?;
/// for (organization, counted) in counts {
///     println!("{organization}: {:?}", counted);
/// }
/// # Ok(()) }
/// ```
pub struct SystemDb<T> {
    pools: Arc<Pools>,
    tenancy: PhantomData<fn() -> T>,
}

impl<T: Tenancy> SystemDb<T> {
    /// Connects as the jobs login role, such as `app_jobs`, after checking that RLS applies to
    /// it.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Organizations};
    /// # async fn f() -> Result<()> {
    /// let jobs = SystemDb::<Organizations>::connect("postgres://app_jobs:secret@localhost/acme").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Connect`] if the server is not reachable or refuses the login.
    /// - [`Error::UnsafeLogin`] if the login bypasses RLS, or can assume a role of the app.
    /// - [`Error::Database`] if the connection is lost.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, TenantDbOptions::default().max_connections(4)).await
    }

    /// Connects with options. Default of [`connect`](Self::connect): 4 connections.
    ///
    /// Options for single roles, for users without a tenant, and for login roles apply only to the app and are ignored
    /// here.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Organizations};
    /// # async fn f(url: &str) -> Result<()> {
    /// let jobs = SystemDb::<Organizations>::connect_with(url, TenantDb::options().max_connections(2)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`connect`](Self::connect); [`Error::SigningKeyRequired`], [`Error::SigningKeyUnused`] or
    /// [`Error::ContextNotSigned`] as for an app; [`Error::FingerprintMismatch`] if the options contain a
    /// fingerprint and the database has a different one.
    pub async fn connect_with(url: &str, options: TenantDbOptions) -> Result<Self> {
        let connect = connect::options(url)?;
        let mut connection = connect::open(&connect).await?;
        let roles = T::DEF.roles.iter().map(|role| role.name).chain([names::NO_TENANT]);
        let roles: Vec<String> = roles.map(|role| T::DEF.database_role(role)).collect();
        let mut tx = connection.begin().await?;
        let login = login_check::check(&mut tx, &roles).await?;
        if let Some(expected) = &options.fingerprint {
            fingerprint::check(&mut tx, expected).await?;
        }
        tx.rollback().await?;
        match (T::DEF.signed_context, &options.signing_key) {
            (true, Some(key)) => signed_message::check(&mut connection, key, T::DEF, System::<T>::DB_ROLE).await?,
            (true, None) => return Err(Error::SigningKeyRequired { schema: T::DEF.schema }),
            (false, Some(_)) => return Err(Error::SigningKeyUnused),
            (false, None) => {}
        }
        let pooled = !options.statements.prepared || connect::is_pooled(&mut connection, &connect).await?;
        let _ = connection.close().await;
        let (limit, mut warnings) = (LoginLimit::of(&login, pooled), login.warnings);
        let served = BTreeSet::from([System::<T>::DB_ROLE.to_owned()]);
        let (sizes, exceeded) = PoolSizes::new(&options, (limit, served), BTreeMap::new());
        warnings.extend(exceeded);
        let pools = Pools::new(options, connect, BTreeMap::new(), sizes, warnings, pooled);
        Ok(Self { pools: Arc::new(pools), tenancy: PhantomData })
    }

    /// Records a reason for cross-tenant access, and returns the context for it.
    ///
    /// The record contains the reason, the login role and the time. It is committed before any other statement runs:
    /// without a record, the system role cannot read any row.
    ///
    /// The record gives access for a limited time: 8 hours, unless `tenancy!` declares another `system_access_timeout`.
    /// Statements that begin later fail with [`Error::AccessExpired`]. A longer job records a reason again, for example for
    /// each tenant. The reason must have at least 10 characters, or `system_reason_length`.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Organizations};
    /// # async fn f(jobs: SystemDb<Organizations>) -> Result<()> {
    /// let system = jobs.begin_access("deleting expired trial accounts").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::ReasonTooShort`] if the reason has too few characters.
    /// - [`Error::RoleUnavailable`] if no table has a `system(…)` attribute, or the migrations are
    ///   not applied.
    /// - [`Error::PoolTimeout`], [`Error::Connect`] or [`Error::Database`] if no transaction can
    ///   begin.
    pub async fn begin_access(&self, reason: &str) -> Result<SystemCtx<T>> {
        let min_length = T::DEF.system_access.reason_length;
        if reason.trim().chars().count() < usize::from(min_length) {
            return Err(Error::ReasonTooShort { min_length });
        }
        let context = SessionContext::system::<T>(None, None);
        let mut tx = ContextTx::open(&self.pools, context, TxOptions::default(), false, Span::none()).await?;
        let query = sqlx::query(begin_sql::begin_system_access(T::DEF)).bind(reason.to_owned());
        let system_access: Uuid = tx.vetted().answer(query).await?.one()?.try_get(0)?;
        tx.commit(false).await?;
        Ok(SystemCtx { pools: Arc::clone(&self.pools), system_access, tenancy: PhantomData })
    }

    /// Returns warnings about the server, such as a version with known vulnerabilities.
    ///
    /// ```no_run
    /// # fn f(jobs: tenant_runtime::SystemDb<tenant_runtime::roles::Organizations>) {
    /// jobs.warnings().iter().for_each(|warning| eprintln!("{warning}"));
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.pools.warnings()
    }

    /// Returns the status of the connection pool and the number of denied attempts, for metrics.
    ///
    /// ```no_run
    /// # fn f(jobs: tenant_runtime::SystemDb<tenant_runtime::roles::Organizations>) {
    /// let open: u32 = jobs.pools().iter().map(|pool| pool.open).sum();
    /// # }
    /// ```
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.pools.status()
    }

    /// Closes the connections once all open transactions have ended.
    ///
    /// ```no_run
    /// # async fn f(jobs: tenant_runtime::SystemDb<tenant_runtime::roles::Organizations>) {
    /// jobs.close().await;
    /// # }
    /// ```
    pub async fn close(&self) {
        self.pools.close().await;
    }
}

impl<T> Clone for SystemDb<T> {
    fn clone(&self) -> Self {
        Self { pools: Arc::clone(&self.pools), tenancy: PhantomData }
    }
}

impl<T> fmt::Debug for SystemDb<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemDb").field("pools", &self.pools).finish()
    }
}

/// The context of a cross-tenant job, with a recorded reason. Returned by
/// [`SystemDb::begin_access`].
///
/// ```no_run
/// # use tenant_runtime::{*, roles::Organizations};
/// # async fn f(system: SystemCtx<Organizations>) -> Result<()> {
/// let mut tx = system.begin().await?;
/// let (projects,): (i64,) = sqlx::query_as("SELECT count(*) FROM app.projects").fetch_one(&mut tx).await?;
/// tx.commit().await
/// # }
/// ```
///
/// It cannot be constructed in another way:
///
/// ```compile_fail
/// fn forged<T>(db: tenant_runtime::SystemDb<T>) -> tenant_runtime::SystemCtx<T> {
///     tenant_runtime::SystemCtx { system_access: uuid::Uuid::nil(), ..Default::default() }
/// }
/// ```
pub struct SystemCtx<T> {
    pools: Arc<Pools>,
    system_access: Uuid,
    tenancy: PhantomData<fn() -> T>,
}

impl<T: Tenancy> SystemCtx<T> {
    /// Returns the access ID: the key of the row in the table `system_access_log` that contains the reason.
    ///
    /// ```no_run
    /// # fn f(system: tenant_runtime::SystemCtx<tenant_runtime::roles::Organizations>) {
    /// println!("recorded as {}", system.record());
    /// # }
    /// ```
    #[must_use]
    pub fn record(&self) -> Uuid {
        self.system_access
    }

    /// Begins a transaction over the rows of all tenants, with the commands that the tables' `system(…)` attributes
    /// allow.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Organizations};
    /// # async fn f(system: SystemCtx<Organizations>) -> Result<()> {
    /// let mut tx = system.begin().await?;
    /// sqlx::query("DELETE FROM app.sessions WHERE expires_at < now()").execute(&mut tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::PoolTimeout`], [`Error::Connect`] or [`Error::Database`] if no connection can be acquired. The first statement
    /// returns [`Error::RoleUnavailable`] if the login cannot assume the role.
    pub async fn begin(&self) -> Result<SystemTx<T>> {
        let context = SessionContext::system::<T>(None, Some(self.system_access));
        let (role, record) = (context.role, self.system_access);
        let span = tracing::info_span!("system_tx", role, %record, outcome = field::Empty);
        let tx = ContextTx::open(&self.pools, context, TxOptions::default(), false, span).await?;
        Ok(SystemTx { on: TxStatements { tx, ctx: PhantomData } })
    }

    /// Begins a transaction as the system role for one tenant: the policies limit it to that tenant's rows. Repository
    /// methods can run in it.
    ///
    /// The transaction has no user, so the repository cannot insert into a table with an `owner`
    /// column.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Organizations};
    /// # async fn f(system: SystemCtx<Organizations>, organization: uuid::Uuid) -> Result<()> {
    /// let mut tx = system.begin_for(&organization).await?;
    /// sqlx::query("UPDATE app.projects SET archived = true").execute(&mut tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::PoolTimeout`], [`Error::Connect`] or [`Error::Database`] if no connection can be acquired. The first statement
    /// returns [`Error::RoleUnavailable`] if the login cannot assume the role.
    pub async fn begin_for(&self, tenant_id: &T::Key) -> Result<TenantTx<System<T>>> {
        let context = SessionContext::system::<T>(Some(tenant_id), Some(self.system_access));
        tx::begin_as(&self.pools, context, TenantCtx::of_jobs(tenant_id.clone()), TxOptions::default()).await
    }
}

impl<T> Clone for SystemCtx<T> {
    fn clone(&self) -> Self {
        Self { pools: Arc::clone(&self.pools), system_access: self.system_access, tenancy: PhantomData }
    }
}

impl<T> fmt::Debug for SystemCtx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemCtx").field("record", &self.system_access).finish_non_exhaustive()
    }
}

/// A transaction as the system role over all tenants. Returned by [`SystemCtx::begin`].
///
/// `&mut tx` is an sqlx `Executor`. Statements that would end the transaction or change the role or
/// the settings are refused, as in a [`TenantTx`]. If it is dropped without
/// [`commit`](Self::commit), it is rolled back.
///
/// ```no_run
/// # use tenant_runtime::{*, roles::Organizations};
/// # async fn f(system: SystemCtx<Organizations>) -> Result<()> {
/// let mut tx: SystemTx<Organizations> = system.begin().await?;
/// sqlx::query("UPDATE app.projects SET archived = true").execute(&mut tx).await?;
/// tx.commit().await
/// # }
/// ```
#[must_use = "a transaction is rolled back when it is dropped"]
pub struct SystemTx<T> {
    on: TxStatements<PhantomData<fn() -> T>>,
}

impl<T: Tenancy> SystemTx<T> {
    /// Commits the transaction.
    ///
    /// ```no_run
    /// # async fn f(tx: tenant_runtime::SystemTx<tenant_runtime::roles::Organizations>) -> tenant_runtime::Result<()> {
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Aborted`] if a statement failed, even if its error was ignored: the server then
    ///   keeps no change.
    /// - [`Error::ContextLost`] if a statement changed the role or the settings.
    /// - [`Error::Retryable`] after a serialization failure.
    /// - [`Error::UniqueViolation`] or [`Error::ForeignKeyViolation`] for constraints that are checked at the
    ///   end.
    /// - [`Error::LastManager`] if a deletion removed, by ON DELETE CASCADE, the last member who can
    ///   manage members.
    /// - [`Error::Database`] if the connection is lost. Whether the commit took effect is then
    ///   unknown.
    pub async fn commit(self) -> Result<()> {
        self.on.tx.commit(true).await
    }

    /// Rolls the transaction back. Dropping it does the same.
    ///
    /// ```no_run
    /// # async fn f(tx: tenant_runtime::SystemTx<tenant_runtime::roles::Organizations>) -> tenant_runtime::Result<()> {
    /// tx.rollback().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Database`] if the connection is lost; the server then rolls back by itself.
    pub async fn rollback(self) -> Result<()> {
        self.on.tx.rollback().await
    }

    /// Runs a statement of this crate and returns its rows.
    pub(crate) async fn fetch_all(&mut self, statement: Query<'static, Postgres, PgArguments>) -> Result<Vec<PgRow>> {
        let answer = self.tx.vetted().answer(statement).await;
        let role = System::<T>::DB_ROLE;
        Ok(answer.map_err(|error| context_error(role, FailedAt::Context, error))?.rows)
    }
}

impl<T> fmt::Debug for SystemTx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTx").field("context", &self.tx.context).finish_non_exhaustive()
    }
}

impl<T> Deref for SystemTx<T> {
    type Target = TxStatements<PhantomData<fn() -> T>>;

    fn deref(&self) -> &Self::Target {
        &self.on
    }
}

impl<T> DerefMut for SystemTx<T> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.on
    }
}

executor_through_deref!([T: Tenancy] SystemTx<T>);
