//! Lists: which rows to read, in which order, how many, and in which way.

use std::fmt;

use async_stream::try_stream;
use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Row as _,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::{
    access::{MayRead, MayUse, RoleOf},
    column::{Access, Column, Referred},
    column_type::RowReader,
    executor::{Opened, TenantExecutor},
    filter::{Condition, Filter},
    ordered::OrderedColumn,
    page::{Cursor, Order, OrderBy, Page},
    statement::{Parent, Rows, Statement, id_column},
    table::TenantTable,
    view::TenantView,
};
use crate::{
    error::{Attempt, Result},
    tenant::Role,
};

/// How many rows a list holds at most, unless said.
const LIMIT: u32 = 100;

/// Rows to be read: awaiting it reads them. Made by [`Repository::list`](super::methods::Repository::list) and
/// [`ViewRepository::list`](super::view::ViewRepository::list).
///
/// Each comes as an `Item`: a row of `V`, or a pair of one and its parent, after [`with`](List::with).
///
/// # Errors
///
/// Awaiting it fails with [`Error::InvalidCursor`](crate::Error::InvalidCursor) before anything runs, with
/// [`Error::Forbidden`](crate::Error::Forbidden) or [`Error::Database`](crate::Error::Database), and on a scope with those of
/// beginning a transaction.
#[must_use = "a list reads nothing until it is awaited"]
pub struct List<'h, V: TenantView, H, Item = V> {
    handle: H,
    condition: Condition,
    order: Vec<OrderBy>,
    limit: Option<u32>,
    after: Option<After<V::Table>>,
    parent: Option<Parent>,
    read: fn(&PgRow) -> Result<Item>,
    // Known before it is awaited, so that rustc says of a handle without a context no more than that.
    run: fn(Self) -> BoxFuture<'h, Result<Vec<Item>>>,
}

/// Where a list begins, and how rows are ordered by their key, which comes last in every order.
struct After<T> {
    cursor: Cursor<T>,
    by_key: fn(&'static str, bool) -> OrderBy,
}

impl<'h, V: TenantView, H: TenantExecutor + 'h> List<'h, V, H> {
    pub(super) fn new(handle: H) -> Self {
        let condition = Condition::All(Vec::new());
        Self { handle, condition, order: Vec::new(), limit: None, after: None, parent: None, read, run: all }
    }

    /// Reads with each row the one of another table that its column refers to: `Task::list(…).with(Task::PROJECT_ID)`.
    ///
    /// It is `None` where the column is NULL, and where the context may not see that row. Who may not read every column of
    /// that table reads it through a view: `.with(Task::EMPLOYEE_ID.view::<EmployeeCard>())`.
    pub fn with<F, N, I, U, P>(
        self,
        reference: Column<V::Table, F, Access<N, I, U>, P>,
    ) -> List<'h, V, H, (V, Option<P>)>
    where
        P: Referred,
        H::Role: MayUse<V::Table, N>,
        H::Role: MayRead<P, P::Needs> + RoleOf<<P::Table as TenantTable>::Tenancy>,
    {
        let Self { handle, condition, order, limit, after, .. } = self;
        let parent = Parent { table: P::Table::TABLE, columns: P::columns(), reference: reference.name() };
        List { handle, condition, order, limit, after, parent: Some(parent), read: pair, run: all }
    }
}

impl<'h, V: TenantView, H: TenantExecutor + 'h, Item: Send + 'static> List<'h, V, H, Item> {
    /// Reads only rows that meet a condition. Said again, rows meet both.
    pub fn filter<N>(mut self, filter: Filter<V::Table, N>) -> Self
    where
        H::Role: MayUse<V::Table, N>,
    {
        self.condition = self.condition.and(filter.into_condition());
        self
    }

    /// Orders the rows. Said again, it orders those that are equal so far; rows equal in all of it come by their keys.
    pub fn order<N>(mut self, order: Order<V::Table, N>) -> Self
    where
        H::Role: MayUse<V::Table, N>,
    {
        self.order.push(order.into_by());
        self
    }

    /// Sets how many rows there are at most; 100 unless said, and no limit on a [`stream`](Self::stream).
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Begins after the last row of a page that was read in the same order; see [`page`](Self::page).
    pub fn after(mut self, cursor: Cursor<V::Table>) -> Self
    where
        <V::Table as TenantTable>::Id: OrderedColumn,
    {
        self.after = Some(After { cursor, by_key: OrderBy::new::<<V::Table as TenantTable>::Id> });
        self
    }

    /// Reads the first of the rows, if there is one.
    ///
    /// # Errors
    ///
    /// As awaiting the list.
    pub fn first(self) -> BoxFuture<'h, Result<Option<Item>>> {
        Box::pin(async move { Ok(self.limit(1).await?.pop()) })
    }

    /// Reads the rows as a page, which says where the next one begins.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, repo::page::Page, roles::Viewer};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, cursor: Option<String>) -> Result<()> {
    /// let mut list = Project::list(&mut *tx).order(Project::NAME.asc()).limit(50);
    /// if let Some(cursor) = cursor {
    ///     list = list.after(cursor.parse()?);
    /// }
    /// let Page { rows, next } = list.page().await?;
    /// let next = next.map(|cursor| cursor.to_string());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As awaiting the list.
    pub fn page(self) -> BoxFuture<'h, Result<Page<Item, V::Table>>>
    where
        <V::Table as TenantTable>::Id: OrderedColumn,
    {
        Box::pin(page(self))
    }

    /// Reads the rows one by one, all unless a limit is said, without holding them in memory.
    ///
    /// On `&mut tx` nothing else runs in the transaction until the stream is dropped.
    ///
    /// # Errors
    ///
    /// The stream yields the errors of awaiting the list, and ends after one.
    pub fn stream(self) -> BoxStream<'h, Result<Item>> {
        Box::pin(try_stream! {
            let (limit, read) = (self.limit, self.read);
            let (mut opened, query, attempt) = self.start(limit, &[]).await?;
            let mut rows = opened.tx().vetted().fetch(query);
            while let Some(row) = rows.next().await.map_err(|error| attempt.error(error))? {
                yield read(&row)?;
            }
            drop(rows);
            opened.finish(false).await?;
        })
    }

    /// Opens the transaction and makes the statement, which reads the columns of the order besides those of the view where
    /// a cursor is wanted of them.
    async fn start(self, limit: Option<u32>, cursor: &[OrderBy]) -> Result<(H::Opened, ReadQuery, Attempt)> {
        let rows = self.rows(limit)?;
        let mut opened = self.handle.open().await?;
        let statement = Statement::new(V::Table::TABLE, opened.tx().ctx().tenant_id());
        let cursor: Vec<&str> = cursor.iter().map(|by| by.column).collect();
        let query = statement.select(&V::columns(), self.parent.as_ref(), &cursor, &rows).into_query()?;
        Ok((opened, query, attempt::<V::Table, H::Role>("read")))
    }

    /// Says which rows are meant. A cursor that does not fit is known before anything runs.
    fn rows(&self, limit: Option<u32>) -> Result<Rows> {
        let mut condition = self.condition.clone();
        if let Some(After { cursor, by_key }) = &self.after {
            condition = condition.and(cursor.after(&self.whole_order(*by_key))?);
        }
        // Which function would read the key for a cursor does not matter here.
        let order = self.order.iter().map(|by| (by.column, by.descending)).chain(self.key_order());
        Ok(Rows { condition, order: order.collect(), limit: limit.map(i64::from) })
    }

    /// The key goes in the direction of the column before it, so that one index serves both; nothing follows on it.
    fn key_order(&self) -> Option<(&'static str, bool)> {
        let key = id_column(V::Table::TABLE);
        let ordered = self.order.iter().any(|by| by.column == key);
        (!ordered).then(|| (key, self.order.last().is_some_and(|by| by.descending)))
    }

    fn whole_order(&self, by_key: fn(&'static str, bool) -> OrderBy) -> Vec<OrderBy> {
        let key = self.key_order().map(|(key, descending)| by_key(key, descending));
        self.order.iter().copied().chain(key).collect()
    }
}

type ReadQuery = Query<'static, sqlx::Postgres, PgArguments>;

impl<V: TenantView, H, Item> fmt::Debug for List<'_, V, H, Item> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List")
            .field("table", &V::Table::TABLE_NAME)
            .field("filter", &self.condition)
            .field("order", &self.order)
            .field("limit", &self.limit)
            .field("with", &self.parent.as_ref().map(|parent| parent.reference))
            .finish_non_exhaustive()
    }
}

impl<'h, V: TenantView, H, Item> IntoFuture for List<'h, V, H, Item> {
    type Output = Result<Vec<Item>>;
    type IntoFuture = BoxFuture<'h, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.run)(self)
    }
}

fn all<'h, V, H, Item>(list: List<'h, V, H, Item>) -> BoxFuture<'h, Result<Vec<Item>>>
where
    V: TenantView,
    H: TenantExecutor + 'h,
    Item: Send + 'static,
{
    Box::pin(async move {
        let (limit, read) = (list.limit.unwrap_or(LIMIT), list.read);
        let (mut opened, query, attempt) = list.start(Some(limit), &[]).await?;
        let rows = opened.tx().vetted().fetch_all(query).await.map_err(|error| attempt.error(error))?;
        let rows = rows.iter().map(read).collect::<Result<_>>()?;
        opened.finish(false).await?;
        Ok(rows)
    })
}

/// Reads one row more than asked for, which tells whether there is a next page.
async fn page<'h, V, H, Item>(list: List<'h, V, H, Item>) -> Result<Page<Item, V::Table>>
where
    V: TenantView<Table: TenantTable<Id: OrderedColumn>>,
    H: TenantExecutor + 'h,
    Item: Send + 'static,
{
    let (limit, read) = (list.limit.unwrap_or(LIMIT), list.read);
    let order = list.whole_order(OrderBy::new::<<V::Table as TenantTable>::Id>);
    let before = V::columns().len() + list.parent.as_ref().map_or(0, |parent| 1 + parent.columns.len());
    let (mut opened, query, attempt) = list.start(Some(limit.saturating_add(1)), &order).await?;
    let mut rows = opened.tx().vetted().fetch_all(query).await.map_err(|error| attempt.error(error))?;
    let more = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let last = rows.last().filter(|_| more);
    let next = last.map(|row| Cursor::of(row, before, &order)).transpose()?;
    let rows = rows.iter().map(read).collect::<Result<_>>()?;
    opened.finish(false).await?;
    Ok(Page { rows, next })
}

/// Reads a row and its parent, before whose columns its key stands: there is none where that is NULL.
fn pair<V: TenantView, P: TenantView>(row: &PgRow) -> Result<(V, Option<P>)> {
    let key = V::columns().len();
    let none = sqlx::ValueRef::is_null(&row.try_get_raw(key)?);
    let parent = (!none).then(|| P::from_row(&mut RowReader::from(row, key + 1))).transpose()?;
    Ok((read(row)?, parent))
}

pub(super) fn read<V: TenantView>(row: &PgRow) -> Result<V> {
    Ok(V::from_row(&mut RowReader::new(row))?)
}

/// Says what a statement is about, for its errors.
pub(super) fn attempt<T: TenantTable, R: Role>(command: &'static str) -> Attempt {
    Attempt { table: T::TABLE_NAME, command, role: R::DB_ROLE }
}
