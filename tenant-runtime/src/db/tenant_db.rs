//! The database handle of an app: connecting, beginning transactions, and single repository calls.

use std::{collections::BTreeMap, sync::Arc};

use futures_core::future::BoxFuture;
use sqlx::{Connection as _, postgres::PgConnectOptions};

use super::{
    call::Call,
    connect,
    context_tx::ContextTx,
    fingerprint, login_check,
    logins::{self, MeantFor, RoleLogin},
    message::Answer,
    options::TenantDbOptions,
    pool::{PoolStatus, Pools},
    pool_size::{self, LoginLimit, PoolSizes},
    session_context::SessionContext,
    signed_message,
    tx::{self, TenantTx},
    tx_options::TxOptions,
};
use crate::{
    error::Result,
    tenant::{Role, Tenancy, TenantCtx},
};

/// An app's database: one connection pool for each role, opened when the role is first used.
///
/// Roles do not share connections, because the server has to replan every cached statement when a
/// connection changes its role. Cloning is cheap; clones share the pools.
///
/// ```no_run
/// # use tenant_runtime::{roles::Member, *};
/// # async fn f(organization: uuid::Uuid, user: uuid::Uuid) -> Result<()> {
/// let db = TenantDb::connect("postgres://app_service:secret@localhost/acme").await?;
/// let ctx = TenantCtx::<Member>::assume_authorized(organization, user);
/// let mut tx = db.begin(&ctx).await?;
/// # Ok(()) }
/// ```
///
/// `TenantDb` is not an sqlx `Executor`, and its pools are not accessible:
///
/// ```compile_fail
/// # async fn f(db: tenant_runtime::TenantDb) -> sqlx::Result<()> {
/// sqlx::query("DELETE FROM app.projects").execute(&db).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TenantDb {
    pub(super) inner: Arc<Pools>,
}

impl TenantDb {
    /// Connects as the app's login role, after checking that RLS applies to it.
    ///
    /// Hosted servers require TLS: enable the feature `tls`.
    ///
    /// ```no_run
    /// # async fn f() -> tenant_runtime::Result<()> {
    /// let db = tenant_runtime::TenantDb::connect("postgres://app_service:secret@localhost/acme").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Connect`](crate::Error::Connect) if the server is not reachable or refuses the login.
    /// - [`Error::UnsafeLogin`](crate::Error::UnsafeLogin) if the login bypasses RLS or can assume a role that it should not;
    ///   the error lists every reason.
    /// - [`Error::RoleWithoutLogin`](crate::Error::RoleWithoutLogin) if roles have separate login roles and this is the login for
    ///   users without a tenant.
    /// - [`Error::Database`](crate::Error::Database) if the connection is lost.
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options().connect(url).await
    }

    /// Returns the default options, which can be changed before connecting.
    ///
    /// ```no_run
    /// # async fn f(url: &str) -> tenant_runtime::Result<()> {
    /// let db = tenant_runtime::TenantDb::options().max_connections(20).connect(url).await?;
    /// # Ok(()) }
    /// ```
    pub fn options() -> TenantDbOptions {
        TenantDbOptions::default()
    }

    /// Opens a transaction in a context.
    ///
    /// Nothing is sent to the server before the first statement; its message, or one before it, sets the context and begins the
    /// transaction. So `now()` is the time of the first statement, and an error of the context, such as
    /// [`Error::RoleUnavailable`](crate::Error::RoleUnavailable), is returned by that statement.
    ///
    /// The future can be dropped at any time without leaving an open transaction behind.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Member>) -> Result<()> {
    /// let mut tx = db.begin(&ctx).await?;
    /// sqlx::query("UPDATE app.projects SET name = $1").bind("first").execute(&mut tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::PoolTimeout`](crate::Error::PoolTimeout) if all connections of the role are in use.
    /// - [`Error::Connect`](crate::Error::Connect) if no connection can be opened.
    /// - [`Error::Database`](crate::Error::Database) if the pool was closed.
    ///
    /// The first statement returns [`Error::RoleUnavailable`](crate::Error::RoleUnavailable) if the login cannot assume the role.
    pub fn begin<R: Role>(&self, ctx: &TenantCtx<R>) -> BoxFuture<'static, Result<TenantTx<R>>> {
        self.begin_with(ctx, TxOptions::default())
    }

    /// Opens a transaction with an isolation level or access mode.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Viewer, *};
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Viewer>) -> Result<()> {
    /// let mut tx = db.begin_with(&ctx, TxOptions { read_only: true, ..TxOptions::default() }).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`begin`](Self::begin).
    pub fn begin_with<R: Role>(
        &self,
        ctx: &TenantCtx<R>,
        options: TxOptions,
    ) -> BoxFuture<'static, Result<TenantTx<R>>> {
        let (pools, ctx) = (Arc::clone(&self.inner), ctx.clone());
        Box::pin(async move { tx::begin(&pools, ctx, options).await })
    }

    /// Runs a single statement as the user, without a tenant, and reads its result.
    pub(crate) async fn call_without_tenant<T: Tenancy, O>(
        &self,
        user_id: Option<&T::User>,
        call: &Call,
        read: impl Fn(&Answer) -> Result<O>,
    ) -> Result<O> {
        ContextTx::single(&self.inner, SessionContext::user::<T>(user_id), call, read).await
    }

    /// Returns a handle for single repository calls, each of which runs in a separate transaction.
    ///
    /// ```no_run
    /// # use tenant_runtime::{prelude::*, Result, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(Debug, TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Member>, id: Uuid) -> Result<()> {
    /// let project = Project::get(&db.scope(&ctx), id).await?;
    /// # Ok(()) }
    /// ```
    pub fn scope<R: Role>(&self, ctx: &TenantCtx<R>) -> Scope<R> {
        Scope { db: self.clone(), ctx: ctx.clone() }
    }

    /// Returns warnings about the server, such as a version with known vulnerabilities.
    ///
    /// ```no_run
    /// # fn f(db: tenant_runtime::TenantDb) {
    /// db.warnings().iter().for_each(|warning| eprintln!("{warning}"));
    /// # }
    /// ```
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.inner.warnings()
    }

    /// Returns the status and the number of denied attempts of each connection pool, ordered by
    /// database role, for metrics.
    ///
    /// A role that has not been used yet has no pool.
    ///
    /// ```no_run
    /// # fn f(db: tenant_runtime::TenantDb) {
    /// let denied: u64 = db.pools().iter().map(|pool| pool.denied).sum();
    /// # }
    /// ```
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.inner.status()
    }

    /// Closes the connections once all open transactions have ended.
    ///
    /// ```no_run
    /// # async fn f(db: tenant_runtime::TenantDb) {
    /// db.close().await;
    /// # }
    /// ```
    pub async fn close(&self) {
        self.inner.close().await;
    }
}

impl TenantDbOptions {
    /// Connects as the app's login role, after checking that RLS applies to it and to the
    /// login roles of single roles.
    ///
    /// ```no_run
    /// # async fn f() -> tenant_runtime::Result<()> {
    /// let options = tenant_runtime::TenantDb::options().max_connections(20);
    /// let db = options.connect("postgres://app_service:secret@localhost/acme").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Connect`](crate::Error::Connect) if the server is not reachable or refuses a login.
    /// - [`Error::UnsafeLogin`](crate::Error::UnsafeLogin) if a login bypasses RLS or can assume a role that it should not;
    ///   the error lists every reason.
    /// - [`Error::RoleWithoutLogin`](crate::Error::RoleWithoutLogin) if roles have separate login roles and a role's URL is missing
    ///   or belongs to another login.
    /// - [`Error::SigningKeyRequired`](crate::Error::SigningKeyRequired) if the contexts of the login must be signed and the options
    ///   have no key; [`Error::SigningKeyUnused`](crate::Error::SigningKeyUnused) if they have one that is not needed;
    ///   [`Error::ContextNotSigned`](crate::Error::ContextNotSigned) if the database does not accept its signatures.
    /// - [`Error::FingerprintMismatch`](crate::Error::FingerprintMismatch) if a fingerprint is set and the database has a different
    ///   one.
    /// - [`Error::Database`](crate::Error::Database) if the connection is lost.
    pub async fn connect(self, url: &str) -> Result<TenantDb> {
        logins::require(&self.logins)?;
        let of_app = |login: &str| logins::of_app(login, &self.logins);
        let Checked { connect, limit, mut warnings, mut pooled } =
            checked(url, of_app, self.fingerprint.as_deref(), &self).await?;
        let (mut by_role, mut limits) = (BTreeMap::new(), BTreeMap::new());
        for RoleLogin { meant_for, url } in &self.logins {
            if let (MeantFor { tenancy, role: Some(role) }, Some(url)) = (*meant_for, url) {
                let login = checked(url, |_| Ok(vec![*meant_for]), None, &self).await?;
                pooled |= login.pooled;
                by_role.insert(tenancy.database_role(role), login.connect);
                limits.insert(tenancy.database_role(role), login.limit);
            }
        }
        let mut served = pool_size::served_by(&limit.login);
        served.retain(|role| !by_role.contains_key(role));
        let (sizes, exceeded) = PoolSizes::new(&self, (limit, served), limits);
        warnings.extend(exceeded);
        Ok(TenantDb { inner: Arc::new(Pools::new(self, connect, by_role, sizes, warnings, pooled)) })
    }
}

/// A login role that passed the checks.
struct Checked {
    connect: PgConnectOptions,
    limit: LoginLimit,
    /// Warnings for the operator.
    warnings: Vec<String>,
    /// Whether a connection pooler might be between the app and the server.
    pooled: bool,
}

/// Parses a URL and checks its login role.
async fn checked(
    url: &str,
    meant_for: impl FnOnce(&str) -> Result<Vec<MeantFor>>,
    expected: Option<&str>,
    app: &TenantDbOptions,
) -> Result<Checked> {
    let options = connect::options(url)?;
    let mut connection = connect::open(&options).await?;
    // The checks run in one transaction: behind a pooler in transaction mode, separate statements
    // could run on different server connections.
    let mut tx = connection.begin().await?;
    let login = login_check::check(&mut tx, &login_check::system_roles()).await?;
    let meant_for = meant_for(&login.name)?;
    for meant_for in &meant_for {
        meant_for.check(&login.name, &mut tx).await?;
    }
    if let Some(expected) = expected {
        fingerprint::check(&mut tx, expected).await?;
    }
    tx.rollback().await?;
    signed_message::check_login(&mut connection, app.signing_key.as_ref(), &login.name, &meant_for).await?;
    // If prepared statements are switched off for a pooler that does not support them, the query
    // that detects a pooler is skipped, because it would use one.
    let pooled = !app.statements.prepared || connect::is_pooled(&mut connection, &options).await?;
    // The pools open separate connections.
    let _ = connection.close().await;
    Ok(Checked { connect: options, limit: LoginLimit::of(&login, pooled), warnings: login.warnings, pooled })
}

/// A context together with its database, for single repository calls. Returned by [`TenantDb::scope`].
///
/// ```no_run
/// # use tenant_runtime::{prelude::*, Result, Scope, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(Debug, TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// # async fn f(db: TenantDb, ctx: TenantCtx<Member>) -> Result<()> {
/// let scope: Scope<Member> = db.scope(&ctx);
/// let projects = Project::list(&scope).limit(20).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a scope does nothing until it is passed to a repository method"]
pub struct Scope<R: Role> {
    db: TenantDb,
    ctx: TenantCtx<R>,
}

impl<R: Role> Scope<R> {
    /// Returns the context.
    ///
    /// ```no_run
    /// # fn f(scope: tenant_runtime::Scope<tenant_runtime::roles::Member>) {
    /// println!("tenant {}", scope.ctx().tenant_id());
    /// # }
    /// ```
    pub fn ctx(&self) -> &TenantCtx<R> {
        &self.ctx
    }

    /// Opens a transaction in the context.
    ///
    /// ```no_run
    /// # async fn f(scope: tenant_runtime::Scope<tenant_runtime::roles::Member>) -> tenant_runtime::Result<()> {
    /// let tx = scope.begin().await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`TenantDb::begin`].
    pub fn begin(&self) -> BoxFuture<'static, Result<TenantTx<R>>> {
        self.db.begin(&self.ctx)
    }

    /// Runs a single statement of the repository, and reads its result.
    pub(crate) async fn run<T>(&self, call: &Call, read: impl Fn(&Answer) -> Result<T>) -> Result<T> {
        ContextTx::single(&self.db.inner, SessionContext::of(&self.ctx), call, read).await
    }
}
