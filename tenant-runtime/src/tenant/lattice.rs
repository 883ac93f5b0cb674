//! The roles of a tenancy and their inclusions, as types that code outside this crate cannot extend.
//!
//! A trait that other code can implement guarantees nothing: an app could implement it for any type to claim that it is the role
//! `admin`, or that a viewer includes it. Only the impl of [`Tenancy`] for a type cannot exist twice. So `Tenancy::Roles` is the only
//! source, and the properties that a role type claims are looked up there.

use super::{AtLeast, JobRole, MemberRole, Role, System, Tenancy};
use crate::model::{
    compare::{is_joined, same},
    def::RESERVED_ROLES,
};

/// The first place of a list of types.
#[derive(Debug)]
pub enum First {}

/// The place after another one.
#[derive(Debug)]
pub struct Next<P>(std::marker::PhantomData<P>);

/// The type of a constant in each sealed trait; code outside this crate cannot name it.
#[derive(Debug)]
pub struct Seal;

/// The entry at a place of a type list `(A, (B, ()))`.
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

/// Implemented if two types are the same.
pub trait Is<T> {}

#[diagnostic::do_not_recommend]
impl<T> Is<T> for T {}

/// Implemented by the roles that their tenancy declares, and by the system role.
#[diagnostic::on_unimplemented(
    message = "the tenancy of `{Self}` does not declare this role",
    label = "not declared by `tenancy!`",
    note = "`tenancy!` declares the roles of a tenancy; `Role` cannot be implemented manually"
)]
pub trait Declared {
    /// Whether it is a role of tenant members.
    const OF_MEMBERS: bool;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: DeclaredAs<R>>> Declared for R {
    const OF_MEMBERS: bool = <R::Kind as DeclaredAs<R>>::OF_MEMBERS;
}

/// Implements [`Declared`] by the kind that a role claims.
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

/// Checks at compile time that the names of a role are those of the declaration.
///
/// A tenancy that is implemented manually could give its roles any name, such as that of the schema owner.
pub(crate) const fn assert_names<R: Role>() {
    if !R::OF_MEMBERS {
        return;
    }
    let tenancy = <R::Tenancy as Tenancy>::DEF;
    assert!(tenancy.includes(R::NAME, R::NAME), "the tenancy declares no role with the NAME of this type");
    let is_named = is_joined(R::DB_ROLE, tenancy.role_prefix, R::NAME);
    assert!(is_named, "DB_ROLE must be the role prefix of the tenancy followed by NAME");
    let mut index = 0;
    while index < RESERVED_ROLES.len() {
        assert!(
            !same(R::NAME, RESERVED_ROLES[index]),
            "this name is reserved for a database role that the generator creates"
        );
        index += 1;
    }
}

/// Checks at compile time what [`assert_names`] does, and that it is not the system role, whose contexts come from `SystemDb` only.
pub(super) const fn assert_of_members<R: Role>() {
    assert!(R::OF_MEMBERS, "a `TenantCtx` of the system role comes from `SystemDb` only, after a reason was recorded");
    assert_names::<R>();
}

/// Checks at compile time that the declaration includes the narrowed role in the other.
pub(super) const fn assert_includes<R: Role, L: Role>() {
    let tenancy = <R::Tenancy as Tenancy>::DEF;
    assert!(tenancy.includes(R::NAME, L::NAME), "the tenancy does not declare that the first role includes the second");
}
