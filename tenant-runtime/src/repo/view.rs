//! Views: some columns of a table as a struct of their own, for roles that may not read every column.

use std::marker::PhantomData;

use futures_core::future::BoxFuture;
use sqlx::postgres::PgRow;

use super::{
    access::{MayRead, RoleOf},
    column::RowReader,
    derived::StoredAs,
    handle::{Handle, Opened},
    methods::{find_row, list_rows},
    statement::Statement,
    table::{Select, TenantTable},
};
use crate::{
    error::{Attempt, Error, Result},
    model::def::TableDef,
    tenant::Role,
};

/// A struct whose fields are some columns of a table. Implemented by `#[derive(TenantView)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view of a table",
    label = "not a view",
    note = "derive `TenantView` on it, with `#[tenant(of = …)]`"
)]
pub trait TenantView: Sized + Send + 'static {
    /// The table.
    type Table: Select;
    /// The roles that it takes to read the view's columns.
    type Needs;
    /// The columns in the order of the fields.
    const COLUMNS: &'static [&'static str];

    /// Reads a struct from a row with the view's columns in their order.
    ///
    /// # Errors
    ///
    /// When a value is not of its column's type.
    #[doc(hidden)]
    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
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
impl<T: StoredAs> Shows<T> for T {
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        <T as StoredAs>::read(row)
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

const fn same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut index = 0;
    while index < one.len() && index < other.len() && one[index] == other[index] {
        index += 1;
    }
    index == one.len() && index == other.len()
}

/// Returns the name of the column at a place.
#[doc(hidden)]
#[must_use]
pub const fn column_name(table: &TableDef, index: usize) -> &'static str {
    if table.columns.is_empty() { "" } else { table.columns[index].name }
}

/// What can be done with a view; on every struct that derives `TenantView`.
///
/// The methods are those of [`Repository`](super::methods::Repository) that read, for contexts that may read the columns
/// of the view, whatever others the table has. No more than these columns is read.
pub trait ViewRepository: TenantView {
    /// Reads of the row with this key what the view shows; `None` where there is none that the context may see.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Database`], and on a scope those of beginning a transaction.
    fn find<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Option<Self>>>
    where
        H: Handle + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        Box::pin(find(handle, id))
    }

    /// Reads of the row with this key what the view shows.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is none that the context may see; else as [`find`](Self::find).
    fn get<'h, H>(handle: H, id: <Self::Table as TenantTable>::Id) -> BoxFuture<'h, Result<Self>>
    where
        H: Handle + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        Box::pin(async move { find(handle, id).await?.ok_or_else(not_found::<Self>) })
    }

    /// Reads of rows what the view shows, in the order of their keys and a page at a time: await it, or say `.limit(n)`
    /// and `.after(id)` first.
    fn list<'h, H>(handle: H) -> ViewList<'h, Self, H>
    where
        H: Handle + 'h,
        H::Role: MayRead<Self, Self::Needs> + RoleOf<<Self::Table as TenantTable>::Tenancy>,
    {
        ViewList { handle, limit: 100, after: None, lifetime: PhantomData }
    }
}

impl<V: TenantView> ViewRepository for V {}

/// A page of what a view shows, in the order of the rows' keys. Made by [`ViewRepository::list`]; awaiting it reads the page.
#[must_use = "a list reads nothing until it is awaited"]
pub struct ViewList<'h, V: TenantView, H> {
    handle: H,
    limit: u32,
    after: Option<<V::Table as TenantTable>::Id>,
    lifetime: PhantomData<&'h ()>,
}

impl<V: TenantView, H> ViewList<'_, V, H> {
    /// Sets how many rows a page has at most; 100 unless said.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }

    /// Begins after the row with this key, the last one of the page before.
    pub fn after(mut self, id: <V::Table as TenantTable>::Id) -> Self {
        self.after = Some(id);
        self
    }
}

impl<V: TenantView, H> std::fmt::Debug for ViewList<'_, V, H> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ViewList").field("columns", &V::COLUMNS).field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl<'h, V: TenantView, H: Handle + 'h> IntoFuture for ViewList<'h, V, H> {
    type Output = Result<Vec<V>>;
    type IntoFuture = BoxFuture<'h, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(list(self))
    }
}

async fn find<V: TenantView, H: Handle>(handle: H, id: <V::Table as TenantTable>::Id) -> Result<Option<V>> {
    let mut opened = handle.open().await?;
    let (statement, attempt) = start::<V, H::Opened>(&mut opened);
    let row = find_row(&mut opened, statement, id, attempt).await?;
    let found = row.as_ref().map(read).transpose()?;
    opened.finish(false).await?;
    Ok(found)
}

async fn list<V: TenantView, H: Handle>(page: ViewList<'_, V, H>) -> Result<Vec<V>> {
    let mut opened = page.handle.open().await?;
    let (statement, attempt) = start::<V, H::Opened>(&mut opened);
    let rows = list_rows(&mut opened, statement, page.after, page.limit, attempt).await?;
    let rows = rows.iter().map(read).collect::<Result<_>>()?;
    opened.finish(false).await?;
    Ok(rows)
}

/// Begins a statement for the context's tenant, which reads the columns of the view.
fn start<V: TenantView, O: Opened>(opened: &mut O) -> (Statement, Attempt) {
    let statement = Statement::new(V::Table::TABLE, opened.tx().ctx().org()).reading(V::COLUMNS);
    (statement, Attempt { table: V::Table::NAME, command: "read", role: O::Role::DB_ROLE })
}

fn read<V: TenantView>(row: &PgRow) -> Result<V> {
    Ok(V::from_row(&mut RowReader::new(row))?)
}

fn not_found<V: TenantView>() -> Error {
    Error::NotFound { table: V::Table::NAME.to_string() }
}
