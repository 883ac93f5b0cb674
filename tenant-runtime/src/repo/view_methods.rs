//! The repository methods of a view.

use futures_core::future::BoxFuture;

use super::{
    access::{May, MayRead, RoleOf},
    cmd,
    executor::TenantExecutor,
    list::List,
    reads::{find, find_many, get},
    table::{Insert, Update},
    tenant_table::TenantTable,
    view::TenantView,
    writes::{InsertBuilder, UpdateBuilder},
};
use crate::error::Result;

/// Methods that read and write through a view; implemented for every struct that derives `TenantView`.
///
/// These are the methods of [`Repository`](super::methods::Repository) that return rows. They require SELECT only on
/// the view's columns and read no other columns. Filters, orders, new rows and changes have the table's types.
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
/// # struct Employee { id: Uuid, organization_id: Uuid, name: String, #[tenant(select = "admin", update = "admin")] salary: i64 }
/// # #[derive(TenantView)]
/// # #[tenant(of = Employee)]
/// # struct EmployeeCard { id: Uuid, name: String }
/// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
/// // `Employee::list` requires role `Admin`, because of the column `salary`.
/// let cards = EmployeeCard::list(&mut *tx).order(Employee::NAME.asc()).await?;
/// # Ok(()) }
/// ```
pub trait ViewRepository: TenantView {
    /// Reads the view of the row with this key; `None` if no such row is visible to the context.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Employee { id: Uuid, organization_id: Uuid, name: String, #[tenant(select = "admin", update = "admin")] salary: i64 }
    /// # #[derive(TenantView)]
    /// # #[tenant(of = Employee)]
    /// # struct EmployeeCard { id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, id: Uuid) -> Result<()> {
    /// if let Some(card) = EmployeeCard::find(&mut *tx, id).await? {
    ///     println!("{}", card.name);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Repository::find`](super::methods::Repository::find).
    fn find<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Option<Self>>>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        find(handle, id)
    }

    /// Reads the view of the row with this key.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Employee { id: Uuid, organization_id: Uuid, name: String, #[tenant(select = "admin", update = "admin")] salary: i64 }
    /// # #[derive(TenantView)]
    /// # #[tenant(of = Employee)]
    /// # struct EmployeeCard { id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, id: Uuid) -> Result<()> {
    /// let card = EmployeeCard::get(&mut *tx, id).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`](crate::Error::NotFound) if no row with this key is visible to the context.
    /// - The errors of [`Repository::find`](super::methods::Repository::find).
    fn get<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Self>>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        get(handle, id)
    }

    /// Reads the views of the rows with these keys that are visible to the context, ordered by key.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Employee { id: Uuid, organization_id: Uuid, name: String, #[tenant(select = "admin", update = "admin")] salary: i64 }
    /// # #[derive(TenantView)]
    /// # #[tenant(of = Employee)]
    /// # struct EmployeeCard { id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, ids: Vec<Uuid>) -> Result<()> {
    /// let cards = EmployeeCard::find_many(&mut *tx, ids).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Repository::find`](super::methods::Repository::find).
    fn find_many<'h, H, I>(handle: H, ids: I) -> BoxFuture<'h, Result<Vec<Self>>>
    where
        I: IntoIterator<Item = <Self::Table as TenantTable>::Id>,
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        find_many(handle, ids.into_iter().collect())
    }

    /// Reads the views of rows: set a filter, an order and a limit, and await the list.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Employee { id: Uuid, organization_id: Uuid, name: String, #[tenant(select = "admin", update = "admin")] salary: i64 }
    /// # #[derive(TenantView)]
    /// # #[tenant(of = Employee)]
    /// # struct EmployeeCard { id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let cards = EmployeeCard::list(&mut *tx).filter(Employee::NAME.starts_with("A")).limit(20).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Repository::list`](super::methods::Repository::list).
    fn list<'h, H>(handle: H) -> List<'h, Self, H>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        List::new(handle)
    }

    /// Inserts a row for the context's tenant and returns its view.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// #[derive(TenantTable)]
    /// #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
    /// struct Customer {
    ///     id: Uuid,
    ///     organization_id: Uuid,
    ///     name: String,
    ///     #[tenant(select = "admin", insert = "admin", update = "admin")]
    ///     credit_limit: Option<i64>,
    /// }
    ///
    /// #[derive(TenantView)]
    /// #[tenant(of = Customer)]
    /// struct CustomerCard {
    ///     id: Uuid,
    ///     name: String,
    /// }
    ///
    /// async fn add(tx: &mut TenantTx<Member>, name: String) -> Result<CustomerCard> {
    ///     // `Customer::insert` returns a `Customer`, which requires role `Admin`.
    ///     CustomerCard::insert(tx, NewCustomer { name }).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Repository::insert`](super::methods::Repository::insert).
    fn insert<'h, H>(handle: H, new: <Self::Table as Insert>::New) -> InsertBuilder<'h, Self, H>
    where
        Self::Table: Insert,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Insert, Self::Table, <Self::Table as Insert>::InsertRole>,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        InsertBuilder::new(handle, new)
    }

    /// Updates the row with this key and returns its view. Without changes, the row is only read.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
    /// # struct Employee { id: Uuid, organization_id: Uuid, name: String, #[tenant(select = "admin", update = "admin")] salary: i64 }
    /// # #[derive(TenantView)]
    /// # #[tenant(of = Employee)]
    /// # struct EmployeeCard { id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Member>, id: Uuid) -> Result<()> {
    /// let changes = EmployeeChanges { name: Some("Ada".into()) };
    /// let card = EmployeeCard::update(&mut *tx, id, changes).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`Repository::update`](super::methods::Repository::update).
    fn update<'h, H>(
        handle: H,
        id: <Self::Table as TenantTable>::Id,
        changes: <Self::Table as Update>::Changes,
    ) -> UpdateBuilder<'h, Self::Table, H, Self>
    where
        Self::Table: Update,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Update, Self::Table, <Self::Table as Update>::UpdateRole>,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        UpdateBuilder::one(handle, id, changes)
    }
}
