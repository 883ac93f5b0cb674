//! Transactions with a tenant context, in which the app's SQL passes the statement filter.

use std::{
    fmt,
    ops::{Deref, DerefMut},
    sync::{Arc, atomic::AtomicBool},
};

use tracing::field;

use super::{
    call::Call,
    context_tx::ContextTx,
    executor::{TxStatements, executor_through_deref},
    message::Answer,
    pool::Pools,
    session_context::SessionContext,
    statement::VettedExecutor,
    tx_options::TxOptions,
};
use crate::{
    error::Result,
    tenant::{Role, TenantCtx},
};

/// A transaction in which every statement runs for one tenant and as one role. Returned by
/// [`TenantDb::begin`](crate::TenantDb::begin).
///
/// Repository methods run on `&mut tx`, which is also an sqlx `Executor`:
/// `sqlx::query(…).fetch_all(&mut tx)`, or `&mut *tx` as with sqlx's transactions. If the transaction is dropped without [`commit`](Self::commit),
/// it is rolled back.
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
/// A statement whose text shows that it would end the transaction or change the role or the
/// settings is refused with [`Error::ForbiddenStatement`](crate::Error::ForbiddenStatement); so are `LOCK`, and `EXPLAIN` without
/// [`allow_explain`](crate::TenantDbOptions::allow_explain). A function that a statement calls can
/// still change the settings. Therefore, on tables with a tenant column, the SQL of repository
/// methods also names the tenant of the context, and returns no rows instead of another tenant's
/// rows. In builds with debug assertions, a commit after custom SQL compares the context on the
/// server with this one.
///
/// The connection itself is not accessible:
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTx, roles::Member};
/// fn connection(tx: &mut TenantTx<Member>) -> &mut sqlx::PgConnection {
///     &mut **tx
/// }
/// ```
#[must_use = "a transaction is rolled back when it is dropped"]
pub struct TenantTx<R: Role> {
    on: TxStatements<TenantCtx<R>>,
}

/// A handle for the last repository call of a transaction. Returned by [`TenantTx::then_commit`].
#[derive(Debug)]
#[must_use = "the transaction is rolled back if no repository method uses the handle"]
pub struct ThenCommit<R: Role> {
    pub(crate) tx: TenantTx<R>,
}

/// Opens a transaction in a context.
pub(super) async fn begin<R: Role>(pools: &Arc<Pools>, ctx: TenantCtx<R>, options: TxOptions) -> Result<TenantTx<R>> {
    begin_as(pools, SessionContext::of(&ctx), ctx, options).await
}

/// Opens a transaction with the settings of a session context that contains more than the tenant context, such as the
/// system access.
pub(super) async fn begin_as<R: Role>(
    pools: &Arc<Pools>,
    context: SessionContext,
    ctx: TenantCtx<R>,
    options: TxOptions,
) -> Result<TenantTx<R>> {
    let span = tracing::info_span!("tenant_tx", role = context.role, tenant = field::Empty, outcome = field::Empty);
    let tx = ContextTx::open(pools, context, options, false, span).await?;
    Ok(TenantTx { on: TxStatements { tx, ctx } })
}

impl<R: Role> TenantTx<R> {
    /// Returns the context.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(tx: TenantTx<Member>) {
    /// println!("tenant {}, role {}", tx.ctx().tenant_id(), tx.ctx().role());
    /// # }
    /// ```
    pub fn ctx(&self) -> &TenantCtx<R> {
        &self.on.ctx
    }

    /// Commits the transaction.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// sqlx::query("DELETE FROM app.projects WHERE name = 'old'").execute(&mut tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Aborted`](crate::Error::Aborted) if a statement failed, even if its error was ignored: the server then
    ///   keeps no change.
    /// - [`Error::Retryable`](crate::Error::Retryable) after a serialization failure.
    /// - [`Error::UniqueViolation`](crate::Error::UniqueViolation) or [`Error::ForeignKeyViolation`](crate::Error::ForeignKeyViolation) for constraints that are checked at the
    ///   end.
    /// - [`Error::LastManager`](crate::Error::LastManager) if a deletion removed, by ON DELETE CASCADE, the last member who can
    ///   manage members.
    /// - [`Error::ContextLost`](crate::Error::ContextLost) if custom SQL ran, the transaction began read-only, and it has a
    ///   transaction ID, which the server assigns at the first write; with debug assertions, also if
    ///   custom SQL changed the role or the settings.
    /// - [`Error::OutcomeUnknown`](crate::Error::OutcomeUnknown) if the connection is lost before the server's answer.
    pub async fn commit(self) -> Result<()> {
        self.on.tx.commit(false).await
    }

    /// Returns a handle for the last repository call of the transaction, which also commits. If its values may be part of the
    /// text ([`inline_values`](crate::TenantDbOptions::inline_values)), the call and the commit take one round trip together.
    ///
    /// If the call fails, the transaction is rolled back.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Project { id: Uuid, organization_id: Uuid, size: i32 }
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Member>, id: Uuid) -> Result<()> {
    /// let mut tx = db.begin(&ctx).await?;
    /// let project = Project::get(&mut tx, id).await?;
    /// let changes = ProjectChanges { size: Some(project.size + 1) };
    /// let project = Project::update(tx.then_commit(), id, changes).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The call returns its own errors and those of [`commit`](Self::commit).
    pub fn then_commit(self) -> ThenCommit<R> {
        ThenCommit { tx: self }
    }

    /// Rolls the transaction back. Dropping it does the same.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// sqlx::query("DELETE FROM app.projects").execute(&mut tx).await?;
    /// tx.rollback().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Database`](crate::Error::Database) if the connection is lost; the server then rolls back by itself.
    pub async fn rollback(self) -> Result<()> {
        self.on.tx.rollback().await
    }

    /// Returns the flag that is set after a failure that a retry can avoid. The flag can still be read after the
    /// transaction has ended.
    pub(super) fn retryable(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.tx.state.retryable)
    }

    /// Runs a statement of the repository, and reads its result.
    pub(crate) async fn run<T>(&mut self, call: &Call, read: impl Fn(&Answer) -> Result<T>) -> Result<T> {
        self.tx.call(call, read).await
    }

    /// Runs a statement of the repository, commits, and reads its result.
    pub(crate) async fn run_and_commit<T>(self, call: &Call, read: impl Fn(&Answer) -> Result<T>) -> Result<T> {
        self.on.tx.call_and_commit(call, read).await
    }

    /// Returns the executor without the statement filter, for statements that the repository generated.
    pub(crate) fn vetted(&mut self) -> VettedExecutor<'_> {
        self.tx.vetted()
    }
}

impl<R: Role> fmt::Debug for TenantTx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx")
            .field("ctx", &self.on.ctx)
            .field("suspect", &self.tx.state.suspect)
            .finish_non_exhaustive()
    }
}

impl<R: Role> Deref for TenantTx<R> {
    type Target = TxStatements<TenantCtx<R>>;

    fn deref(&self) -> &Self::Target {
        &self.on
    }
}

impl<R: Role> DerefMut for TenantTx<R> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.on
    }
}

executor_through_deref!([R: Role] TenantTx<R>);
