//! Lists: filter, order, limit, and reading as rows, pages or streams.

use std::fmt;

use async_stream::try_stream;
use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{Row as _, postgres::PgRow};

use super::{
    access::{MayRead, MayUse, RoleOf},
    column::{Access, Column, Referred},
    column_type::RowReader,
    executor::{Opened, TenantExecutor},
    filter::{Condition, Filter},
    ordered_key::OrderedKey,
    page::{Cursor, Order, OrderBy, Page},
    statement::{Parent, Rows, Statement, id_columns},
    tenant_table::TenantTable,
    view::TenantView,
};
use crate::{
    db::{Answer, BoundStatement, each},
    error::{Attempt, Result},
    model::def::TableName,
    tenant::Role,
};

/// The default limit.
const LIMIT: u32 = 100;

/// A query for rows that runs when it is awaited. Created by [`Repository::list`](super::methods::Repository::list) and
/// [`ViewRepository::list`](super::view_methods::ViewRepository::list).
///
/// It returns items: rows of `V`, or, after [`with`](List::with), pairs of a row and its parent.
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
/// let first: Vec<Project> = Project::list(&mut *tx).order(Project::NAME.asc()).limit(20).await?;
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// - [`Error::InvalidCursor`](crate::Error::InvalidCursor) if the cursor is from another list or has been modified; the query does not run.
/// - [`Error::Forbidden`](crate::Error::Forbidden) if the database does not grant the role SELECT on the columns.
/// - [`Error::NotMigrated`](crate::Error::NotMigrated) if the database lacks the table or a column.
/// - [`Error::Aborted`](crate::Error::Aborted) if an earlier statement of the transaction failed.
/// - [`Error::TimedOut`](crate::Error::TimedOut) if the server cancelled the statement, [`Error::Retryable`](crate::Error::Retryable) if it rolled the transaction back.
/// - [`Error::Database`](crate::Error::Database) for other server or connection errors, and for a value of the wrong type.
/// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin).
#[must_use = "a list reads nothing until it is awaited"]
pub struct List<'h, V: TenantView, H, Item = V> {
    handle: H,
    condition: Condition,
    order: Vec<OrderBy>,
    limit: Option<u32>,
    after: Option<After<V::Table>>,
    parent: Option<Parent>,
    read: fn(&PgRow) -> Result<Item>,
    // A function pointer, set before the list is awaited, so that rustc reports a handle without a context only once.
    run: fn(Self) -> BoxFuture<'h, Result<Vec<Item>>>,
}

/// The start of a list, and the order by primary key, which is last in every order.
struct After<T> {
    cursor: Cursor<T>,
    by_key: ByKey,
}

/// Returns the order by each key column.
type ByKey = fn(&[&'static str], bool) -> Vec<OrderBy>;

impl<'h, V: TenantView, H: TenantExecutor + 'h> List<'h, V, H> {
    pub(super) fn new(handle: H) -> Self {
        Self::of(handle, Condition::All(Vec::new()))
    }

    /// Lists the rows that match a condition.
    pub(super) fn of(handle: H, condition: Condition) -> Self {
        Self { handle, condition, order: Vec::new(), limit: None, after: None, parent: None, read, run: all }
    }

    /// Reads each row together with the row that its column references: `Task::list(…).with(Task::PROJECT_ID)`.
    ///
    /// The parent is `None` if the column is NULL or the row is not visible to the context. If the role cannot read every
    /// column of that table, use a view: `.with(Task::EMPLOYEE_ID.view::<EmployeeCard>())`.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Task { id: Uuid, organization_id: Uuid, #[tenant(references = Project)] project_id: Uuid, title: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// for (task, project) in Task::list(&mut *tx).with(Task::PROJECT_ID).await? {
    ///     println!("{}: {}", task.title, project.map_or_else(String::new, |project| project.name));
    /// }
    /// # Ok(()) }
    /// ```
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
    /// Adds a filter. Several filters are combined with AND.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, prefix: Option<&str>) -> Result<()> {
    /// let mut list = Project::list(&mut *tx).filter(Project::NAME.ne("Archive"));
    /// if let Some(prefix) = prefix {
    ///     list = list.filter(Project::NAME.starts_with(prefix));
    /// }
    /// let projects = list.await?;
    /// # Ok(()) }
    /// ```
    pub fn filter<N>(mut self, filter: Filter<V::Table, N>) -> Self
    where
        H::Role: MayUse<V::Table, N>,
    {
        self.condition = self.condition.and(filter.into_condition());
        self
    }

    /// Adds an order. Later calls sort rows that are equal in the earlier orders; the primary key comes last.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Task { id: Uuid, organization_id: Uuid, #[tenant(references = Project)] project_id: Uuid, title: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let tasks = Task::list(&mut *tx).order(Task::PROJECT_ID.asc()).order(Task::TITLE.asc()).await?;
    /// # Ok(()) }
    /// ```
    pub fn order<N>(mut self, order: Order<V::Table, N>) -> Self
    where
        H::Role: MayUse<V::Table, N>,
    {
        self.order.push(order.into_by());
        self
    }

    /// Sets the maximum number of rows. Default: 100; no limit for a [`stream`](Self::stream).
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let newest = Project::list(&mut *tx).order(Project::ID.desc()).limit(5).await?;
    /// # Ok(()) }
    /// ```
    pub fn limit(mut self, rows: u32) -> Self {
        self.limit = Some(rows);
        self
    }

    /// Starts after a cursor of a page in the same order; see [`page`](Self::page).
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>, cursor: String) -> Result<()> {
    /// let order = Project::NAME.asc();
    /// let next = Project::list(&mut *tx).order(order).after(cursor.parse()?).page().await?;
    /// # Ok(()) }
    /// ```
    pub fn after(mut self, cursor: Cursor<V::Table>) -> Self
    where
        <V::Table as TenantTable>::Id: OrderedKey,
    {
        self.after = Some(After { cursor, by_key: <V::Table as TenantTable>::Id::orders });
        self
    }

    /// Reads the first row, if any.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let last = Project::list(&mut *tx).order(Project::NAME.desc()).first().await?;
    /// println!("{:?}", last.map(|project| project.name));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of awaiting the [`List`].
    pub fn first(self) -> BoxFuture<'h, Result<Option<Item>>> {
        Box::pin(async move { Ok(self.limit(1).await?.pop()) })
    }

    /// Reads the rows as a page, with the cursor of the next page.
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
    /// The errors of awaiting the [`List`].
    pub fn page(self) -> BoxFuture<'h, Result<Page<Item, V::Table>>>
    where
        <V::Table as TenantTable>::Id: OrderedKey,
    {
        Box::pin(page(self))
    }

    /// Reads the rows one by one without holding all of them in memory. Default: no limit.
    ///
    /// On `&mut tx`, no other statement can run in the transaction until the stream is dropped.
    ///
    /// ```
    /// use futures_util::TryStreamExt as _;
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Viewer>) -> Result<()> {
    /// let scope = db.scope(&ctx);
    /// let mut projects = Project::list(&scope).stream();
    /// while let Some(project) = projects.try_next().await? {
    ///     println!("{}", project.name);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The stream yields the errors of awaiting the list, and ends after the first error.
    pub fn stream(self) -> BoxStream<'h, Result<Item>> {
        Box::pin(try_stream! {
            let (limit, read) = (self.limit, self.read);
            let (statement, attempt) = (self.statement(limit, &[])?, attempt::<V::Table, H::Role>("read"));
            let mut opened = self.handle.open().await?;
            let mut rows = opened.tx().vetted().showing_deleted(statement.shows_deleted).fetch(statement.query()?);
            while let Some(row) = rows.next().await.map_err(|error| attempt.error(error))? {
                yield read(&row)?;
            }
            drop(rows);
            opened.finish(false).await?;
        })
    }

    /// Builds the statement; for a cursor, it also selects the ordering columns.
    fn statement(&self, limit: Option<u32>, cursor: &[OrderBy]) -> Result<BoundStatement> {
        let rows = self.rows(limit)?;
        let statement = Statement::new(V::Table::TABLE, self.handle.ctx().tenant_id());
        let cursor: Vec<&str> = cursor.iter().map(|by| by.column).collect();
        Ok(statement.select(&V::columns(), self.parent.as_ref(), &cursor, &rows))
    }

    /// Builds the filter, the order and the limit. An invalid cursor is detected before the query runs.
    fn rows(&self, limit: Option<u32>) -> Result<Rows> {
        let mut condition = self.condition.clone();
        if let Some(After { cursor, by_key }) = &self.after {
            condition = condition.and(cursor.after(&self.whole_order(*by_key))?);
        }
        // The function that reads the key for a cursor is not needed here.
        let order = self.order.iter().map(|by| (by.column, by.descending)).chain(self.key_order());
        Ok(Rows { condition, order: order.collect(), limit: limit.map(i64::from) })
    }

    /// Returns the order by primary key, which comes last, without columns by which the rows are ordered already. The key has the
    /// same direction as the column before it, so that one index serves both.
    fn key_order(&self) -> impl Iterator<Item = (&'static str, bool)> {
        let descending = self.is_descending();
        let keys = id_columns(V::Table::TABLE).into_iter().filter(|key| !self.is_ordered(key));
        keys.map(move |key| (key, descending))
    }

    fn whole_order(&self, by_key: ByKey) -> Vec<OrderBy> {
        let keys = by_key(&id_columns(V::Table::TABLE), self.is_descending()).into_iter();
        self.order.iter().copied().chain(keys.filter(|by| !self.is_ordered(by.column))).collect()
    }

    fn is_descending(&self) -> bool {
        self.order.last().is_some_and(|by| by.descending)
    }

    fn is_ordered(&self, column: &str) -> bool {
        self.order.iter().any(|by| by.column == column)
    }
}

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
        let call = list.statement(Some(limit), &[])?.reads(attempt::<V::Table, H::Role>("read"));
        list.handle.call(call, move |answer| each(answer, read)).await
    })
}

/// Reads one more row than requested, to find out whether there is a next page.
async fn page<'h, V, H, Item>(list: List<'h, V, H, Item>) -> Result<Page<Item, V::Table>>
where
    V: TenantView<Table: TenantTable<Id: OrderedKey>>,
    H: TenantExecutor + 'h,
    Item: Send + 'static,
{
    let (limit, read) = (list.limit.unwrap_or(LIMIT), list.read);
    let order = list.whole_order(<V::Table as TenantTable>::Id::orders);
    let before = V::columns().len() + list.parent.as_ref().map_or(0, |parent| 1 + parent.columns.len());
    let call = list.statement(Some(limit.saturating_add(1)), &order)?.reads(attempt::<V::Table, H::Role>("read"));
    let page = move |answer: &Answer| {
        let rows = answer.rows.get(..limit as usize);
        let next = rows.and_then(<[PgRow]>::last).filter(|_| answer.rows.len() > limit as usize);
        let next = next.map(|row| Cursor::of(row, before, &order)).transpose()?;
        let rows = rows.unwrap_or(&answer.rows).iter().map(read).collect::<Result<_>>()?;
        Ok(Page { rows, next })
    };
    list.handle.call(call, page).await
}

/// Reads a row and its parent. The parent's key precedes its columns; if the key is NULL, there is no parent.
fn pair<V: TenantView, P: TenantView>(row: &PgRow) -> Result<(V, Option<P>)> {
    let key = V::columns().len();
    let none = sqlx::ValueRef::is_null(&row.try_get_raw(key)?);
    let parent = (!none).then(|| read_from(row, key + 1)).transpose()?;
    Ok((read(row)?, parent))
}

pub(super) fn read<V: TenantView>(row: &PgRow) -> Result<V> {
    read_from(row, 0)
}

/// Reads a view whose columns start at an index.
fn read_from<V: TenantView>(row: &PgRow, first: usize) -> Result<V> {
    let read = V::from_row(&mut RowReader::from(row, first));
    Ok(read.map_err(|error| with_table(<V::Table as TenantTable>::TABLE_NAME, error))?)
}

/// Adds the table to the error of a column whose value cannot be read.
#[cold]
fn with_table(table: TableName, error: sqlx::Error) -> sqlx::Error {
    match error {
        sqlx::Error::ColumnDecode { index, source } => {
            sqlx::Error::ColumnDecode { index: format!("{index} of `{table}`"), source }
        }
        error => error,
    }
}

/// Describes a statement for its errors.
pub(super) fn attempt<T: TenantTable, R: Role>(command: &'static str) -> Attempt {
    Attempt { table: T::TABLE_NAME, command, role: R::DB_ROLE }
}
