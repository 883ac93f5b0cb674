//! Conditions on the rows of a table: made of typed columns, joined by `&`, `|` and `!`, with every value bound.

use std::{
    fmt,
    marker::PhantomData,
    mem,
    ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, Not},
};

use super::{
    access::{May, MayUse, RoleOf, cmd},
    table::Select,
    value::Bound,
};
use crate::{
    model::def::TableDef,
    tenant::{Role, lattice::Seal},
};

/// A condition on the rows of `T`.
///
/// It comes from a column, such as `Project::NAME.eq("x")`, and is joined with others by `&`, `|` and `!`. `Needs` is the
/// role that it takes to ask: `()` for whoever may read the table, else the role of a column, or [`ParentReader`] a parent.
///
/// A row either meets a condition or does not. NULL equals nothing but NULL and is neither less nor greater than anything,
/// so `!` is everything else, and `ne("x")` also finds rows without a value.
///
/// ```
/// # use tenant_runtime::{TenantTable, repo::filter::Filter, roles::{Member, Viewer}};
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: uuid::Uuid, organization_id: uuid::Uuid, name: String, archived: bool }
/// let filter: Filter<Project> = Project::NAME.starts_with("a") & !Project::ARCHIVED.eq(true);
/// ```
#[must_use = "a filter does nothing until it is passed to a repository method"]
pub struct Filter<T, Needs = ()> {
    condition: Condition,
    marker: PhantomData<fn() -> (T, Needs)>,
}

impl<T> Filter<T> {
    /// Makes the condition that every row meets, for calls that are to reach all of them.
    pub fn all_rows() -> Self {
        Self::new(Condition::All(Vec::new()))
    }
}

impl<T, N> Filter<T, N> {
    pub(super) fn new(condition: Condition) -> Self {
        Self { condition, marker: PhantomData }
    }

    pub(super) fn into_condition(self) -> Condition {
        self.condition
    }

    fn take(&mut self) -> Condition {
        mem::replace(&mut self.condition, Condition::All(Vec::new()))
    }

    /// Raises the role that the condition takes, so that it can be joined with one that takes `R`.
    ///
    /// Conditions that are put together at run time say their role first:
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
        Filter::new(self.condition)
    }
}

impl<T, N> Clone for Filter<T, N> {
    fn clone(&self) -> Self {
        Self::new(self.condition.clone())
    }
}

impl<T, N> fmt::Debug for Filter<T, N> {
    /// What is compared with may be nobody else's business, so the values are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Filter").field(&self.condition).finish()
    }
}

impl<T, N: CombineRoles<M>, M> BitAnd<Filter<T, M>> for Filter<T, N> {
    type Output = Filter<T, N::Both>;

    fn bitand(self, other: Filter<T, M>) -> Self::Output {
        Filter::new(self.condition.and(other.condition))
    }
}

impl<T, N: CombineRoles<M>, M> BitOr<Filter<T, M>> for Filter<T, N> {
    type Output = Filter<T, N::Both>;

    fn bitor(self, other: Filter<T, M>) -> Self::Output {
        Filter::new(self.condition.or(other.condition))
    }
}

impl<T, N: Covers<M>, M> BitAndAssign<Filter<T, M>> for Filter<T, N> {
    fn bitand_assign(&mut self, other: Filter<T, M>) {
        self.condition = self.take().and(other.condition);
    }
}

impl<T, N: Covers<M>, M> BitOrAssign<Filter<T, M>> for Filter<T, N> {
    fn bitor_assign(&mut self, other: Filter<T, M>) {
        self.condition = self.take().or(other.condition);
    }
}

/// Says what two conditions take together, one of which takes `Self` and the other `M`.
#[diagnostic::on_unimplemented(
    message = "one of these conditions takes `{Self}` and the other `{M}`",
    label = "conditions that take different roles",
    note = "say the role that takes both first: `filter.requires::<Admin>()`; or call `.filter(…)` once for each"
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

/// Holds when whoever may ask by the one condition may ask by the other.
#[diagnostic::on_unimplemented(
    message = "this condition is joined to one that takes less: it takes `{M}`, and the other `{Self}`",
    label = "takes `{M}`",
    note = "say the role that takes both when the first is made: `Filter::all_rows().requires::<Admin>()`"
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

/// In place of a role: what a condition on the parent's row takes. Made by [`where_parent`](super::column::Column::where_parent).
///
/// That is to read the table `P`, the role `N` of `P`'s column, and the role `M` of the column that refers to `P`.
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
        Self::new(Condition::Not(Box::new(self.condition)))
    }
}

/// A condition as the statement writes it.
#[derive(Clone)]
pub(super) enum Condition {
    /// A column compared with a value that is not NULL.
    Compare { column: &'static str, operator: Operator, value: Bound },
    /// A column that has one of the values of an array.
    In { column: &'static str, values: Bound },
    /// A column that is NULL.
    Null { column: &'static str },
    /// Columns that, from left to right, come after the values, or before them.
    Row { columns: Vec<&'static str>, after: bool, values: Vec<Bound> },
    /// A column that refers to a row of another table which meets a condition.
    Parent { column: &'static str, parent: &'static TableDef, condition: Box<Self> },
    /// What does not hold.
    Not(Box<Self>),
    /// All of these hold; nothing is asked where there are none.
    All(Vec<Self>),
    /// One of these holds.
    Any(Vec<Self>),
}

/// How a column is compared.
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

impl Condition {
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
            (one, other) => Self::All(vec![one, other]),
        }
    }

    pub(super) fn or(self, other: Self) -> Self {
        match self {
            Self::Any(mut any) => {
                any.push(other);
                Self::Any(any)
            }
            one => Self::Any(vec![one, other]),
        }
    }
}

impl fmt::Debug for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compare { column, operator, .. } => write!(f, "{column} {} …", operator.sql()),
            Self::In { column, .. } => write!(f, "{column} IN …"),
            Self::Null { column } => write!(f, "{column} IS NULL"),
            Self::Row { columns, after, .. } => write!(f, "{columns:?} {} …", if *after { ">" } else { "<" }),
            Self::Parent { column, parent, condition } => write!(f, "{column} IN {} {condition:?}", parent.name),
            Self::Not(condition) => write!(f, "NOT {condition:?}"),
            Self::All(all) => f.debug_tuple("All").field(all).finish(),
            Self::Any(any) => f.debug_tuple("Any").field(any).finish(),
        }
    }
}
