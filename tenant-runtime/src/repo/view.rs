//! Views: structs with some columns of a table, for roles without SELECT on every column.

use std::marker::PhantomData;

use super::{
    column_type::RowReader, derive_support::ColumnCodecAs, showing::Showing, table::Select, tenant_table::TenantTable,
};
use crate::model::{
    compare::same,
    def::{NO_ROLE, TableDef},
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

    /// Reads a struct from a row with the view's columns, in declaration order.
    ///
    /// # Errors
    ///
    /// If a value does not have its column's type.
    #[doc(hidden)]
    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

/// A table is a view of itself with all of its columns.
#[diagnostic::do_not_recommend]
impl<T: Select> TenantView for T {
    type Table = T;
    type Needs = T::RowNeeds;

    fn columns() -> Vec<&'static str> {
        // No field has the tenant column that the database fills.
        let filled = T::TABLE.filled_tenant_column().map(|column| column.name);
        let fields = T::TABLE.columns.iter().filter(|column| Some(column.name) != filled);
        let read = fields.filter(|column| column.select != Some(NO_ROLE));
        read.map(|column| column.name).collect()
    }

    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        Select::from_row(row)
    }
}

/// The required roles and the types of up to [`GROUP`] columns of a table: the columns from `INDEX * GROUP` on.
///
/// One impl covers several columns, because rustc checks an impl for each column more slowly than a longer one.
#[doc(hidden)]
pub trait ColumnsAt<const INDEX: usize>: TenantTable {
    /// The role required to read each column.
    type Needs;
    /// The type of each field.
    type Types;
}

/// The role of a column with a `select` role, by the column's index.
#[doc(hidden)]
pub trait ColumnRole<const INDEX: usize>: TenantTable {
    /// The role required to read the column.
    type Needs;
}

/// The number of columns in an impl of [`ColumnsAt`], and of types in a [`TypeList`].
#[doc(hidden)]
pub const GROUP: usize = 16;

/// The same type for each column of a group.
#[doc(hidden)]
#[derive(Debug)]
pub struct Each<T: ?Sized>(PhantomData<fn() -> T>);

/// The type of a column, by its index within the group.
#[doc(hidden)]
pub trait TypeAt<const INDEX: usize> {
    /// The type.
    type Type: ?Sized;
}

impl<T: ?Sized, const INDEX: usize> TypeAt<INDEX> for Each<T> {
    type Type = T;
}

macro_rules! type_list {
    ($($name:ident: $index:literal,)*) => {
        type_list!(@ [$($name)*] $($name: $index,)*);
    };
    (@ $names:tt $($name:ident: $index:literal,)*) => {
        /// A type for each column of a group.
        #[doc(hidden)]
        #[derive(Debug)]
        pub struct TypeList<$($name = ()),*>(PhantomData<fn() -> ($($name,)*)>);

        $(type_list!(@ impl $names $name: $index);)*
    };
    (@ impl [$($names:ident)*] $name:ident: $index:literal) => {
        impl<$($names),*> TypeAt<$index> for TypeList<$($names),*> {
            type Type = $name;
        }
    };
}

type_list! {
    A: 0, B: 1, C: 2, D: 3, E: 4, F: 5, G: 6, H: 7, I: 8, J: 9, K: 10, L: 11, M: 12, N: 13, O: 14, P: 15,
}

/// Implemented if a view's field has the same type as the table's field.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot read a column of type `{Column}`",
    label = "expected `{Column}`",
    note = "a view's field must have the type of the table's field"
)]
pub trait Shows<Column: ?Sized>: Sized {
    /// Reads the next column of a row; `None` if the value does not have the expected type.
    fn read(row: &mut RowReader<'_>) -> Option<Self>;
}

#[diagnostic::do_not_recommend]
impl<T: ColumnCodecAs> Shows<T> for T {
    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        <T as ColumnCodecAs>::read(row)
    }
}

/// The type of every column of a struct with errors. It is unsized, so it cannot be a real column type.
#[doc(hidden)]
pub type AnyColumn = [()];

#[diagnostic::do_not_recommend]
impl<T> Shows<AnyColumn> for T {
    fn read(_: &mut RowReader<'_>) -> Option<Self> {
        None
    }
}

/// Finds a table's column by its field name.
///
/// # Panics
///
/// Panics with the message `missing` if there is no such column; this happens at compile time,
/// because the derive calls the function in a `const`.
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

/// Finds a table's column by its column name.
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

/// Panics with `missing`, except for a struct with errors: such a struct declares no columns, so
/// every name is accepted.
#[track_caller]
const fn none(table: &TableDef, missing: &str) -> usize {
    assert!(table.columns.is_empty(), "{}", missing);
    0
}

/// Returns the name of the column at an index.
#[doc(hidden)]
#[must_use]
pub const fn column_name(table: &TableDef, index: usize) -> &'static str {
    if table.columns.is_empty() { "" } else { table.columns[index].name }
}
