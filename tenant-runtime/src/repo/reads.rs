//! Reads by key, counts and existence checks, which tables and views share.

use std::{fmt, marker::PhantomData};

use futures_core::future::BoxFuture;
use sqlx::Row as _;

use super::{
    access::MayUse,
    executor::TenantExecutor,
    filter::{Condition, Filter, Operator},
    list::{attempt, read},
    row_key::RowKey as _,
    statement::{Rows, Statement, id_columns},
    table::Select,
    tenant_table::TenantTable,
    value::Bound,
    view::TenantView,
};
use crate::{
    db::each,
    error::{Error, Result},
    model::def::TableDef,
};

type IdOf<V> = <<V as TenantView>::Table as TenantTable>::Id;

/// Reads the row with the given key.
pub(super) fn find<'h, V: TenantView, H: TenantExecutor + 'h>(
    handle: H,
    id: IdOf<V>,
) -> BoxFuture<'h, Result<Option<V>>> {
    Box::pin(async move {
        let rows = Rows { condition: by_key::<V::Table>(id), order: Vec::new(), limit: None };
        let statement = Statement::new(V::Table::TABLE, handle.ctx().tenant_id());
        let call = statement.select(&V::columns(), None, &[], &rows).reads(attempt::<V::Table, H::Role>("read"));
        handle.call(call, |answer| answer.rows.first().map(read).transpose()).await
    })
}

/// Reads the row with the given key; the row must exist.
pub(super) fn get<'h, V: TenantView, H: TenantExecutor + 'h>(handle: H, id: IdOf<V>) -> BoxFuture<'h, Result<V>> {
    Box::pin(async move { find(handle, id).await?.ok_or_else(not_found::<V::Table>) })
}

/// Reads the rows with these keys.
pub(super) fn find_many<'h, V, H>(handle: H, ids: Vec<IdOf<V>>) -> BoxFuture<'h, Result<Vec<V>>>
where
    V: TenantView,
    H: TenantExecutor + 'h,
{
    Box::pin(async move {
        let order = id_columns(V::Table::TABLE).into_iter().map(|column| (column, false)).collect();
        let rows = Rows { condition: in_keys(V::Table::TABLE, IdOf::<V>::into_arrays(ids)), order, limit: None };
        let statement = Statement::new(V::Table::TABLE, handle.ctx().tenant_id());
        let call = statement.select(&V::columns(), None, &[], &rows).reads(attempt::<V::Table, H::Role>("read"));
        handle.call(call, |answer| each(answer, read::<V>)).await
    })
}

/// Returns whether a row matches a condition.
pub(super) fn exists<'h, T: Select, H: TenantExecutor + 'h>(
    handle: H,
    condition: Condition,
) -> BoxFuture<'h, Result<bool>> {
    Box::pin(async move {
        let statement = Statement::new(T::TABLE, handle.ctx().tenant_id());
        let call = statement.exists(&condition).reads(attempt::<T, H::Role>("read"));
        handle.call(call, |answer| Ok(answer.one()?.try_get(0)?)).await
    })
}

/// A row count that runs when it is awaited. Created by [`Repository::count`](super::methods::Repository::count).
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
/// let all: u64 = Project::count(&mut *tx).await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is counted until this is awaited"]
pub struct Count<'h, T, H> {
    handle: H,
    condition: Condition,
    // Set before the count is awaited, so that rustc reports a handle without a context only once.
    run: fn(H, Condition) -> BoxFuture<'h, Result<u64>>,
    table: PhantomData<fn() -> T>,
}

impl<'h, T: Select, H: TenantExecutor + 'h> Count<'h, T, H> {
    pub(super) fn new(handle: H) -> Self {
        Self { handle, condition: Condition::All(Vec::new()), run: count::<T, H>, table: PhantomData }
    }

    /// Adds a filter. Several filters are combined with AND.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let bridges = Project::count(&mut *tx).filter(Project::NAME.starts_with("Bridge")).await?;
    /// # Ok(()) }
    /// ```
    pub fn filter<N>(mut self, filter: Filter<T, N>) -> Self
    where
        H::Role: MayUse<T, N>,
    {
        self.condition = self.condition.and(filter.into_condition());
        self
    }
}

impl<T: TenantTable, H> fmt::Debug for Count<'_, T, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Count").field("table", &T::TABLE_NAME).field("filter", &self.condition).finish_non_exhaustive()
    }
}

impl<'h, T, H> IntoFuture for Count<'h, T, H> {
    type Output = Result<u64>;
    type IntoFuture = BoxFuture<'h, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.run)(self.handle, self.condition)
    }
}

fn count<'h, T: Select, H: TenantExecutor + 'h>(handle: H, condition: Condition) -> BoxFuture<'h, Result<u64>> {
    Box::pin(async move {
        let statement = Statement::new(T::TABLE, handle.ctx().tenant_id());
        let call = statement.count(&condition).reads(attempt::<T, H::Role>("read"));
        handle.call(call, |answer| Ok(answer.one()?.try_get::<i64, _>(0)?.unsigned_abs())).await
    })
}

/// Builds the condition that a row has the given key.
pub(super) fn by_key<T: TenantTable>(id: T::Id) -> Condition {
    same_key(T::TABLE, id.into_bounds())
}

/// Builds the condition that each key column has its value. Without a value for each column, no row matches: a condition on the
/// other columns would match other rows.
pub(super) fn same_key(def: &TableDef, values: Vec<Bound>) -> Condition {
    let columns = id_columns(def);
    if columns.is_empty() || columns.len() != values.len() {
        return no_row();
    }
    let compare = |(column, value)| Condition::Compare { column, operator: Operator::Eq, value };
    let mut all: Vec<_> = columns.into_iter().zip(values).map(compare).collect();
    match all.len() {
        1 => all.remove(0),
        _ => Condition::All(all),
    }
}

/// Builds the condition that the key columns have the values of the arrays at one position.
pub(super) fn in_keys(def: &TableDef, mut values: Vec<Bound>) -> Condition {
    let columns = id_columns(def);
    match columns[..] {
        _ if columns.is_empty() || columns.len() != values.len() => no_row(),
        [column] => Condition::In { column, values: values.remove(0) },
        _ => Condition::InRows { columns, values },
    }
}

fn no_row() -> Condition {
    Condition::Any(Vec::new())
}

pub(super) fn not_found<T: TenantTable>() -> Error {
    Error::NotFound { table: T::TABLE_NAME.to_string() }
}
