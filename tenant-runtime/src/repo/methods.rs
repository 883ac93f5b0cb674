//! The repository's methods, on every derived struct, as far as its declaration and the context's role allow.

use std::marker::PhantomData;

use futures_core::future::BoxFuture;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    access::{May, MayRead, RoleOf, cmd},
    column::{PgColumn, RowReader},
    handle::{Handle, Opened},
    statement::{Built, Statement},
    table::{Delete, Insert, Select, TenantTable, Update},
};
use crate::{
    error::{Attempt, Error, Result},
    tenant::Role,
};

/// What can be done with a table; on every struct that derives `TenantTable`.
///
/// Each method takes a handle: `&mut tx` runs in an open transaction, `&db.scope(&ctx)` in one of its own. The tenant
/// comes from its context and is never a parameter. A command that the context's role may not do does not compile:
///
/// ```compile_fail
/// # use tenant_runtime::{repo::{access::RoleOf, methods::Repository, table::Delete}, roles::*, *};
/// # async fn f<Project>(mut tx: TenantTx<Viewer>, id: Project::Id) -> Result<()>
/// # where Project: Delete<Tenancy = Organizations, DeleteRole = Admin> {
/// Project::delete(&mut tx, id).await?; // a `Viewer` context may not delete `Project`: it takes `Admin`
/// # Ok(()) }
/// ```
pub trait Repository: TenantTable {
    /// Reads the row with this key; `None` where there is none that the context may see.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Database`], and on a scope those of beginning a transaction.
    fn find<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<Option<Self>>>
    where
        Self: Select,
        H: Handle + 'h,
        H::Role: May<cmd::read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(find(handle, id))
    }

    /// Reads the row with this key.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is none that the context may see; else as [`find`](Self::find).
    fn get<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<Self>>
    where
        Self: Select,
        H: Handle + 'h,
        H::Role: May<cmd::read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(async move { find(handle, id).await?.ok_or_else(not_found::<Self>) })
    }

    /// Reads rows in the order of their keys, a page at a time: await it, or say `.limit(n)` and `.after(id)` first.
    fn list<'h, H>(handle: H) -> List<'h, Self, H>
    where
        Self: Select,
        H: Handle + 'h,
        H::Role: May<cmd::read, Self, Self::SelectRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        List { handle, limit: 100, after: None, lifetime: PhantomData }
    }

    /// Counts the rows that the context may see.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    fn count<'h, H>(handle: H) -> BoxFuture<'h, Result<u64>>
    where
        Self: Select,
        H: Handle + 'h,
        H::Role: May<cmd::read, Self, Self::SelectRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(count::<Self, H>(handle))
    }

    /// Inserts a row for the context's tenant, and returns it as the database has it.
    ///
    /// # Errors
    ///
    /// [`Error::Forbidden`], [`Error::Conflict`], [`Error::InvalidReference`], [`Error::CheckViolated`],
    /// [`Error::Database`], and on a scope those of beginning a transaction.
    fn insert<'h, H>(handle: H, new: Self::New) -> BoxFuture<'h, Result<Self>>
    where
        Self: Insert,
        H: Handle + 'h,
        H::Role: May<cmd::insert, Self, Self::InsertRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(insert(handle, new))
    }

    /// Changes the row with this key, and returns it as it is then. Without any change it is only read.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no row that the context may change; else as [`insert`](Self::insert).
    fn update<'h, H>(handle: H, id: Self::Id, changes: Self::Changes) -> BoxFuture<'h, Result<Self>>
    where
        Self: Update,
        H: Handle + 'h,
        H::Role: May<cmd::update, Self, Self::UpdateRole> + MayRead<Self, Self::RowNeeds> + RoleOf<Self::Tenancy>,
    {
        Box::pin(update(handle, id, changes))
    }

    /// Deletes the row with this key.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where there is no row that the context may delete, [`Error::InvalidReference`] where others
    /// still name it; else as [`find`](Self::find).
    fn delete<'h, H>(handle: H, id: Self::Id) -> BoxFuture<'h, Result<()>>
    where
        Self: Delete,
        H: Handle + 'h,
        H::Role: May<cmd::delete, Self, Self::DeleteRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(delete::<Self, H>(handle, id))
    }
}

impl<T: TenantTable> Repository for T {}

/// A page of rows in the order of their keys. Made by [`Repository::list`]; awaiting it reads the page.
#[derive(Debug)]
#[must_use = "a list reads nothing until it is awaited"]
pub struct List<'h, T: TenantTable, H> {
    handle: H,
    limit: u32,
    after: Option<T::Id>,
    lifetime: PhantomData<&'h ()>,
}

impl<T: TenantTable, H> List<'_, T, H> {
    /// Sets how many rows a page has at most; 100 unless said.
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = rows;
        self
    }

    /// Begins after the row with this key, the last one of the page before.
    pub fn after(mut self, id: T::Id) -> Self {
        self.after = Some(id);
        self
    }
}

impl<'h, T: Select, H: Handle + 'h> IntoFuture for List<'h, T, H> {
    type Output = Result<Vec<T>>;
    type IntoFuture = BoxFuture<'h, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(list(self))
    }
}

async fn find<T: Select, H: Handle>(handle: H, id: T::Id) -> Result<Option<T>> {
    let mut opened = handle.open().await?;
    let (statement, attempt) = start::<T, H::Opened>(&mut opened, "read");
    let row = find_row(&mut opened, statement, id, attempt).await?;
    let found = row.as_ref().map(read).transpose()?;
    opened.finish(false).await?;
    Ok(found)
}

async fn list<T: Select, H: Handle>(page: List<'_, T, H>) -> Result<Vec<T>> {
    let mut opened = page.handle.open().await?;
    let (statement, attempt) = start::<T, H::Opened>(&mut opened, "read");
    let rows = list_rows(&mut opened, statement, page.after, page.limit, attempt).await?;
    let rows = rows.iter().map(read).collect::<Result<_>>()?;
    opened.finish(false).await?;
    Ok(rows)
}

/// Reads the row with a key.
pub(super) async fn find_row<O: Opened, I: PgColumn>(
    opened: &mut O,
    mut statement: Statement,
    id: I,
    attempt: Attempt,
) -> Result<Option<PgRow>> {
    statement.values().bind(id);
    fetch_optional(opened, statement.find(), attempt).await
}

/// Reads a page of rows in the order of their keys.
pub(super) async fn list_rows<O: Opened, I: PgColumn>(
    opened: &mut O,
    mut statement: Statement,
    after: Option<I>,
    limit: u32,
    attempt: Attempt,
) -> Result<Vec<PgRow>> {
    let follows = after.is_some();
    if let Some(id) = after {
        statement.values().bind(id);
    }
    statement.values().bind(i64::from(limit));
    let query = statement.list(follows).into_query()?;
    opened.tx().trusted().fetch_all(query).await.map_err(|error| attempt.error(error))
}

async fn count<T: Select, H: Handle>(handle: H) -> Result<u64> {
    let mut opened = handle.open().await?;
    let (statement, attempt) = start::<T, H::Opened>(&mut opened, "read");
    let row = fetch_optional(&mut opened, statement.count(), attempt).await?.ok_or(sqlx::Error::RowNotFound)?;
    let count: i64 = row.try_get(0)?;
    opened.finish(false).await?;
    Ok(count.unsigned_abs())
}

async fn insert<T: Insert, H: Handle>(handle: H, new: T::New) -> Result<T> {
    let mut opened = handle.open().await?;
    let (mut statement, attempt) = start::<T, H::Opened>(&mut opened, "insert into");
    statement.owned_by(opened.tx().ctx().user())?;
    T::new_values(new, statement.values());
    let row = fetch_optional(&mut opened, statement.insert(), attempt).await?.ok_or(sqlx::Error::RowNotFound)?;
    let row = read(&row)?;
    opened.finish(true).await?;
    Ok(row)
}

async fn update<T: Update, H: Handle>(handle: H, id: T::Id, changes: T::Changes) -> Result<T> {
    let mut opened = handle.open().await?;
    let (mut statement, attempt) = start::<T, H::Opened>(&mut opened, "update");
    T::changed_values(changes, statement.values());
    let writes = statement.writes();
    statement.values().bind(id);
    let built = if writes { statement.update() } else { statement.find() };
    let row = fetch_optional(&mut opened, built, attempt).await?.ok_or_else(not_found::<T>)?;
    let row = read(&row)?;
    opened.finish(writes).await?;
    Ok(row)
}

async fn delete<T: Delete, H: Handle>(handle: H, id: T::Id) -> Result<()> {
    let mut opened = handle.open().await?;
    let (mut statement, attempt) = start::<T, H::Opened>(&mut opened, "delete from");
    statement.values().bind(id);
    let query = statement.delete().into_query()?;
    let deleted = opened.tx().trusted().execute(query).await.map_err(|error| attempt.error(error))?;
    if deleted == 0 {
        return Err(not_found::<T>());
    }
    opened.finish(true).await
}

/// Begins a statement for the context's tenant.
fn start<T: TenantTable, O: Opened>(opened: &mut O, command: &'static str) -> (Statement, Attempt) {
    let statement = Statement::new(T::TABLE, opened.tx().ctx().org());
    (statement, Attempt { table: T::NAME, command, role: O::Role::DB_ROLE })
}

async fn fetch_optional<O: Opened>(opened: &mut O, built: Built, attempt: Attempt) -> Result<Option<PgRow>> {
    let query = built.into_query()?;
    opened.tx().trusted().fetch_optional(query).await.map_err(|error| attempt.error(error))
}

fn read<T: Select>(row: &PgRow) -> Result<T> {
    Ok(T::from_row(&mut RowReader::new(row))?)
}

fn not_found<T: TenantTable>() -> Error {
    Error::NotFound { table: T::NAME.to_string() }
}
