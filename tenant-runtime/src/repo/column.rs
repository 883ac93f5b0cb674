//! Typed columns: constants such as `Project::NAME` for filters, orders and writes.

use std::{fmt, marker::PhantomData};

use sqlx::{Encode, Postgres, Type};

use super::{
    filter::{Condition, Filter, Operator, ParentReader},
    ordered::OrderedColumn,
    page::Order,
    table::Select,
    tenant_table::TenantTable,
    value::{Bound, is_array, is_null},
    view::TenantView,
};
use crate::tenant::{KeyNewtype, Role, TextKey, lattice::Seal};

/// A column of the table `T` with a field of type `V`. The derive generates one constant for each field.
///
/// `Access` contains the roles of the column, if it has any, and `Parent` is the table that the column references.
#[doc = column_example!(
    r#"let name: Column<Project, String> = Project::NAME;
let filter = name.starts_with("B") & !Project::LEAD.eq(user);
assert_eq!(name.name(), "name");"#
)]
pub struct Column<T, V, Access = DefaultAccess, Parent = ()> {
    name: &'static str,
    facts: Facts<(T, V, Access, Parent)>,
}

/// Marks types that a value refers to without containing them.
type Facts<T> = PhantomData<fn() -> T>;

/// The roles required to read a column, to set it on INSERT, and to update it.
///
/// Each is `()` for the table's role, the column's role, or [`NotSettable`](super::access::NotSettable).
#[doc = column_example!("let budget: Column<Project, Option<i64>, repo::column::Access<Admin, (), Admin>> = Project::BUDGET;")]
#[derive(Debug)]
pub struct Access<Read = (), Insert = (), Update = ()>(PhantomData<(Read, Insert, Update)>);

/// The access of a column without roles.
pub type DefaultAccess = Access;

/// Implemented if a column can be set explicitly.
#[diagnostic::on_unimplemented(
    message = "this column cannot be set explicitly",
    label = "not a settable column",
    note = "the context sets the tenant and the owner, the database generates keys, and keys and parents are never updated"
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
    /// Creates a column. Private to this crate, because an app could omit the roles that the column requires.
    pub(super) const fn new(name: &'static str) -> Self {
        Self { name, facts: PhantomData }
    }

    /// Returns the column name in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.name
    }

    /// Selects a view of the referenced table for [`with`](super::list::List::with):
    /// `Task::EMPLOYEE_ID.view::<EmployeeCard>()`.
    #[doc = column_example!("let reference = Task::PROJECT_ID.view::<ProjectName>();")]
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

/// A value that can be compared with or written to a column of type `V`: a `V`, or the content if `V` is an `Option`.
#[doc = column_example!("let mine = Project::LEAD.eq(user) | Project::LEAD.eq(Some(user));")]
#[diagnostic::on_unimplemented(
    message = "expected a value of type `{V}` for this column, found `{Self}`",
    label = "expected `{V}`, or the content of its `Option`",
    note = "values have the type of the struct's field"
)]
pub trait IntoColumnValue<V> {
    /// Converts the value to the column's type.
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
#[doc = column_example!("let without_lead = Project::LEAD.is_null(); // its field is an `Option<Uuid>`")]
#[diagnostic::on_unimplemented(
    message = "`{Self}` columns are never NULL",
    label = "only `Option` columns can be NULL"
)]
pub trait Nullable {}

impl<V> Nullable for Option<V> {}

/// A text column type, which can be matched against patterns. Implement it for newtypes of `String`.
///
/// ```
/// # #[derive(sqlx::Type)]
/// # #[sqlx(transparent)]
/// struct Title(String);
///
/// impl tenant_runtime::TextColumn for Title {}
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` columns cannot be matched against a pattern",
    label = "not a text column",
    note = "for a newtype of `String`, implement `tenant_runtime::TextColumn`"
)]
pub trait TextColumn {}

impl TextColumn for String {}
impl TextColumn for TextKey {}
#[diagnostic::do_not_recommend]
impl<V: TextColumn> TextColumn for Option<V> {}
#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: TextColumn>> TextColumn for K {}

/// A table, or a view of a table, whose rows can be read together with rows that reference them.
#[diagnostic::on_unimplemented(
    message = "this column references no readable table",
    label = "not a column that references another table",
    note = "use a column whose field has `references = …`, such as `Task::PROJECT_ID`; that table requires a `select` role"
)]
pub trait Referred: TenantView {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<P: TenantView> Referred for P {
    const SEAL: Seal = Seal;
}

/// Implemented if a column references the table `Q`, whose rows can be filtered.
#[doc = column_example!("let of_small = Task::PROJECT_ID.where_parent(Project::SIZE.lt(10));")]
#[diagnostic::on_unimplemented(
    message = "this column does not reference the table of the condition",
    label = "not a condition on the referenced table",
    note = "use a column whose field has `references = …`, such as `Task::PROJECT_ID`; that table requires a `select` role"
)]
pub trait RefersTo<Q> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<Q: Select> RefersTo<Q> for Q {
    const SEAL: Seal = Seal;
}

/// A type whose values a filter can send to the database.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` cannot be sent to the database in a filter",
    label = "this type does not implement sqlx's `Type` and `Encode`, `Send` and `Sync`"
)]
pub trait Sent: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<V: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static> Sent for V {}

impl<T, V, R, I, U, P> Column<T, V, Access<R, I, U>, P> {
    /// Matches rows with this value; `None` matches NULL.
    #[doc = column_example!("let mine = Project::LEAD.eq(user);")]
    pub fn eq(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: Sent,
    {
        Filter::new(self.equals(value.operand()))
    }

    /// Matches rows with a different value or NULL.
    #[doc = column_example!("let not_mine = Project::LEAD.ne(user); // also projects without a lead")]
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

    /// Matches rows with one of these values; an empty list matches no rows.
    #[doc = column_example!(r#"let either = Project::NAME.in_(["Bridge", "Tunnel"]);"#)]
    pub fn in_<O: IntoColumnValue<V>>(self, values: impl IntoIterator<Item = O>) -> Filter<T, R>
    where
        V: Sent,
    {
        let values = values.into_iter().map(IntoColumnValue::operand);
        if is_array::<V>() {
            // `ANY` would compare with the elements of the arrays.
            return Filter::new(Condition::Any(values.map(|value| self.equals(value)).collect()));
        }
        let (nulls, values): (Vec<V>, Vec<V>) = values.partition(is_null);
        let has = Condition::In { column: self.name, values: Bound::array(values) };
        Filter::new(if nulls.is_empty() { has } else { has.or(Condition::Null { column: self.name }) })
    }

    /// Matches rows whose value is less than the given one.
    #[doc = column_example!("let small = Project::SIZE.lt(10);")]
    pub fn lt(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Lt, value.operand())
    }

    /// Matches rows whose value is less than or equal to the given one.
    #[doc = column_example!("let small = Project::SIZE.le(9);")]
    pub fn le(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Le, value.operand())
    }

    /// Matches rows whose value is greater than the given one.
    #[doc = column_example!("let large = Project::SIZE.gt(1_000);")]
    pub fn gt(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Gt, value.operand())
    }

    /// Matches rows whose value is greater than or equal to the given one.
    #[doc = column_example!("let medium = Project::SIZE.ge(10) & Project::SIZE.lt(1_000);")]
    pub fn ge(self, value: impl IntoColumnValue<V>) -> Filter<T, R>
    where
        V: OrderedColumn,
    {
        self.compare(Operator::Ge, value.operand())
    }

    /// Matches rows by a LIKE pattern: `%` matches any text, `_` one character, and `\` escapes both.
    ///
    /// Under RLS, LIKE cannot use an index; for prefixes use [`starts_with`](Self::starts_with).
    #[doc = column_example!(r#"let bridges = Project::NAME.like("%bridge_");"#)]
    pub fn like(self, pattern: impl IntoColumnValue<String>) -> Filter<T, R>
    where
        V: TextColumn,
    {
        self.compare(Operator::Like, pattern.operand())
    }

    /// Matches rows by a LIKE pattern, ignoring case; otherwise the same as [`like`](Self::like).
    #[doc = column_example!(r#"let bridges = Project::NAME.ilike("%bridge%"); // also `Footbridge` and `BRIDGE 2`"#)]
    pub fn ilike(self, pattern: impl IntoColumnValue<String>) -> Filter<T, R>
    where
        V: TextColumn,
    {
        self.compare(Operator::ILike, pattern.operand())
    }

    /// Matches rows whose text begins with a prefix; no character of the prefix is special.
    #[doc = column_example!(r#"let discounts = Project::NAME.starts_with("50% ");"#)]
    pub fn starts_with(self, text: impl IntoColumnValue<String>) -> Filter<T, R>
    where
        V: TextColumn,
    {
        self.compare(Operator::StartsWith, text.operand())
    }

    /// Matches rows with NULL.
    #[doc = column_example!("let without_lead = Project::LEAD.is_null();")]
    pub fn is_null(self) -> Filter<T, R>
    where
        V: Nullable,
    {
        Filter::new(Condition::Null { column: self.name })
    }

    /// Matches rows with a value other than NULL.
    #[doc = column_example!("let with_lead = Project::LEAD.is_not_null();")]
    pub fn is_not_null(self) -> Filter<T, R>
    where
        V: Nullable,
    {
        !self.is_null()
    }

    /// Matches rows whose referenced row is visible to the context and matches a condition.
    #[doc = column_example!(
        r#"let of_bridges = Task::PROJECT_ID.where_parent(Project::NAME.starts_with("Bridge"));
let open = of_bridges & Task::DONE.eq(false);"#
    )]
    pub fn where_parent<Q: TenantTable, N>(self, parent: Filter<Q, N>) -> Filter<T, ParentReader<Q, N, R>>
    where
        P: RefersTo<Q>,
    {
        parent.of_parent(self.name, Q::TABLE)
    }

    /// Sorts rows by the column in ascending order, with NULL last.
    #[doc = column_example!("let smallest_first = Project::SIZE.asc();")]
    pub fn asc(self) -> Order<T, R>
    where
        V: OrderedColumn,
    {
        Order::new::<V>(self.name, false)
    }

    /// Sorts rows by the column in descending order, with NULL first.
    #[doc = column_example!("let largest_first = Project::SIZE.desc();")]
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

/// A unique key of the table `T`, for upserts: `Employee::BY_EMAIL`.
///
/// The derive generates one constant for each `unique` attribute of a table whose rows can be inserted and updated.
#[doc = column_example!(r#"assert_eq!(Project::BY_NAME.columns(), ["name"]);"#)]
pub struct Key<T> {
    columns: &'static [&'static str],
    table: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    /// Creates a key from its columns.
    pub(super) const fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, table: PhantomData }
    }

    /// Returns the columns except the tenant column, which the upsert adds.
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

/// Implemented for the unique keys of the table `T`, with which an upsert finds an existing row.
#[diagnostic::on_unimplemented(
    message = "an upsert of `{T}` requires a unique key of `{T}`, found `{Self}`",
    label = "not a unique key of `{T}`",
    note = "use a constant `{T}::BY_…`: there is one for each `unique` in `#[tenant(…)]` and for an `app_assigned` key"
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
