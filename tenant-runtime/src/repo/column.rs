//! Typed columns: the constants, such as `Project::NAME`, by which filters, orders and writes name a column.

use std::{fmt, marker::PhantomData};

use sqlx::{Encode, Postgres, Type};

use super::{
    filter::{Condition, Filter, Operator, ParentReader},
    ordered::OrderedColumn,
    page::Order,
    table::{Select, TenantTable},
    value::{Bound, is_null},
    view::TenantView,
};
use crate::tenant::{KeyNewtype, Role, TextKey, lattice::Seal};

/// A column of the table `T`, whose field is of type `V`. The derive writes one constant for each field.
///
/// `Access` says who may use it where that is not as the table says, and `Parent` to which table it refers, if to any.
pub struct Column<T, V, Access = DefaultAccess, Parent = ()> {
    name: &'static str,
    facts: Facts<(T, V, Access, Parent)>,
}

/// Types that a value is about and does not hold.
type Facts<T> = PhantomData<fn() -> T>;

/// Who may read a column, who may write it in an INSERT, and who in an UPDATE.
///
/// Each is `()` for whom the table's role decides, a role of the column's own, or [`NotSettable`](super::access::NotSettable).
#[derive(Debug)]
pub struct Access<Read = (), Insert = (), Update = ()>(PhantomData<(Read, Insert, Update)>);

/// The access to a column that has no roles of its own.
pub type DefaultAccess = Access;

/// Holds when somebody may write a column.
#[diagnostic::on_unimplemented(
    message = "nobody writes this column by hand",
    label = "a column that is not written here",
    note = "the tenant, the owner and a key that is made come from the context and the database; keys and parents stay as they are"
)]
pub trait Settable {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl Settable for () {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<R: Role> Settable for R {
    const SEAL: Seal = Seal;
}

impl<T, V, A, P> Column<T, V, A, P> {
    /// Names a column. An app cannot: it could leave out the roles that the column takes.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, facts: PhantomData }
    }

    /// Returns the column's name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Names the column so that [`with`](super::list::List::with) reads of the other table what a view shows:
    /// `Task::EMPLOYEE_ID.view::<EmployeeCard>()`.
    #[must_use]
    pub const fn view<W: TenantView<Table = P>>(self) -> Column<T, V, A, W> {
        Column::new(self.name)
    }
}

impl<T, V, A, P> Clone for Column<T, V, A, P> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T, V, A, P> Copy for Column<T, V, A, P> {}

impl<T, V, A, P> fmt::Debug for Column<T, V, A, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Column").field(&self.name).finish()
    }
}

/// A value that can be compared with a column of type `V`, or written into it: a `V`, or what is inside of an `Option`.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` is no value of a column whose field is a `{V}`",
    label = "this should be a `{V}`, or what is inside of its `Option`",
    note = "values are compared with and written as the type of the struct's field"
)]
pub trait IntoColumnValue<V> {
    /// Makes it a value of the column's type.
    #[doc(hidden)]
    fn operand(self) -> V;
}

impl<V> IntoColumnValue<V> for V {
    fn operand(self) -> V {
        self
    }
}

impl<V> IntoColumnValue<Option<V>> for V {
    fn operand(self) -> Option<V> {
        Some(self)
    }
}

#[diagnostic::do_not_recommend]
impl IntoColumnValue<String> for &str {
    fn operand(self) -> String {
        self.to_owned()
    }
}

#[diagnostic::do_not_recommend]
impl IntoColumnValue<Option<String>> for &str {
    fn operand(self) -> Option<String> {
        Some(self.to_owned())
    }
}

#[diagnostic::do_not_recommend]
impl IntoColumnValue<String> for &String {
    fn operand(self) -> String {
        self.clone()
    }
}

#[diagnostic::do_not_recommend]
impl IntoColumnValue<Option<String>> for &String {
    fn operand(self) -> Option<String> {
        Some(self.clone())
    }
}

/// A column type that can be NULL: an `Option`.
#[diagnostic::on_unimplemented(
    message = "a column whose field is a `{Self}` is never NULL",
    label = "only an `Option` can be asked whether it is NULL"
)]
pub trait Nullable {}

impl<V> Nullable for Option<V> {}

/// A column type that is a text, on which patterns can be tried. Implement it for a newtype over a `String`.
#[diagnostic::on_unimplemented(
    message = "a column whose field is a `{Self}` is no text, so there is no pattern to try on it",
    label = "not a text",
    note = "for a newtype over a `String`, implement `tenant_runtime::TextColumn`"
)]
pub trait TextColumn {}

impl TextColumn for String {}
impl TextColumn for TextKey {}
#[diagnostic::do_not_recommend]
impl<V: TextColumn> TextColumn for Option<V> {}
#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: TextColumn>> TextColumn for K {}

/// A table whose rows can be read along with those that refer to it, or a view of one.
#[diagnostic::on_unimplemented(
    message = "the column refers to no table whose rows could be read along",
    label = "not a column that refers to another table",
    note = "name a column whose field has `references = …`, such as `Task::PROJECT_ID`; its table has a `select` role"
)]
pub trait Referred: TenantView {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<P: TenantView> Referred for P {
    const SEAL: Seal = Seal;
}

/// Holds when a column refers to the table `Q`, on whose rows there can be a condition.
#[diagnostic::on_unimplemented(
    message = "the column refers to no table on whose rows there could be a condition",
    label = "not a condition for a column that refers to no table",
    note = "name a column whose field has `references = …`, such as `Task::PROJECT_ID`; its table has a `select` role"
)]
pub trait RefersTo<Q> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<Q: Select> RefersTo<Q> for Q {
    const SEAL: Seal = Seal;
}

/// What a filter sends to the database.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be sent to the database in a filter",
    label = "this type is not sqlx's `Type` and `Encode`, or not `Send` and `Sync`"
)]
pub trait Sent: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<V: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static> Sent for V {}

impl<T, V, R, I, U, P> Column<T, V, Access<R, I, U>, P> {
    /// Finds rows with this value; those without one, for `None`.
    pub fn eq(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: Sent,
    {
        Filter::new(self.equals(value.operand()))
    }

    /// Finds rows with another value, and those without one.
    pub fn ne(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: Sent,
    {
        let value = value.operand();
        if is_null(&value) {
            return !Filter::new(Condition::Null { column: self.name });
        }
        self.compare(Operator::Ne, value)
    }

    /// Finds rows with one of these values; none, where there are none.
    pub fn in_<O: IntoColumnValue<V>>(self, values: impl IntoIterator<Item = O>) -> Filter<T, R>
    where
        V: Sent,
    {
        let values = values.into_iter().map(IntoColumnValue::operand);
        let (nulls, values): (Vec<V>, Vec<V>) = values.partition(is_null);
        let has = Condition::In { column: self.name, values: Bound::array(values) };
        Filter::new(if nulls.is_empty() { has } else { has.or(Condition::Null { column: self.name }) })
    }

    /// Finds rows with a lesser value.
    pub fn lt(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Lt, value.operand())
    }

    /// Finds rows with a lesser value or this one.
    pub fn le(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Le, value.operand())
    }

    /// Finds rows with a greater value.
    pub fn gt(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Gt, value.operand())
    }

    /// Finds rows with a greater value or this one.
    pub fn ge(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Ge, value.operand())
    }

    /// Finds rows whose text matches a pattern: `%` stands for any text, `_` for one character, `\` takes their meaning.
    ///
    /// Row security keeps an index from being used; of a text that begins so, ask [`starts_with`](Self::starts_with).
    pub fn like(self, pattern: impl IntoColumnValue<String>) -> Filter<T, R>
    where
        V: TextColumn,
    {
        self.compare(Operator::Like, pattern.operand())
    }

    /// Finds rows whose text matches a pattern, whatever its case; else as [`like`](Self::like).
    pub fn ilike(self, pattern: impl IntoColumnValue<String>) -> Filter<T, R>
    where
        V: TextColumn,
    {
        self.compare(Operator::ILike, pattern.operand())
    }

    /// Finds rows whose text begins so; no character of it has a meaning of its own.
    pub fn starts_with(self, text: impl IntoColumnValue<String>) -> Filter<T, R>
    where
        V: TextColumn,
    {
        self.compare(Operator::StartsWith, text.operand())
    }

    /// Finds rows without a value.
    pub fn is_null(self) -> Filter<T, R>
    where
        V: Nullable,
    {
        Filter::new(Condition::Null { column: self.name })
    }

    /// Finds rows with a value.
    pub fn is_not_null(self) -> Filter<T, R>
    where
        V: Nullable,
    {
        !self.is_null()
    }

    /// Finds rows that refer to one which meets a condition and which the context may see.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::Viewer};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Task { id: Uuid, organization_id: Uuid, #[tenant(references = Project)] project_id: Uuid, done: bool }
    /// # async fn f(tx: &mut TenantTx<Viewer>) -> Result<()> {
    /// let of_bridges = Task::PROJECT_ID.where_parent(Project::NAME.starts_with("Bridge"));
    /// let open = Task::list(&mut *tx).filter(of_bridges & Task::DONE.eq(false)).await?;
    /// # Ok(()) }
    /// ```
    pub fn where_parent<Q: TenantTable, N>(self, parent: Filter<Q, N>) -> Filter<T, ParentReader<Q, N, R>>
    where
        P: RefersTo<Q>,
    {
        let condition = Box::new(parent.into_condition());
        Filter::new(Condition::Parent { column: self.name, parent: Q::TABLE, condition })
    }

    /// Orders rows by the column, the least first and those without a value last.
    pub fn asc(self) -> Order<T, R>
    where
        V: OrderedColumn,
    {
        Order::new::<V>(self.name, false)
    }

    /// Orders rows by the column, those without a value first and then the greatest.
    pub fn desc(self) -> Order<T, R>
    where
        V: OrderedColumn,
    {
        Order::new::<V>(self.name, true)
    }

    fn compare(self, operator: Operator, value: impl Sent) -> Filter<T, R> {
        Filter::new(Condition::Compare { column: self.name, operator, value: Bound::new(value) })
    }

    fn equals(self, value: impl Sent) -> Condition {
        if is_null(&value) {
            return Condition::Null { column: self.name };
        }
        Condition::Compare { column: self.name, operator: Operator::Eq, value: Bound::new(value) }
    }
}

/// A key of the table `T` beside which no other row may have the same values: `Employee::BY_EMAIL`.
///
/// The derive writes one constant for each `unique` of a table whose rows can be inserted and updated.
pub struct Key<T> {
    columns: &'static [&'static str],
    table: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Names a key by its columns.
    pub(super) const fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, table: PhantomData }
    }

    /// Returns the columns, to which the tenant column is added.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        self.columns
    }
}

impl<T> Clone for Key<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Key<T> {}

impl<T> fmt::Debug for Key<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.columns).finish()
    }
}

/// Holds when something is a key of the table `T` by which an upsert can find the row that is there.
#[diagnostic::on_unimplemented(
    message = "an upsert of `{T}` finds the row that is there by a unique key, and a `{Self}` is none",
    label = "not a unique key of `{T}`",
    note = "name one of the constants `{T}::BY_…`, which stand for each `unique` in `#[tenant(…)]` and for a key that the app gives"
)]
pub trait UniqueKey<T> {
    #[doc(hidden)]
    const SEAL: Seal;

    /// Returns the columns.
    #[doc(hidden)]
    fn columns(self) -> &'static [&'static str];
}

impl<T> UniqueKey<T> for Key<T> {
    const SEAL: Seal = Seal;

    fn columns(self) -> &'static [&'static str] {
        self.columns
    }
}
