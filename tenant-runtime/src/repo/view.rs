//! Views: some columns of a table as a struct of their own, for roles that may not read every column.

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
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view of a table",
    label = "not a view",
    note = "derive `TenantView` on it, with `#[tenant(of = …)]`"
)]
pub trait TenantView: Showing + Sized + Send + 'static {
    /// The table.
    type Table: Select;
    /// The roles that it takes to read the view's columns.
    type Needs;

    /// Returns the names of the columns in the order of the fields.
    fn columns() -> Vec<&'static str>;

    /// Reads a struct from a row with the view's columns in their order.
    ///
    /// # Errors
    ///
    /// When a value is not of its column's type.
    #[doc(hidden)]
    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

/// A table is a view of itself that shows every column which somebody may read.
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

/// Says who may read a column of a table, by its place, and of what type it is.
#[doc(hidden)]
pub trait ColumnAt<const INDEX: usize>: TenantTable {
    /// The role that it takes.
    type Needs;
    /// The field's type.
    type Type: ?Sized;
}

/// Holds when a view's field has the type of the table's field.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot show a column whose type is `{Column}`",
    label = "this should be `{Column}`",
    note = "a view's field has the type of the table's field"
)]
pub trait Shows<Column: ?Sized>: Sized {
    /// Reads the next column of a row.
    ///
    /// # Errors
    ///
    /// When the value is not of the type.
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnCodecAs> Shows<T> for T {
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        <T as ColumnCodecAs>::read(row)
    }
}

/// The type of every column of a struct that has mistakes. Being unsized it is the type of no column.
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
/// With `missing` where there is none; at compile time, since the derive asks in a `const`.
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

/// Finds a column of a table by its own name.
///
/// # Panics
///
/// As [`field_index`].
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

/// A struct that has mistakes declares no columns, and any name will do.
#[track_caller]
const fn none(table: &TableDef, missing: &str) -> usize {
    assert!(table.columns.is_empty(), "{}", missing);
    0
}

/// Returns the name of the column at a place.
#[doc(hidden)]
#[must_use]
pub const fn column_name(table: &TableDef, index: usize) -> &'static str {
    if table.columns.is_empty() { "" } else { table.columns[index].name }
}

/// What can be done with a view; on every struct that derives `TenantView`.
///
/// The methods are those of [`Repository`](super::methods::Repository) that read rows or hand back what they wrote, for
/// contexts that may read the columns of the view, whatever others the table has. No more than these columns is read.
/// Conditions, orders, new rows and changes are the table's.
pub trait ViewRepository: TenantView {
    /// Reads of the row with this key what the view shows; `None` where there is none that the context may see.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`](crate::Error::Forbidden), [`Error::Database`](crate::Error::Database), and on a scope those of
    /// beginning a transaction.
    fn find<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Option<Self>>>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        find(handle, id)
    }

    /// Reads of the row with this key what the view shows.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`](crate::Error::NotFound) where there is none that the context may see; else as
    /// [`find`](Self::find).
    fn get<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Self>>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        get(handle, id)
    }

    /// Reads of the rows with these keys what the view shows, in the order of the keys, without those that the context may
    /// not see.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    fn find_many<'h, H, I>(handle: H, ids: I) -> BoxFuture<'h, Result<Vec<Self>>>
    where
        I: IntoIterator<Item = <Self::Table as TenantTable>::Id>,
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        find_many(handle, ids.into_iter().collect())
    }

    /// Reads of rows what the view shows: say which, in which order and how many, and await it.
    fn list<'h, H>(handle: H) -> List<'h, Self, H>
    where
        H: TenantExecutor + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        List::new(handle)
    }

    /// Inserts a row for the context's tenant, and returns what the view shows of it.
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
    ///     // `Customer::insert` returns a `Customer`, which a member may not read.
    ///     CustomerCard::insert(tx, NewCustomer { name }).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Repository::insert`](super::methods::Repository::insert).
    fn insert<'h, H>(handle: H, new: <Self::Table as Insert>::New) -> InsertBuilder<'h, Self, H>
    where
        Self::Table: Insert,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Insert, Self::Table, <Self::Table as Insert>::InsertRole>,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        InsertBuilder::new(handle, new)
    }

    /// Changes the row with this key, and returns what the view shows of it then. Without any change it is only read.
    ///
    /// # Errors
    ///
    /// As [`Repository::update`](super::methods::Repository::update).
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
