//! What jobs do for one tenant after the other: each in a transaction that is held to it.

use sqlx::Row as _;

use crate::{
    db::{SystemCtx, TenantTx},
    error::Result,
    repo::{access::Tenants, keys, table::TenantTable},
    tenant::{System, Tenancy},
};

/// What came of each tenant.
pub type Outcomes<T, A> = Vec<(<T as Tenancy>::Key, Result<A>)>;

impl<T: Tenancy> SystemCtx<T> {
    /// Reads the keys of all tenants, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::Database`](crate::Error::Database), and those of beginning a transaction.
    pub async fn tenants<O>(&self) -> Result<Vec<T::Key>>
    where
        O: Tenants + TenantTable<Tenancy = T, Id = T::Key>,
    {
        let mut tx = self.begin().await?;
        let rows = tx.fetch_all(keys(O::TABLE).into_query()?).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Does something for each tenant, one after the other, in a transaction of its own.
    ///
    /// The database holds each transaction to its tenant's rows. `act` commits it, or drops it to change nothing. What fails
    /// for one tenant stops none of the others: the outcomes say what came of each. Where the future is dropped midway, the
    /// transaction that is open is rolled back, and those before it stay as they are.
    ///
    /// # Errors
    ///
    /// As [`tenants`](Self::tenants), where not even their keys could be read.
    pub async fn for_each_tenant<O, A, F>(
        &self,
        mut act: impl FnMut(TenantTx<System<T>>) -> F,
    ) -> Result<Outcomes<T, A>>
    where
        O: Tenants + TenantTable<Tenancy = T, Id = T::Key>,
        F: Future<Output = Result<A>>,
    {
        let mut outcomes = Vec::new();
        for org in self.tenants::<O>().await? {
            let outcome = match self.begin_for(&org).await {
                Ok(tx) => act(tx).await,
                Err(error) => Err(error),
            };
            outcomes.push((org, outcome));
        }
        Ok(outcomes)
    }
}
