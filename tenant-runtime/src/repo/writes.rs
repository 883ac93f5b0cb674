//! Inserts, bulk inserts, upserts, updates and deletes.

use std::{fmt, marker::PhantomData};

use futures_core::future::BoxFuture;

use super::{
    access::MaySet,
    column::{Access, Column, IntoColumnValue, Settable},
    derive_support::ColumnCodecAs,
    executor::{Opened, TenantExecutor},
    filter::{Condition, Operator},
    list::{attempt, read},
    reads::{by_key, not_found},
    statement::{Rows, Statement},
    table::{Delete, Insert, Select, Update},
    tenant_table::TenantTable,
    value::{Bind, Bound, Scalar, Value, Values},
    view::TenantView,
};
use crate::{
    db::{TenantTx, each},
    error::{Error, Result},
    model::def::{ColumnDef, ScopeDef, TableDef},
    tenant::{Role, TenantCtx, UserOf},
};

/// An insert that runs when it is awaited, and returns the stored row or its view. Created by
/// [`Repository::insert`](super::methods::Repository::insert) and [`ViewRepository::insert`](super::view_methods::ViewRepository::insert).
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(insert = "admin", update = "admin")] budget: Option<i64> }
/// # async fn f(tx: &mut TenantTx<Admin>) -> Result<()> {
/// let new = NewProject { name: "Tunnel".into() };
/// let project: Project = Project::insert(&mut *tx, new).await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is inserted until this is awaited"]
pub struct InsertBuilder<'h, V, H> {
    handle: H,
    values: Values,
    run: fn(H, Values) -> BoxFuture<'h, Result<V>>,
}

impl<'h, V: TenantView<Table: Insert>, H: TenantExecutor + 'h> InsertBuilder<'h, V, H> {
    pub(super) fn new(handle: H, new: <V::Table as Insert>::New) -> Self {
        let mut values = Values::default();
        V::Table::new_values(new, &mut values);
        Self { handle, values, run: insert_one }
    }

    /// Sets a column with an `insert` role, which is not part of the struct of a new row.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(insert = "admin", update = "admin")] budget: Option<i64> }
    /// # async fn f(tx: &mut TenantTx<Admin>) -> Result<()> {
    /// let new = NewProject { name: "Tunnel".into() };
    /// let project = Project::insert(&mut *tx, new).set(Project::BUDGET, 500).await?;
    /// # Ok(()) }
    /// ```
    pub fn set<F, R, I, U, P>(
        mut self,
        column: Column<V::Table, F, Access<R, I, U>, P>,
        value: impl IntoColumnValue<F>,
    ) -> Self
    where
        F: ColumnCodecAs,
        I: Settable,
        H::Role: MaySet<V::Table, I>,
    {
        F::set(&mut self.values, column.name(), value.operand());
        self
    }
}

impl<V: TenantView, H> fmt::Debug for InsertBuilder<'_, V, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertBuilder")
            .field("table", &V::Table::TABLE_NAME)
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

impl<'h, V, H> IntoFuture for InsertBuilder<'h, V, H> {
    type Output = Result<V>;
    type IntoFuture = BoxFuture<'h, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.run)(self.handle, self.values)
    }
}

fn insert_one<'h, V, H>(handle: H, values: Values) -> BoxFuture<'h, Result<V>>
where
    V: TenantView<Table: Insert>,
    H: TenantExecutor + 'h,
{
    Box::pin(insert::<V, H>(handle, values))
}

async fn insert<V: TenantView<Table: Insert>, H: TenantExecutor>(handle: H, values: Values) -> Result<V> {
    let values = with_owner::<V::Table, _>(handle.ctx(), values)?;
    let statement = Statement::new(V::Table::TABLE, handle.ctx().tenant_id()).insert(values, &V::columns());
    let call = statement.writes(attempt::<V::Table, H::Role>("insert into"));
    handle.call(call, |answer| read(answer.one()?)).await
}

/// Inserts rows, with one statement for rows that omit the same columns, and returns them in the given order.
pub(super) async fn insert_many<T: Insert, H: TenantExecutor>(handle: H, new: Vec<T::New>) -> Result<Vec<T>> {
    let mut rows: Vec<Option<T>> = new.iter().map(|_| None).collect();
    let mut groups = Group::of::<T>(new);
    if let [group] = &*groups
        && group.is_one_statement()
    {
        // The only group has the rows in the given order.
        return match groups.pop() {
            Some(group) => insert_arrays(handle, group).await,
            None => Ok(Vec::new()),
        };
    }
    let mut opened = handle.open().await?;
    for group in groups {
        for (place, row) in group.places.clone().into_iter().zip(insert_group::<T, _>(opened.tx(), group).await?) {
            rows[place] = Some(row);
        }
    }
    opened.finish(true).await?;
    rows.into_iter().map(|row| Ok(row.ok_or(sqlx::Error::RowNotFound)?)).collect()
}

/// Rows that have values for the same columns.
struct Group {
    columns: Vec<&'static str>,
    /// The positions of these rows in the caller's order.
    places: Vec<usize>,
    rows: Vec<Vec<Box<dyn Value>>>,
}

impl Group {
    fn of<T: Insert>(new: Vec<T::New>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for (place, new) in new.into_iter().enumerate() {
            let mut values = Values::default();
            T::new_values(new, &mut values);
            let group = match groups.iter().position(|group| group.columns == values.columns()) {
                Some(known) => &mut groups[known],
                None => {
                    groups.push(Self { columns: values.columns().to_vec(), places: Vec::new(), rows: Vec::new() });
                    let last = groups.len() - 1;
                    &mut groups[last]
                }
            };
            group.places.push(place);
            group.rows.push(values.into_values());
        }
        groups
    }

    /// Returns whether the rows can be inserted by one statement, with an array for each column: there must be at least one
    /// column, and no column can be an array, because PostgreSQL has no arrays of arrays.
    fn is_one_statement(&self) -> bool {
        let has_array = self.rows.first().is_some_and(|row| row.iter().any(|value| value.is_array()));
        self.rows.len() > 1 && !self.columns.is_empty() && !has_array
    }
}

async fn insert_group<T: Insert, R: Role>(tx: &mut TenantTx<R>, group: Group) -> Result<Vec<T>> {
    if group.is_one_statement() {
        return insert_arrays(tx, group).await;
    }
    let mut inserted = Vec::with_capacity(group.rows.len());
    for row in group.rows {
        inserted.push(insert(&mut *tx, Values::of(group.columns.clone(), row)).await?);
    }
    Ok(inserted)
}

async fn insert_arrays<T: Insert, H: TenantExecutor>(handle: H, group: Group) -> Result<Vec<T>> {
    let mut columns: Vec<Vec<Box<dyn Value>>> = group.columns.iter().map(|_| Vec::new()).collect();
    for row in group.rows {
        columns.iter_mut().zip(row).for_each(|(column, value)| column.push(value));
    }
    let arrays = group.columns.into_iter().zip(columns).filter_map(|(name, mut values)| {
        let rest = values.split_off(1);
        Some((name, values.pop()?.gather(rest)))
    });
    let arrays = arrays.collect();
    let owner = owner::<T, _>(handle.ctx())?.map(|(name, user)| (name, Box::new(Scalar(user)) as Box<dyn Bind>));
    let statement = Statement::new(T::TABLE, handle.ctx().tenant_id()).insert_rows(owner, arrays, &T::columns());
    let call = statement.writes(attempt::<T, H::Role>("insert into"));
    handle.call(call, |answer| each(answer, read)).await
}

/// Inserts a row, or updates the row with the same key.
pub(super) async fn upsert<T, H>(handle: H, new: T::New, key: &'static [&'static str]) -> Result<T>
where
    T: Insert + Update,
    H: TenantExecutor,
{
    let mut values = Values::default();
    T::new_values(new, &mut values);
    let set: Vec<&str> = values.columns().iter().copied().filter(|name| is_changed(T::TABLE, name, key)).collect();
    // If there are no other columns, the row stays unchanged; setting a column to itself makes the
    // statement return the row.
    let set =
        if set.is_empty() { key.iter().copied().filter(|name| is_changed(T::TABLE, name, &[])).collect() } else { set };
    let values = with_owner::<T, _>(handle.ctx(), values)?;
    let statement = Statement::new(T::TABLE, handle.ctx().tenant_id()).upsert(values, key, &set, &T::columns());
    let call = statement.writes(attempt::<T, H::Role>("upsert into"));
    let conflict = || Error::UniqueViolation { table: T::TABLE_NAME.to_string(), constraint: key.join(", ") };
    handle.call(call, |answer| read(answer.rows.first().ok_or_else(conflict)?)).await
}

/// Returns whether an upsert updates a column of the existing row: it updates neither keys nor columns with a role.
fn is_changed(def: &TableDef, name: &str, key: &[&str]) -> bool {
    let is_parent = matches!(def.scope, ScopeDef::Parent { column, .. } if column == name);
    let plain = |column: &ColumnDef| column.app_assigned && !column.id && column.update.is_none();
    !key.contains(&name) && !is_parent && named(def, name).is_some_and(plain)
}

/// An update that runs when it is awaited. Created by [`Repository::update`](super::methods::Repository::update),
/// [`Repository::update_where`](super::methods::Repository::update_where) and
/// [`ViewRepository::update`](super::view_methods::ViewRepository::update).
///
/// ```
/// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(insert = "admin", update = "admin")] budget: Option<i64> }
/// # async fn f(tx: &mut TenantTx<Admin>, id: Uuid) -> Result<()> {
/// let changes = ProjectChanges { name: Some("Bridge".into()) };
/// let project: Project = Project::update(&mut *tx, id, changes).await?;
/// # Ok(()) }
/// ```
#[must_use = "nothing is updated until this is awaited"]
pub struct UpdateBuilder<'h, T, H, Output> {
    handle: H,
    condition: Condition,
    values: Values,
    run: fn(H, Condition, Values) -> BoxFuture<'h, Result<Output>>,
    table: PhantomData<fn() -> T>,
}

impl<'h, V: TenantView<Table: Update>, H: TenantExecutor + 'h> UpdateBuilder<'h, V::Table, H, V> {
    pub(super) fn one(handle: H, id: <V::Table as TenantTable>::Id, changes: <V::Table as Update>::Changes) -> Self {
        Self::new(handle, by_key::<V::Table>(id), changes, update_one::<V, H>)
    }
}

impl<'h, T: Update, H: TenantExecutor + 'h> UpdateBuilder<'h, T, H, u64> {
    pub(super) fn all(handle: H, condition: Condition, changes: T::Changes) -> Self {
        Self::new(handle, condition, changes, update_all::<T, H>)
    }
}

impl<'h, T: Update, H: TenantExecutor + 'h, Output> UpdateBuilder<'h, T, H, Output> {
    fn new(
        handle: H,
        condition: Condition,
        changes: T::Changes,
        run: fn(H, Condition, Values) -> BoxFuture<'h, Result<Output>>,
    ) -> Self {
        let mut values = Values::default();
        T::changed_values(changes, &mut values);
        Self { handle, condition, values, run, table: PhantomData }
    }

    /// Sets a column with an `update` role, which is not part of the struct of changes.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(insert = "admin", update = "admin")] budget: Option<i64> }
    /// # async fn f(tx: &mut TenantTx<Admin>, id: Uuid) -> Result<()> {
    /// let project = Project::update(&mut *tx, id, ProjectChanges::default()).set(Project::BUDGET, 700).await?;
    /// # Ok(()) }
    /// ```
    pub fn set<V, R, I, U, P>(
        mut self,
        column: Column<T, V, Access<R, I, U>, P>,
        value: impl IntoColumnValue<V>,
    ) -> Self
    where
        V: ColumnCodecAs,
        U: Settable,
        H::Role: MaySet<T, U>,
    {
        V::set(&mut self.values, column.name(), value.operand());
        self
    }
}

impl<T: TenantTable, H, Output> fmt::Debug for UpdateBuilder<'_, T, H, Output> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateBuilder")
            .field("table", &T::TABLE_NAME)
            .field("filter", &self.condition)
            .field("values", &self.values)
            .finish_non_exhaustive()
    }
}

impl<'h, T, H, Output> IntoFuture for UpdateBuilder<'h, T, H, Output> {
    type Output = Result<Output>;
    type IntoFuture = BoxFuture<'h, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        (self.run)(self.handle, self.condition, self.values)
    }
}

/// Updates one row. Without changes, the row is only read.
fn update_one<'h, V, H>(handle: H, condition: Condition, values: Values) -> BoxFuture<'h, Result<V>>
where
    V: TenantView<Table: Update>,
    H: TenantExecutor + 'h,
{
    Box::pin(async move {
        let condition = within_rights::<V::Table, _>(condition, handle.ctx(), V::Table::TABLE.update);
        let (statement, columns) = (Statement::new(V::Table::TABLE, handle.ctx().tenant_id()), V::columns());
        let attempt = attempt::<V::Table, H::Role>("update");
        let call = if values.columns().is_empty() {
            statement.select(&columns, None, &[], &Rows { condition, order: Vec::new(), limit: None }).reads(attempt)
        } else {
            statement.update(values, &condition, &columns).writes(attempt)
        };
        handle.call(call, |answer| read(answer.rows.first().ok_or_else(not_found::<V::Table>)?)).await
    })
}

/// Updates all matching rows. Without changes, no statement runs.
fn update_all<'h, T, H>(handle: H, condition: Condition, values: Values) -> BoxFuture<'h, Result<u64>>
where
    T: Update,
    H: TenantExecutor + 'h,
{
    Box::pin(async move {
        if values.columns().is_empty() {
            return Ok(0);
        }
        let condition = within_rights::<T, _>(condition, handle.ctx(), T::TABLE.update);
        let statement = Statement::new(T::TABLE, handle.ctx().tenant_id()).update(values, &condition, &[]);
        let call = statement.writes(attempt::<T, H::Role>("update"));
        handle.call(call, |answer| Ok(answer.affected)).await
    })
}

/// Deletes the rows that match a condition and returns their number.
pub(super) async fn delete<T: Delete, H: TenantExecutor>(handle: H, condition: Condition) -> Result<u64> {
    let condition = within_rights::<T, _>(condition, handle.ctx(), T::TABLE.delete);
    let statement = Statement::new(T::TABLE, handle.ctx().tenant_id()).delete(&condition);
    let call = statement.writes(attempt::<T, H::Role>("delete from"));
    handle.call(call, |answer| Ok(answer.affected)).await
}

/// Limits the rows of a table that keeps deleted rows to those of the user, if the role has the right only for these.
///
/// Elsewhere the policies do this. There, a policy for editing and one for deleting select rows for the same command, so a row that only
/// the other one selects would be an error instead of being left out.
fn within_rights<T: TenantTable, R: Role>(
    condition: Condition,
    ctx: &TenantCtx<R>,
    any: Option<&'static str>,
) -> Condition {
    let (def, tenancy) = (T::TABLE, T::TABLE.tenancy);
    let is_member = tenancy.roles.iter().any(|role| role.name == R::NAME);
    let has_all = any.is_some_and(|any| tenancy.includes(R::NAME, any));
    let Some(owner) = def.owner.filter(|_| def.soft_delete.is_some() && is_member && !has_all) else {
        return condition;
    };
    condition.and(match ctx.user_id() {
        Some(user) => Condition::Compare { column: owner, operator: Operator::Eq, value: Bound::new(user.clone()) },
        None => Condition::Any(Vec::new()),
    })
}

/// Returns the owner column, if any, with the context's user as its value.
///
/// # Errors
///
/// [`Error::NoUser`] if the context has no user.
fn owner<T: Select, R: Role>(ctx: &TenantCtx<R>) -> Result<Option<(&'static str, UserOf<R>)>> {
    let Some(owner) = T::TABLE.owner else { return Ok(None) };
    let user = ctx.user_id().ok_or_else(|| Error::NoUser { table: T::TABLE_NAME.to_string() })?;
    Ok(Some((owner, user.clone())))
}

fn with_owner<T: Select, R: Role>(ctx: &TenantCtx<R>, mut values: Values) -> Result<Values> {
    if let Some((column, user)) = owner::<T, R>(ctx)? {
        values.set(column, user);
    }
    Ok(values)
}

fn named<'d>(def: &'d TableDef, name: &str) -> Option<&'d ColumnDef> {
    def.columns.iter().find(|column| column.name == name)
}
