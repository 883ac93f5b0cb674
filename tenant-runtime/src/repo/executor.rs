//! The handle of repository methods: an open transaction, or a scope that begins a transaction for the call.

use crate::{
    db::{Answer, Call, Savepoint, Scope, TenantTx, ThenCommit},
    error::Result,
    tenant::{Role, TenantCtx},
};

/// A handle with a tenant context: `&mut tx` or `&db.scope(&ctx)`.
///
/// ```
/// # use tenant_runtime::{Result, TenantExecutor, prelude::*, roles::Viewer};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// async fn bridges<H: TenantExecutor<Role = Viewer>>(handle: H) -> Result<u64> {
///     Project::count(handle).filter(Project::NAME.starts_with("Bridge")).await
/// }
///
/// async fn count(db: &TenantDb, ctx: &TenantCtx<Viewer>) -> Result<u64> {
///     let mut tx = db.begin(ctx).await?;
///     Ok(bridges(&mut tx).await? + bridges(&db.scope(ctx)).await?)
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "cannot run a query on `{Self}`: it has no tenant context",
    label = "pass `&mut tx` or `&db.scope(&ctx)` here",
    note = "`db.begin(&ctx)` begins a transaction with a context, and `db.scope(&ctx)` is for single calls",
    note = "pools, connections and transactions of sqlx have no tenant; `TenantDb` does not expose its own"
)]
pub trait TenantExecutor: Send {
    /// The role of the context.
    type Role: Role;
    /// The transaction in which several statements run.
    #[doc(hidden)]
    type Opened: Opened<Role = Self::Role>;

    /// Returns the context.
    #[doc(hidden)]
    fn ctx(&self) -> &TenantCtx<Self::Role>;

    /// Runs a single statement, commits it if no transaction is open, and reads its result. The result of a statement that only
    /// reads can be read twice.
    #[doc(hidden)]
    fn call<T: Send>(
        self,
        call: Call,
        read: impl Fn(&Answer) -> Result<T> + Send + Sync,
    ) -> impl Future<Output = Result<T>> + Send;

    /// Opens a transaction for several statements if none is open.
    #[doc(hidden)]
    fn open(self) -> impl Future<Output = Result<Self::Opened>> + Send;
}

/// An open transaction, possibly for one repository call only.
#[doc(hidden)]
pub trait Opened: Send {
    /// The role of the context.
    type Role: Role;

    /// Returns the transaction.
    fn tx(&mut self) -> &mut TenantTx<Self::Role>;

    /// Ends the transaction if it was begun for this call.
    fn finish(self, wrote: bool) -> impl Future<Output = Result<()>> + Send;
}

impl<'a, R: Role> TenantExecutor for &'a mut TenantTx<R> {
    type Role = R;
    type Opened = &'a mut TenantTx<R>;

    fn ctx(&self) -> &TenantCtx<R> {
        TenantTx::ctx(self)
    }

    async fn call<T: Send>(self, call: Call, read: impl Fn(&Answer) -> Result<T> + Send + Sync) -> Result<T> {
        self.run(&call, read).await
    }

    async fn open(self) -> Result<Self::Opened> {
        Ok(self)
    }
}

impl<'a, R: Role> TenantExecutor for &'a mut Savepoint<'_, R> {
    type Role = R;
    type Opened = &'a mut TenantTx<R>;

    fn ctx(&self) -> &TenantCtx<R> {
        Savepoint::ctx(self)
    }

    async fn call<T: Send>(self, call: Call, read: impl Fn(&Answer) -> Result<T> + Send + Sync) -> Result<T> {
        self.tx().run(&call, read).await
    }

    async fn open(self) -> Result<Self::Opened> {
        Ok(self.tx())
    }
}

impl<R: Role> Opened for &mut TenantTx<R> {
    type Role = R;

    fn tx(&mut self) -> &mut TenantTx<R> {
        self
    }

    async fn finish(self, _wrote: bool) -> Result<()> {
        Ok(())
    }
}

impl<R: Role> TenantExecutor for &Scope<R> {
    type Role = R;
    type Opened = TenantTx<R>;

    fn ctx(&self) -> &TenantCtx<R> {
        Scope::ctx(self)
    }

    async fn call<T: Send>(self, call: Call, read: impl Fn(&Answer) -> Result<T> + Send + Sync) -> Result<T> {
        self.run(&call, read).await
    }

    async fn open(self) -> Result<TenantTx<R>> {
        self.begin().await
    }
}

impl<R: Role> Opened for TenantTx<R> {
    type Role = R;

    fn tx(&mut self) -> &mut TenantTx<R> {
        self
    }

    /// A read has nothing to commit, and dropping the transaction rolls it back off the request path.
    async fn finish(self, wrote: bool) -> Result<()> {
        if wrote { self.commit().await } else { Ok(()) }
    }
}

impl<R: Role> TenantExecutor for ThenCommit<R> {
    type Role = R;
    type Opened = Self;

    fn ctx(&self) -> &TenantCtx<R> {
        self.tx.ctx()
    }

    async fn call<T: Send>(self, call: Call, read: impl Fn(&Answer) -> Result<T> + Send + Sync) -> Result<T> {
        self.tx.run_and_commit(&call, read).await
    }

    async fn open(self) -> Result<Self> {
        Ok(self)
    }
}

impl<R: Role> Opened for ThenCommit<R> {
    type Role = R;

    fn tx(&mut self) -> &mut TenantTx<R> {
        &mut self.tx
    }

    async fn finish(self, _wrote: bool) -> Result<()> {
        self.tx.commit().await
    }
}
