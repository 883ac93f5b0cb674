//! Cross-tenant jobs that process one tenant after another, each in a transaction limited to that tenant.

use sqlx::Row as _;

use crate::{
    db::{SystemCtx, TenantTx},
    error::Result,
    repo::{access::Tenants, keys, tenant_table::TenantTable},
    tenant::{System, Tenancy},
};

/// The result for each tenant, by tenant ID.
///
/// ```
/// # use tenant_runtime::{Outcomes, roles::Organizations};
/// fn failed<A>(outcomes: &Outcomes<Organizations, A>) -> usize {
///     outcomes.iter().filter(|(_, outcome)| outcome.is_err()).count()
/// }
/// ```
pub type Outcomes<T, A> = Vec<(<T as Tenancy>::Key, Result<A>)>;

impl<T: Tenancy> SystemCtx<T> {
    /// Returns the IDs of all tenants, in ascending order.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::access::Tenants, roles::Organizations};
    /// # async fn f<Organization>(system: SystemCtx<Organizations>) -> Result<()>
    /// # where Organization: Tenants + TenantTable<Tenancy = Organizations, Id = uuid::Uuid> {
    /// let organizations = system.tenants::<Organization>().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::RoleUnavailable`](crate::Error::RoleUnavailable),
    /// [`Error::PoolTimeout`](crate::Error::PoolTimeout), [`Error::Connect`](crate::Error::Connect)
    /// or [`Error::Database`](crate::Error::Database) if no transaction can begin.
    pub async fn tenants<O>(&self) -> Result<Vec<T::Key>>
    where
        O: Tenants + TenantTable<Tenancy = T, Id = T::Key>,
    {
        let mut tx = self.begin().await?;
        let rows = tx.fetch_all(keys(O::TABLE).query()?).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// Runs a function for each tenant, one after another, each in a separate transaction.
    ///
    /// The policies limit each transaction to the rows of its tenant. The function must commit the transaction;
    /// dropping it discards the changes. An error for one tenant does not stop the others; the outcomes contain the
    /// result for each tenant. If the future is dropped midway, the open transaction is rolled back, and committed
    /// transactions remain committed.
    ///
    /// ```no_run
    /// # use tenant_runtime::{*, repo::access::Tenants, roles::Organizations};
    /// # async fn f<Organization>(system: SystemCtx<Organizations>) -> Result<()>
    /// # where Organization: Tenants + TenantTable<Tenancy = Organizations, Id = uuid::Uuid> {
    /// let outcomes = system.for_each_tenant::<Organization, _, _>(|mut tx| async move {
    ///     sqlx::query("DELETE FROM app.drafts WHERE created_at < now() - interval '30 days'").execute(&mut tx).await?;
    ///     tx.commit().await
    /// });
    /// for (organization, outcome) in outcomes.await? {
    ///     println!("{organization}: {outcome:?}");
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`tenants`](Self::tenants), if the tenant IDs cannot be read. If the record of this context expires
    /// midway, the outcomes of the remaining tenants are [`Error::AccessExpired`](crate::Error::AccessExpired).
    pub async fn for_each_tenant<O, A, F>(
        &self,
        mut work: impl FnMut(TenantTx<System<T>>) -> F,
    ) -> Result<Outcomes<T, A>>
    where
        O: Tenants + TenantTable<Tenancy = T, Id = T::Key>,
        F: Future<Output = Result<A>>,
    {
        let mut outcomes = Vec::new();
        for tenant_id in self.tenants::<O>().await? {
            let outcome = match self.begin_for(&tenant_id).await {
                Ok(tx) => work(tx).await,
                Err(error) => Err(error),
            };
            outcomes.push((tenant_id, outcome));
        }
        Ok(outcomes)
    }
}
