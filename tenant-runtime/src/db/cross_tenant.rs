//! JobRole that cross tenants: a connection of their own, a reason that is recorded first, and transactions that name it.

use std::{collections::BTreeMap, fmt, marker::PhantomData, sync::Arc};

use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Connection as _, Describe, Either, Execute, Executor, Postgres, SqlStr, Transaction,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
    query::Query,
};
use tracing::{Instrument as _, Span, field};
use uuid::Uuid;

use super::{
    PoolStatus, TenantDbOptions, TxOptions, begin_sql, connect, fingerprint, login_check,
    pool::Pools,
    session_context::{self, SessionContext},
    statement::{OwnedQuery, ResultStream, TxState, VettedExecutor},
    statement_filter,
    tx::{self, TenantTx},
};
use crate::{
    error::{Error, Result},
    model::names,
    tenant::{Role as _, System, Tenancy, TenantCtx},
};

/// The way of jobs to the database: a login of their own, which may become the system role and nothing else.
///
/// The app's login cannot become that role, so nothing that happens on the app's connections crosses tenants. Each use
/// begins with a reason: [`because`](Self::because).
///
/// ```no_run
/// # use tenant_runtime::{*, repo::{access::{SystemMay, Tenants, cmd}, table::Select}, roles::Organizations};
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
    /// Connects as the login of jobs, such as `app_jobs`, once it is sure that row security holds for it.
    ///
    /// # Errors
    ///
    /// As [`TenantDbOptions::connect`]; also where the login may become a role of the app.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::connect_with(url, TenantDbOptions::default().max_connections(4)).await
    }

    /// Connects with other options than the 4 connections of [`connect`](Self::connect).
    ///
    /// What they say of single roles, of visitors and of logins is about the app, and left aside here.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub async fn connect_with(url: &str, options: TenantDbOptions) -> Result<Self> {
        let connect = connect::options(url)?;
        let mut connection = connect::open(&connect).await?;
        let roles = T::DEF.roles.iter().map(|role| role.name).chain([names::NO_TENANT]);
        let roles: Vec<String> = roles.map(|role| T::DEF.database_role(role)).collect();
        let mut tx = connection.begin().await?;
        let (_, warnings) = login_check::check(&mut tx, &roles).await?;
        if let Some(expected) = &options.fingerprint {
            fingerprint::check(&mut tx, expected).await?;
        }
        let pooled = !options.prepared || connect::renames_statements(&mut tx).await?;
        tx.rollback().await?;
        let _ = connection.close().await;
        let pools = Pools::new(options, connect, BTreeMap::new(), warnings, pooled);
        Ok(Self { pools: Arc::new(pools), tenancy: PhantomData })
    }

    /// Records why tenants are to be crossed, and begins to act as the system role.
    ///
    /// The record holds the reason, the login and the time, and is committed before anything else can run: without one the
    /// system role reaches no row.
    ///
    /// # Errors
    ///
    /// [`Error::NoReason`] where the reason is blank; [`Error::RoleUnavailable`] when no table lets the system role do
    /// anything, or the migrations were not applied; those of beginning a transaction.
    pub async fn begin_access(&self, reason: &str) -> Result<SystemCtx<T>> {
        if reason.trim().is_empty() {
            return Err(Error::NoReason);
        }
        let acting = SessionContext::system::<T>(None, None);
        let mut tx = session_context::begin(&self.pools, &acting, TxOptions::default()).await?;
        let sql = begin_sql::begin_system_access(T::DEF);
        let query = sqlx::query_scalar(sql).bind(reason.to_owned()).persistent(self.pools.options().prepared);
        let system_access: Uuid = query.fetch_one(&mut *tx).await?;
        tx.commit().await?;
        Ok(SystemCtx { pools: Arc::clone(&self.pools), system_access, tenancy: PhantomData })
    }

    /// Returns what the operator should know about the server, such as an old version with known holes.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.pools.warnings()
    }

    /// Returns how the pool stands, and what was denied to the system role; for metrics, as
    /// [`TenantDb::pools`](super::TenantDb::pools).
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.pools.status()
    }

    /// Closes the connections; transactions that are open may end first.
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

/// A reason that was recorded, and what can be done for it. Made by [`SystemDb::begin_access`].
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
    /// Returns the key of the record in the table `system_access_log`.
    #[must_use]
    pub fn record(&self) -> Uuid {
        self.system_access
    }

    /// Begins a transaction that reaches every tenant's rows, as far as tables let the system role.
    ///
    /// # Errors
    ///
    /// As [`TenantDb::begin`](super::TenantDb::begin).
    pub async fn begin(&self) -> Result<SystemTx<T>> {
        let acting = SessionContext::system::<T>(None, Some(self.system_access));
        let span =
            tracing::info_span!("system_tx", role = acting.role, record = %self.system_access, outcome = field::Empty);
        let tx = session_context::begin(&self.pools, &acting, TxOptions::default()).instrument(span.clone()).await?;
        let course = TxState::begin(self.pools.denials(acting.role));
        Ok(SystemTx { tx, acting, course, span, prepared: self.pools.options().prepared, tenancy: PhantomData })
    }

    /// Begins a transaction for one tenant: the database holds it to that tenant's rows, and repository methods take it.
    ///
    /// No user acts in it, so a row that says whose it is cannot be inserted by the repository.
    ///
    /// # Errors
    ///
    /// As [`TenantDb::begin`](super::TenantDb::begin).
    pub async fn begin_for(&self, org: &T::Key) -> Result<TenantTx<System<T>>> {
        let acting = SessionContext::system::<T>(Some(org), Some(self.system_access));
        tx::begin_as(&self.pools, &acting, TenantCtx::of_jobs(org.clone()), TxOptions::default()).await
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

/// A transaction of the system role over all tenants. Begun by [`SystemCtx::begin`].
///
/// `&mut tx` is an sqlx `Executor`. Statements that would end the transaction or change who acts are refused, as in a
/// [`TenantTx`]. Dropped without [`commit`](Self::commit), it is rolled back.
#[must_use = "a transaction is rolled back when it is dropped"]
pub struct SystemTx<T> {
    tx: Transaction<'static, Postgres>,
    acting: SessionContext,
    course: TxState,
    span: Span,
    /// Whether statements stay prepared on the connection.
    prepared: bool,
    tenancy: PhantomData<fn() -> T>,
}

impl<T: Tenancy> SystemTx<T> {
    /// Makes the changes of the transaction last.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] when a statement failed, also where its error was not looked at. [`Error::ContextLost`] when a
    /// statement changed who acts. The errors of constraints that are checked at the end.
    pub async fn commit(mut self) -> Result<()> {
        let span = self.span.clone();
        async {
            // In an aborted transaction this fails, where COMMIT would be answered like any other.
            session_context::read_back(&mut self.tx, &self.acting).await?;
            self.tx.commit().await?;
            self.span.record("outcome", "committed");
            Ok(())
        }
        .instrument(span)
        .await
    }

    /// Undoes the changes of the transaction.
    ///
    /// # Errors
    ///
    /// When the connection is gone; the server then undoes them by itself.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().instrument(self.span).await?)
    }

    /// Runs a statement that the repository wrote.
    pub(crate) async fn fetch_all(&mut self, statement: Query<'static, Postgres, PgArguments>) -> Result<Vec<PgRow>> {
        self.trusted().fetch_all(statement).await.map_err(|error| session_context::refusal(System::<T>::DB_ROLE, error))
    }

    fn trusted(&mut self) -> VettedExecutor<'_> {
        VettedExecutor { connection: &mut self.tx, course: &mut self.course, span: &self.span, prepared: self.prepared }
    }

    fn admit(&mut self, sql: &str) -> sqlx::Result<VettedExecutor<'_>> {
        if let Some(keyword) = statement_filter::refused(sql, T::DEF) {
            self.span.in_scope(|| self.course.denials.note_statement(&keyword));
            return Err(Error::ForbiddenStatement { keyword }.into_sqlx());
        }
        Ok(self.trusted())
    }
}

impl<T> fmt::Debug for SystemTx<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SystemTx").field("acting", &self.acting).finish_non_exhaustive()
    }
}

impl<'c, T: Tenancy> Executor<'c> for &'c mut SystemTx<T> {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        let query = OwnedQuery::new(query);
        Box::pin(match self.admit(query.sql.as_str()) {
            Ok(trusted) => trusted.fetch_many(query),
            Err(error) => ResultStream::refused(error),
        })
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        let query = OwnedQuery::new(query);
        Box::pin(async move { self.admit(query.sql.as_str())?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let trusted = self.admit(sql.as_str())?;
            trusted.run(async |connection| connection.prepare_with(sql, parameters).await).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let trusted = self.admit(sql.as_str())?;
            trusted.run(async |connection| connection.describe(sql).await).await
        })
    }
}
