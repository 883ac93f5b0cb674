//! Which roles a tenancy has and which of them each includes, as types that code outside this crate cannot add to.
//!
//! A trait that somebody else can implement proves nothing: an app could say of any type that it is the role `admin`, or that
//! a viewer includes it. The one thing that cannot be said twice is the impl of [`Tenancy`] for a type. So its `Roles` are
//! the only source, and whatever a role says of itself is looked up there.

use super::{AtLeast, JobRole, MemberRole, Role, System, Tenancy};
use crate::model::{
    compare::{is_joined, same},
    names::RESERVED_ROLES,
};

/// The first place of a list of types.
#[derive(Debug)]
pub enum First {}

/// The place that follows on another.
#[derive(Debug)]
pub struct Next<P>(std::marker::PhantomData<P>);

/// The type of a constant in each trait that code outside this crate must not implement: it cannot be named there.
#[derive(Debug)]
pub struct Seal;

/// What a list of types, written `(A, (B, ()))`, has at a place.
pub trait At<Place> {
    type Entry;
}

#[diagnostic::do_not_recommend]
impl<Head, Tail> At<First> for (Head, Tail) {
    type Entry = Head;
}

#[diagnostic::do_not_recommend]
impl<Head, Tail: At<Place>, Place> At<Next<Place>> for (Head, Tail) {
    type Entry = Tail::Entry;
}

/// Holds when two types are the same.
pub trait Is<T> {}

#[diagnostic::do_not_recommend]
impl<T> Is<T> for T {}

/// Holds when a role is one that its tenancy declares, or the system role.
#[diagnostic::on_unimplemented(
    message = "the tenancy of `{Self}` does not declare such a role",
    label = "not declared by `tenancy!`",
    note = "`tenancy!` makes the roles of a tenancy; `Role` cannot be implemented by hand"
)]
pub trait Declared {
    /// Whether members of a tenant have the role.
    const OF_MEMBERS: bool;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: DeclaredAs<R>>> Declared for R {
    const OF_MEMBERS: bool = <R::Kind as DeclaredAs<R>>::OF_MEMBERS;
}

/// The same by the kind that a role says it has.
pub trait DeclaredAs<R> {
    const OF_MEMBERS: bool;
}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<R>> DeclaredAs<R> for MemberRole {
    const OF_MEMBERS: bool = true;
}

#[diagnostic::do_not_recommend]
impl<T: Tenancy> DeclaredAs<System<T>> for JobRole {
    const OF_MEMBERS: bool = false;
}

/// Refuses, when code that uses the role is compiled, names that are not those of the declaration.
///
/// A tenancy that is implemented by hand could give its roles any name, such as that of the role that owns the tables.
pub(crate) const fn assert_names<R: Role>() {
    if !R::OF_MEMBERS {
        return;
    }
    let tenancy = <R::Tenancy as Tenancy>::DEF;
    assert!(tenancy.includes(R::NAME, R::NAME), "the tenancy declares no role of the name that the type says");
    let is_named = is_joined(R::DB_ROLE, tenancy.role_prefix, R::NAME);
    assert!(is_named, "the database role is the tenancy's prefix and the name of the role");
    let mut index = 0;
    while index < RESERVED_ROLES.len() {
        assert!(!same(R::NAME, RESERVED_ROLES[index]), "the generator makes a database role of this name itself");
        index += 1;
    }
}

/// Refuses what [`assert_names`] does, and the role of jobs, whose contexts come from `SystemDb` alone.
pub(super) const fn assert_of_members<R: Role>() {
    assert!(R::OF_MEMBERS, "a `TenantCtx` of the system role comes from `SystemDb`, once a reason was recorded");
    assert_names::<R>();
}

/// Refuses, when code that narrows a context is compiled, a role that the declaration does not include in the other.
pub(super) const fn assert_includes<R: Role, L: Role>() {
    let tenancy = <R::Tenancy as Tenancy>::DEF;
    assert!(tenancy.includes(R::NAME, L::NAME), "the tenancy does not declare that the one role includes the other");
}
