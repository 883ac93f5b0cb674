//! The database: connections that serve one role each, and transactions that carry a tenant context.
//!
//! Nothing here runs a query without a context: neither [`TenantDb`] nor what it hands out gives away a connection.

mod begin_sql;
mod connect;
mod cross_tenant;
mod denial_counter;
mod fingerprint;
mod lexer;
mod login_check;
mod logins;
mod options;
mod pool;
mod retry;
mod savepoint;
mod session_context;
mod statement;
mod statement_filter;
mod tx;

use std::sync::Arc;

use futures_core::future::BoxFuture;
use sqlx::{
    Postgres,
    postgres::{PgArguments, PgRow},
    query::Query,
};

#[cfg(feature = "generate")]
pub(crate) use self::{
    begin_sql::setting,
    fingerprint::{CANONICAL_OUTPUT, fingerprint},
    login_check::known_vulnerabilities,
};
pub(crate) use self::{
    begin_sql::trusted,
    connect::{open as open_connection, options as connection_options},
    lexer::{Lexer, Token},
    session_context::no_tenant_role,
};
pub use self::{
    cross_tenant::{SystemCtx, SystemDb, SystemTx},
    options::{RoleOptions, TenantDbOptions},
    pool::PoolStatus,
    savepoint::Savepoint,
    tx::{Isolation, TenantTx, TxOptions},
};
use crate::{
    error::{Error, Result},
    tenant::{Role, Tenancy, TenantCtx},
};

/// The app's way to the database: one pool of connections for each role, opened when the role first acts.
///
/// Connections are not shared between roles: on a connection that changes its role, the server plans every cached
/// statement anew. Cloning is cheap, and clones share the pools.
///
/// It is no sqlx `Executor`, and its pools cannot be had:
///
/// ```compile_fail
/// # async fn f(db: tenant_runtime::TenantDb) -> sqlx::Result<()> {
/// sqlx::query("DELETE FROM app.projects").execute(&db).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub struct TenantDb {
    inner: Arc<pool::Pools>,
}

impl TenantDb {
    /// Connects as the app's login, once it is sure that row security holds for that login.
    ///
    /// ```no_run
    /// # async fn f() -> tenant_runtime::Result<()> {
    /// let db = tenant_runtime::TenantDb::connect("postgres://app_service:secret@localhost/acme").await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`TenantDbOptions::connect`].
    pub async fn connect(url: &str) -> Result<Self> {
        Self::options().connect(url).await
    }

    /// Returns the options to change before connecting.
    pub fn options() -> TenantDbOptions {
        TenantDbOptions::default()
    }

    /// Begins a transaction in a context, in one round trip.
    ///
    /// Dropping the future leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Error::RoleUnavailable`] when the login may not act in the role,
    /// [`Error::PoolTimeout`] and [`Error::Connect`] when no
    /// connection is to be had.
    pub fn begin<R: Role>(&self, ctx: &TenantCtx<R>) -> BoxFuture<'static, Result<TenantTx<R>>> {
        self.begin_with(ctx, TxOptions::default())
    }

    /// Begins a transaction of another kind than the database's default.
    ///
    /// # Errors
    ///
    /// As [`begin`](Self::begin).
    pub fn begin_with<R: Role>(
        &self,
        ctx: &TenantCtx<R>,
        options: TxOptions,
    ) -> BoxFuture<'static, Result<TenantTx<R>>> {
        let (pools, ctx) = (Arc::clone(&self.inner), ctx.clone());
        Box::pin(async move { tx::begin(&pools, ctx, options).await })
    }

    /// Runs one statement in a transaction of its own, as a user in no tenant or as nobody.
    ///
    /// The statements are this crate's: calls of the functions that are granted to visitors.
    pub(crate) async fn as_user<T: Tenancy>(
        &self,
        user: Option<&T::User>,
        statement: Query<'static, Postgres, PgArguments>,
        writes: bool,
    ) -> sqlx::Result<Vec<PgRow>> {
        let acting = session_context::SessionContext::visitor::<T>(user);
        let begun = session_context::begin(&self.inner, &acting, TxOptions::default()).await;
        let mut tx = begun.map_err(Error::into_sqlx)?;
        let rows = statement.persistent(self.inner.options().prepared).fetch_all(&mut *tx).await;
        let rows = rows.inspect_err(|error| self.inner.denials(acting.role).note(error))?;
        // After a read there is nothing to keep, and the transaction ends while nobody waits for it.
        if writes {
            tx.commit().await?;
        }
        Ok(rows)
    }

    /// Makes a handle for single repository calls, each of which runs in a transaction of its own.
    ///
    /// ```no_run
    /// # use tenant_runtime::{repo::{access::{May, MayRead, cmd}, table::Select}, roles::Member, *};
    /// # async fn f<Project: Select<Id = uuid::Uuid>>(db: TenantDb, ctx: TenantCtx<Member>, id: uuid::Uuid) -> Result<()>
    /// # where Member: May<cmd::Read, Project, Project::SelectRole> + MayRead<Project, Project::RowNeeds>,
    /// #     Member: repo::access::RoleOf<Project::Tenancy> {
    /// let project = Project::get(&db.scope(&ctx), id).await?;
    /// # Ok(()) }
    /// ```
    pub fn scope<R: Role>(&self, ctx: &TenantCtx<R>) -> Scope<R> {
        Scope { db: self.clone(), ctx: ctx.clone() }
    }

    /// Returns what the operator should know about the server, such as an old version with known holes.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        self.inner.warnings()
    }

    /// Returns how the pools stand, in the order of the database roles, and what was denied to each; for metrics.
    ///
    /// A role that has not acted yet has none.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolStatus> {
        self.inner.status()
    }

    /// Closes the connections; transactions that are open may end first.
    pub async fn close(&self) {
        self.inner.close().await;
    }
}

/// A context together with the database, for single repository calls. Made by [`TenantDb::scope`].
#[derive(Debug, Clone)]
#[must_use = "a scope does nothing until it is passed to a repository method"]
pub struct Scope<R: Role> {
    db: TenantDb,
    ctx: TenantCtx<R>,
}

impl<R: Role> Scope<R> {
    /// Returns the context.
    pub fn ctx(&self) -> &TenantCtx<R> {
        &self.ctx
    }

    /// Begins a transaction in the context.
    ///
    /// # Errors
    ///
    /// As [`TenantDb::begin`].
    pub fn begin(&self) -> BoxFuture<'static, Result<TenantTx<R>>> {
        self.db.begin(&self.ctx)
    }
}
