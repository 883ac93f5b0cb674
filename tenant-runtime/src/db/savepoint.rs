//! Savepoints: parts of a transaction that can be rolled back separately, in the same context.

use std::{
    fmt,
    ops::{Deref, DerefMut},
};

use futures_core::future::BoxFuture;

use super::{
    executor::{TxStatements, executor_through_deref},
    tx::TenantTx,
};
use crate::{
    error::Result,
    tenant::{Role, TenantCtx},
};

/// A part of a transaction that can be rolled back separately. Returned by [`TenantTx::savepoint`].
///
/// Repository methods and sqlx queries run on `&mut savepoint` as they do on `&mut tx`. If the
/// savepoint is dropped without [`release`](Self::release), its changes are rolled back and the
/// transaction continues as if they had never been made, even after a failed statement. The context
/// remains: it was set before the transaction began, so `ROLLBACK TO SAVEPOINT` does not undo it.
///
/// ```no_run
/// # use tenant_runtime::{*, roles::Member};
/// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
/// let mut savepoint = tx.savepoint().await?;
/// match sqlx::query("INSERT INTO app.projects (…) VALUES (…)").execute(&mut savepoint).await {
///     Ok(_) => savepoint.release().await?,
///     Err(_) => drop(savepoint),
/// }
/// tx.commit().await
/// # }
/// ```
#[must_use = "the changes of a savepoint are rolled back when it is dropped"]
pub struct Savepoint<'a, R: Role> {
    tx: &'a mut TenantTx<R>,
    depth: u32,
    /// Whether the savepoint is neither released nor rolled back yet.
    open: bool,
}

impl<R: Role> TenantTx<R> {
    /// Begins a savepoint: a part of the transaction that can be rolled back separately.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Member};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// let mut savepoint = tx.savepoint().await?;
    /// sqlx::query("UPDATE app.projects SET name = 'a'").execute(&mut savepoint).await?;
    /// savepoint.release().await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) if an earlier statement of the transaction failed;
    /// [`Error::Database`](crate::Error::Database) if the connection is lost.
    pub fn savepoint(&mut self) -> BoxFuture<'_, Result<Savepoint<'_, R>>> {
        Box::pin(Savepoint::begin(self))
    }
}

impl<'a, R: Role> Savepoint<'a, R> {
    async fn begin(tx: &'a mut TenantTx<R>) -> Result<Self> {
        tx.tx.flush_pending_rollback().await?;
        let (depth, batch) = tx.tx.state.savepoints.push();
        tx.vetted().answer(sqlx::raw_sql(batch)).await?;
        tx.tx.state.savepoints.confirm(depth);
        Ok(Self { tx, depth, open: true })
    }

    /// Returns the context of the transaction.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Member};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// let savepoint = tx.savepoint().await?;
    /// println!("tenant {}", savepoint.ctx().tenant_id());
    /// # savepoint.release().await
    /// # }
    /// ```
    pub fn ctx(&self) -> &TenantCtx<R> {
        self.tx.ctx()
    }

    /// Begins a savepoint inside this one.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Member};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// let mut outer = tx.savepoint().await?;
    /// let inner = outer.savepoint().await?;
    /// inner.release().await?;
    /// outer.release().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) if an earlier statement of this savepoint failed;
    /// [`Error::Database`](crate::Error::Database) if the connection is lost.
    pub fn savepoint(&mut self) -> BoxFuture<'_, Result<Savepoint<'_, R>>> {
        self.tx.savepoint()
    }

    /// Keeps the changes of the savepoint. They become permanent when the transaction commits.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Member};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// let savepoint = tx.savepoint().await?;
    /// savepoint.release().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) if a statement failed, even if its error was
    /// ignored: the changes of the savepoint are then rolled back, and the transaction can
    /// continue. [`Error::Database`](crate::Error::Database) if the connection is lost.
    pub async fn release(mut self) -> Result<()> {
        self.tx.tx.flush_pending_rollback().await?;
        self.tx.tx.fail_if_aborted().await?;
        // The server keeps the savepoint until the next one replaces it. This saves a round trip,
        // and there is no release that could be cancelled midway with an unknown result.
        self.open = false;
        self.tx.tx.state.savepoints.pop(self.depth);
        Ok(())
    }

    /// Rolls back the changes of the savepoint. Dropping the savepoint does the same before the
    /// next statement runs.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, roles::Member};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// let mut savepoint = tx.savepoint().await?;
    /// sqlx::query("DELETE FROM app.projects").execute(&mut savepoint).await?;
    /// savepoint.rollback().await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Database`](crate::Error::Database) if the connection is lost; the server then rolls
    /// back the whole transaction.
    pub async fn rollback(mut self) -> Result<()> {
        self.open = false;
        self.tx.tx.state.savepoints.roll_back(self.depth);
        self.tx.tx.flush_pending_rollback().await
    }

    /// Returns the transaction, for repository methods.
    pub(crate) fn tx(&mut self) -> &mut TenantTx<R> {
        self.tx
    }
}

impl<R: Role> Drop for Savepoint<'_, R> {
    fn drop(&mut self) {
        if self.open {
            self.tx.tx.state.savepoints.roll_back(self.depth);
        }
    }
}

impl<R: Role> fmt::Debug for Savepoint<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("depth", &self.depth).field("tx", &self.tx).finish()
    }
}

impl<R: Role> Deref for Savepoint<'_, R> {
    type Target = TxStatements<TenantCtx<R>>;

    fn deref(&self) -> &Self::Target {
        self.tx
    }
}

impl<R: Role> DerefMut for Savepoint<'_, R> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.tx
    }
}

executor_through_deref!([R: Role] Savepoint<'_, R>);
