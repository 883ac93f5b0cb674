//! Views: structs with some columns of a table, for roles without SELECT on every column.

use futures_core::future::BoxFuture;

use super::{
    access::{May, MayRead, RoleOf, cmd},
    column_type::RowReader,
    declared::Showing,
    derive_support::ColumnCodecAs,
    executor::TenantExecutor,
    list::List,
    reads::{find, find_many, get},
    table::{Insert, Select, TenantTable, Update},
    writes::{InsertBuilder, UpdateBuilder},
};
use crate::{
    error::Result,
    model::{
        compare::same,
        def::{NO_ROLE, TableDef},
    },
};

/// A struct whose fields are some columns of a table. Implemented by `#[derive(TenantView)]`.
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
/// assert_eq!(EmployeeCard::columns(), ["id", "name"]);
/// assert_eq!(Employee::columns(), ["id", "organization_id", "name", "salary"]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view of a table",
    label = "not a view",
    note = "derive `TenantView` for it, with `#[tenant(of = …)]`"
)]
pub trait TenantView: Showing + Sized + Send + 'static {
    /// The table.
    type Table: Select;
    /// The roles required to read the view's columns.
    type Needs;

    /// Returns the names of the columns in the order of the fields.
    fn columns() -> Vec<&'static str>;

    /// Reads a struct from a row with the view's columns in their order.
    ///
    /// # Errors
    ///
    /// If a value does not have its column's type.
    #[doc(hidden)]
    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

/// A table is a view of itself with every readable column.
#[diagnostic::do_not_recommend]
impl<T: Select> TenantView for T {
    type Table = T;
    type Needs = T::RowNeeds;

    fn columns() -> Vec<&'static str> {
        let read = T::TABLE.columns.iter().filter(|column| column.select != Some(NO_ROLE));
        read.map(|column| column.name).collect()
    }

    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        Select::from_row(row)
    }
}

/// The required role and the type of a table's column, by its index.
#[doc(hidden)]
pub trait ColumnAt<const INDEX: usize>: TenantTable {
    /// The role required to read it.
    type Needs;
    /// The field's type.
    type Type: ?Sized;
}

/// Implemented if a view's field has the type of the table's field.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot read a column of type `{Column}`",
    label = "expected `{Column}`",
    note = "a view's field must have the type of the table's field"
)]
pub trait Shows<Column: ?Sized>: Sized {
    /// Reads the next column of a row.
    ///
    /// # Errors
    ///
    /// If the value does not have the type.
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnCodecAs> Shows<T> for T {
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        <T as ColumnCodecAs>::read(row)
    }
}

/// The type of every column of a struct with errors. It is unsized, so it cannot be a real column type.
#[doc(hidden)]
pub type AnyColumn = [()];

#[diagnostic::do_not_recommend]
impl<T> Shows<AnyColumn> for T {
    fn read(_: &mut RowReader<'_>) -> sqlx::Result<Self> {
        Err(sqlx::Error::RowNotFound)
    }
}

/// Finds a column of a table by the name of its field.
///
/// # Panics
///
/// With the message `missing` if there is none; at compile time, because the derive evaluates it in a `const`.
#[doc(hidden)]
#[must_use]
#[track_caller]
pub const fn field_index(table: &TableDef, field: &str, missing: &str) -> usize {
    let mut index = 0;
    while index < table.columns.len() {
        if same(table.columns[index].field, field) {
            return index;
        }
        index += 1;
    }
    none(table, missing)
}

/// Finds a column of a table by its name.
///
/// # Panics
///
/// As for [`field_index`].
#[doc(hidden)]
#[must_use]
#[track_caller]
pub const fn column_index(table: &TableDef, column: &str, missing: &str) -> usize {
    let mut index = 0;
    while index < table.columns.len() {
        if same(table.columns[index].name, column) {
            return index;
        }
        index += 1;
    }
    none(table, missing)
}

/// A struct with errors declares no columns, and every name is accepted.
#[track_caller]
const fn none(table: &TableDef, missing: &str) -> usize {
    assert!(table.columns.is_empty(), "{}", missing);
    0
}

/// Returns the name of the column with an index.
#[doc(hidden)]
#[must_use]
pub const fn column_name(table: &TableDef, index: usize) -> &'static str {
    if table.columns.is_empty() { "" } else { table.columns[index].name }
}

/// Queries and writes through a view; implemented for every struct that derives `TenantView`.
///
/// The methods are those of [`Repository`](super::methods::Repository) that return rows. They require SELECT on the view's
/// columns only and read no other columns. Filters, orders, new rows and changes are those of the table.
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
    /// Reads the view of the row with this key; `None` if no row with it is visible to the context.
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
    /// Those of [`Repository::find`](super::methods::Repository::find).
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
    /// - [`Error::NotFound`](crate::Error::NotFound) if no row with it is visible to the context.
    /// - The errors of [`Repository::find`](super::methods::Repository::find).
    fn get<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Self>>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        get(handle, id)
    }

    /// Reads the view of the rows with these keys that are visible to the context, ordered by key.
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
    /// Those of [`Repository::find`](super::methods::Repository::find).
    fn find_many<'h, H, I>(handle: H, ids: I) -> BoxFuture<'h, Result<Vec<Self>>>
    where
        I: IntoIterator<Item = <Self::Table as TenantTable>::Id>,
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        find_many(handle, ids.into_iter().collect())
    }

    /// Reads the view of rows: set filter, order and limit, and await it.
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
    /// Those of [`Repository::list`](super::methods::Repository::list).
    fn list<'h, H>(handle: H) -> List<'h, Self, H>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        List::new(handle)
    }

    /// Inserts a row for the context's tenant and returns the view of it.
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
    /// Those of [`Repository::insert`](super::methods::Repository::insert).
    fn insert<'h, H>(handle: H, new: <Self::Table as Insert>::New) -> InsertBuilder<'h, Self, H>
    where
        Self::Table: Insert,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Insert, Self::Table, <Self::Table as Insert>::InsertRole>,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        InsertBuilder::new(handle, new)
    }

    /// Updates the row with this key and returns the view of it. Without changes it is only read.
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
    /// Those of [`Repository::update`](super::methods::Repository::update).
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
