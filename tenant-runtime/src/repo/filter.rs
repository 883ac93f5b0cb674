//! Filters: conditions from typed columns, combined with `&`, `|` and `!`, with every value bound.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not},
};

use super::{
    access::{May, MayUse, RoleOf},
    cmd,
    table::Select,
    value::Bound,
};
use crate::{
    model::def::TableDef,
    tenant::{Role, lattice::Seal},
};

/// A condition on the rows of `T`.
///
/// Filters are created from columns, such as `Project::NAME.eq("x")`, and combined with `&`, `|` and `!`. `Needs` is
/// the required role: `()` for the table's `select` role, the role of a column, or [`ParentReader`] for a parent.
///
/// A row either matches or does not match: NULL equals only NULL and is neither less nor greater than any value. `!`
/// matches all other rows, and `ne("x")` also matches NULL.
///
/// ```
/// # use tenant_runtime::{TenantTable, repo::filter::Filter, roles::{Member, Viewer}};
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, name: String, archived: bool }
/// let filter: Filter<Project> = Project::NAME.starts_with("a") & !Project::ARCHIVED.eq(true);
/// ```
///
/// A chain such as `a | b | c` can have any length, but conditions of different kinds can be nested only 100 levels deep, because the
/// server and this crate process nested conditions recursively. A call with a deeper filter is an
/// [`Error::FilterTooDeep`](crate::Error::FilterTooDeep).
#[must_use = "a filter does nothing until it is passed to a repository method"]
pub struct Filter<T, Needs = ()> {
    condition: Condition,
    /// How many conditions are nested.
    depth: u16,
    marker: PhantomData<fn() -> (T, Needs)>,
}

impl<T> Filter<T> {
    /// Creates a condition that matches all rows, for calls that are meant to affect every row.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", delete = "admin")]
    /// # struct Project { id: Uuid, organization_id: Uuid, name: String }
    /// # async fn f(tx: &mut TenantTx<Admin>) -> Result<()> {
    /// let deleted = Project::delete_where(&mut *tx, Filter::all_rows()).await?;
    /// # Ok(()) }
    /// ```
    pub fn all_rows() -> Self {
        Self::new(Condition::All(Vec::new()))
    }
}

impl<T, N> Filter<T, N> {
    /// Creates a filter from a condition that contains no other filter.
    pub(super) fn new(condition: Condition) -> Self {
        Self { condition, depth: 1, marker: PhantomData }
    }

    /// Creates a filter from a condition that contains other filters.
    fn nested(condition: Condition, depth: u16) -> Self {
        match depth {
            ..=MAX_DEPTH => Self { condition, depth, marker: PhantomData },
            _ => Self::new(Condition::TooDeep),
        }
    }

    /// Creates a filter of the rows whose column references a row of the parent table that matches this filter.
    pub(super) fn of_parent<C, M>(self, column: &'static str, parent: &'static TableDef) -> Filter<C, M> {
        let condition = Box::new(self.condition);
        Filter::nested(Condition::Parent { column, parent, condition }, self.depth + 1)
    }

    fn and<M, B>(self, other: Filter<T, M>) -> Filter<T, B> {
        let depth = joined_depth(&self, &other, |condition| matches!(condition, Condition::All(_)));
        Filter::nested(self.condition.and(other.condition), depth)
    }

    fn or<M, B>(self, other: Filter<T, M>) -> Filter<T, B> {
        let depth = joined_depth(&self, &other, |condition| matches!(condition, Condition::Any(_)));
        Filter::nested(self.condition.or(other.condition), depth)
    }

    pub(super) fn into_condition(self) -> Condition {
        self.condition
    }

    fn take(&mut self) -> Self {
        mem::replace(self, Self::new(Condition::All(Vec::new())))
    }

    /// Raises the required role, so that the condition can be combined with a condition that requires `R`.
    ///
    /// When conditions are combined at run time, start with the required role:
    ///
    /// ```
    /// # use tenant_runtime::{TenantTable, repo::filter::Filter, roles::{Admin, Viewer}};
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer")]
    /// # struct Employee { id: uuid::Uuid, organization_id: uuid::Uuid, #[tenant(select = "admin")] salary: i64 }
    /// # fn f(least: Option<i64>) {
    /// let mut filter = Filter::<Employee>::all_rows().requires::<Admin>();
    /// if let Some(least) = least {
    ///     filter &= Employee::SALARY.ge(least);
    /// }
    /// # }
    /// ```
    pub fn requires<R: Role + MayUse<T, N>>(self) -> Filter<T, R> {
        Filter::nested(self.condition, self.depth)
    }
}

impl<T, N> Clone for Filter<T, N> {
    fn clone(&self) -> Self {
        Self::nested(self.condition.clone(), self.depth)
    }
}

impl<T, N> fmt::Debug for Filter<T, N> {
    /// Omits the values, because they can be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.condition).finish()
    }
}

impl<T, N: CombineRoles<M>, M> BitAnd<Filter<T, M>> for Filter<T, N> {
    type Output = Filter<T, N::Both>;

    fn bitand(self, other: Filter<T, M>) -> Self::Output {
        self.and(other)
    }
}

impl<T, N: CombineRoles<M>, M> BitOr<Filter<T, M>> for Filter<T, N> {
    type Output = Filter<T, N::Both>;

    fn bitor(self, other: Filter<T, M>) -> Self::Output {
        self.or(other)
    }
}

impl<T, N: Covers<M>, M> BitAndAssign<Filter<T, M>> for Filter<T, N> {
    fn bitand_assign(&mut self, other: Filter<T, M>) {
        *self = self.take().and(other);
    }
}

impl<T, N: Covers<M>, M> BitOrAssign<Filter<T, M>> for Filter<T, N> {
    fn bitor_assign(&mut self, other: Filter<T, M>) {
        *self = self.take().or(other);
    }
}

/// Computes the role that two conditions require together: one requires `Self`, the other `M`.
#[doc = column_example!("let rich: Filter<Project, Admin> = Project::BUDGET.gt(1_000) & Project::SIZE.gt(10);")]
#[diagnostic::on_unimplemented(
    message = "these conditions require different roles (`{Self}` and `{M}`)",
    label = "conditions with different roles",
    note = "set the role first: `filter.requires::<Admin>()`; or call `.filter(…)` once for each condition"
)]
pub trait CombineRoles<M> {
    /// The role, or `()`.
    type Both;
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl CombineRoles<()> for () {
    type Both = ();
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<N: Role> CombineRoles<()> for N {
    type Both = N;
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<N: Role> CombineRoles<N> for () {
    type Both = N;
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<N: Role> CombineRoles<N> for N {
    type Both = N;
    const SEAL: Seal = Seal;
}

/// Implemented for the required role of a filter if a role that can use the filter can also use conditions that require `M`.
#[doc = column_example!("let mut filter = Filter::all_rows().requires::<Admin>();
filter &= Project::BUDGET.gt(1_000);
filter &= Project::SIZE.gt(10);")]
#[diagnostic::on_unimplemented(
    message = "this condition requires role `{M}`, and the filter that it is added to requires `{Self}`",
    label = "requires role `{M}`",
    note = "set the role when the filter is created: `Filter::all_rows().requires::<Admin>()`"
)]
pub trait Covers<M> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl Covers<()> for () {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<N: Role> Covers<()> for N {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<N: Role> Covers<N> for N {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<P, N, M> Covers<()> for ParentReader<P, N, M> {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<P, N, M> Covers<Self> for ParentReader<P, N, M> {
    const SEAL: Seal = Seal;
}

/// The requirement of a condition on the parent row. Created by [`where_parent`](super::column::Column::where_parent).
///
/// It requires SELECT on the table `P`, the role `N` of `P`'s column, and the role `M` of the column that references `P`.
#[doc = column_example!("let rich: Filter<Task, repo::filter::ParentReader<Project, Admin>> = Task::PROJECT_ID.where_parent(Project::BUDGET.gt(9));")]
#[derive(Debug)]
pub struct ParentReader<P, N = (), M = ()>(PhantomData<(P, N, M)>);

#[diagnostic::do_not_recommend]
impl<R, T, P: Select, N, M> MayUse<T, ParentReader<P, N, M>> for R
where
    R: May<cmd::Read, P, P::SelectRole> + RoleOf<P::Tenancy> + MayUse<P, N> + MayUse<T, M>,
{
    const SEAL: Seal = Seal;
}

#[diagnostic::do_not_recommend]
impl<P, N, M> CombineRoles<()> for ParentReader<P, N, M> {
    type Both = Self;
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<P, N, M> CombineRoles<ParentReader<P, N, M>> for () {
    type Both = ParentReader<P, N, M>;
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<P, N, M> CombineRoles<Self> for ParentReader<P, N, M> {
    type Both = Self;
    const SEAL: Seal = Seal;
}

impl<T, N> Not for Filter<T, N> {
    type Output = Self;

    fn not(self) -> Self {
        Self::nested(Condition::Not(Box::new(self.condition)), self.depth + 1)
    }
}

/// How deep conditions can be nested. Dropping, writing and planning a condition recurse.
pub(super) const MAX_DEPTH: u16 = 100;

/// Returns the depth of two filters that are joined into one list; a filter that is such a list already becomes part of it.
fn joined_depth<T, N, M>(one: &Filter<T, N>, other: &Filter<T, M>, is_list: fn(&Condition) -> bool) -> u16 {
    let within = |condition, depth: u16| if is_list(condition) { depth } else { depth + 1 };
    within(&one.condition, one.depth).max(within(&other.condition, other.depth))
}

/// A condition as it is written in the SQL statement.
#[derive(Clone)]
pub(super) enum Condition {
    /// A column compared with a value that is not NULL.
    Compare { column: &'static str, operator: Operator, value: Bound },
    /// A column that equals one of the values of an array.
    In { column: &'static str, values: Bound },
    /// Columns that, compared as a row, equal the elements of the arrays at one position.
    InRows { columns: Vec<&'static str>, values: Vec<Bound> },
    /// A column that is NULL.
    Null { column: &'static str },
    /// Columns that, compared as a row, come after or before the values.
    Row { columns: Vec<&'static str>, after: bool, values: Vec<Bound> },
    /// A column that references a row of another table that matches a condition.
    Parent { column: &'static str, parent: &'static TableDef, condition: Box<Self> },
    /// A negated condition.
    Not(Box<Self>),
    /// A row that matches all of these conditions; an empty list matches all rows.
    All(Vec<Self>),
    /// A row that matches at least one of these conditions.
    Any(Vec<Self>),
    /// A row that is deleted. Without this condition, a statement reads and writes only rows that are not deleted.
    Deleted,
    /// Conditions that were nested too deep, which is an error of the statement.
    TooDeep,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Like,
    ILike,
    StartsWith,
}

impl Operator {
    pub(super) fn sql(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "IS DISTINCT FROM",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
            Self::Like => "LIKE",
            Self::ILike => "ILIKE",
            Self::StartsWith => "^@",
        }
    }
}

impl Operator {
    /// Returns whether the value is a pattern or a prefix, which is always text.
    pub(super) fn is_pattern(self) -> bool {
        matches!(self, Self::Like | Self::ILike | Self::StartsWith)
    }
}

impl Condition {
    /// Returns whether the condition applies to deleted rows only.
    pub(super) fn is_of_deleted(&self) -> bool {
        match self {
            Self::Deleted => true,
            Self::All(all) => all.iter().any(|part| matches!(part, Self::Deleted)),
            _ => false,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::All(mut all), Self::All(more)) => {
                all.extend(more);
                Self::All(all)
            }
            (Self::All(mut all), other) => {
                all.push(other);
                Self::All(all)
            }
            // The order has no meaning.
            (one, Self::All(mut all)) => {
                all.push(one);
                Self::All(all)
            }
            (one, other) => Self::All(vec![one, other]),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Any(mut any), Self::Any(more)) => {
                any.extend(more);
                Self::Any(any)
            }
            (Self::Any(mut any), one) | (one, Self::Any(mut any)) => {
                any.push(one);
                Self::Any(any)
            }
            (one, other) => Self::Any(vec![one, other]),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { column, operator, .. } => write!(f, "{column} {} …", operator.sql()),
            Self::In { column, .. } => write!(f, "{column} IN …"),
            Self::InRows { columns, .. } => write!(f, "{columns:?} IN …"),
            Self::Null { column } => write!(f, "{column} IS NULL"),
            Self::Row { columns, after, .. } => write!(f, "{columns:?} {} …", if *after { ">" } else { "<" }),
            Self::Parent { column, parent, condition } => write!(f, "{column} IN {} {condition:?}", parent.name),
            Self::Not(condition) => write!(f, "NOT {condition:?}"),
            Self::All(all) => f.debug_tuple("All").field(all).finish(),
            Self::Any(any) => f.debug_tuple("Any").field(any).finish(),
            Self::Deleted => f.write_str("deleted"),
            Self::TooDeep => f.write_str("…"),
        }
    }
}
