//! Who may do what, as bounds: each situation has its trait and the sentence that rustc prints.
//!
//! These traits are sealed. An app could otherwise say of a role that it may do more than the declarations say.

use std::marker::PhantomData;

use super::declared::{ByJobs, Declares, TenantRows};
use crate::tenant::{AtLeast, JobRole, MemberRole, Role, System, Tenancy, lattice::Seal};

/// The commands, as types, so that messages can name them.
pub mod cmd {
    /// Reading rows.
    #[derive(Debug)]
    pub enum Read {}
    /// Inserting rows.
    #[derive(Debug)]
    pub enum Insert {}
    /// UpdateBuilder rows.
    #[derive(Debug)]
    pub enum Update {}
    /// Deleting rows.
    #[derive(Debug)]
    pub enum Delete {}
    /// Adding, changing and removing members.
    #[derive(Debug)]
    pub enum Manage {}
    /// Asking somebody to become a member.
    #[derive(Debug)]
    pub enum Invite {}
}

/// Holds when a context of this role may run a command on a table.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not {Cmd} `{T}`: it takes `{Needs}` or a role above it",
    label = "this context's role is `{Self}`",
    note = "which role may do what stands in `#[tenant(…)]` on `{T}`"
)]
pub trait May<Cmd, T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: KindMay<R, Cmd, T, Needs>>, Cmd, T, Needs> May<Cmd, T, Needs> for R {
    const SEAL: Seal = Seal;
}

/// The same by the kind of the role: a member's includes the one that the table names, and that of jobs is what `system(…)` says.
#[doc(hidden)]
pub trait KindMay<R, Cmd, T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<Needs>, Cmd, T, Needs> KindMay<R, Cmd, T, Needs> for MemberRole {
    const SEAL: Seal = Seal;
}

#[diagnostic::do_not_recommend]
impl<N: Tenancy, Cmd, T: SystemMay<Cmd>, Needs> KindMay<System<N>, Cmd, T, Needs> for JobRole {
    const SEAL: Seal = Seal;
}

/// Holds when the system role may run a command on a table: when `system(…)` on it says so.
#[diagnostic::on_unimplemented(
    message = "the system role may not {Cmd} `{Self}`",
    label = "jobs may not do this",
    note = "add the command to `system(…)` in `#[tenant(…)]` on `{Self}`, such as `system(select, delete)`"
)]
pub trait SystemMay<Cmd> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<T: Declares<ByJobs<Cmd>>, Cmd> SystemMay<Cmd> for T {
    const SEAL: Seal = Seal;
}

/// Holds for the table whose rows are the tenants, where the system role may read it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the table of the tenants, or the system role may not read it",
    label = "its rows are no tenants that jobs know",
    note = "on the table of the tenants write `org = \"id\"` and `system(select)` in `#[tenant(…)]`"
)]
pub trait Tenants: SystemMay<cmd::Read> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<T: SystemMay<cmd::Read> + Declares<ByJobs<TenantRows>>> Tenants for T {
    const SEAL: Seal = Seal;
}

/// In place of a role: what a column takes that nobody may read. No role includes it.
#[derive(Debug)]
pub enum NoRole {}

/// What a row asks of its reader: one role.
#[derive(Debug)]
pub struct OnlyRole<A>(PhantomData<A>);

/// What a row asks of its reader: what `T` asks, and the role `H` for a column of its own.
#[derive(Debug)]
pub struct RoleCons<T, H>(PhantomData<(T, H)>);

/// Holds when a role includes every role of a list.
///
/// The list is nested to the left and each step takes one role off, so that rustc comes to an end on a misspelt role too.
pub trait SatisfiesAll<Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<A>, A> SatisfiesAll<OnlyRole<A>> for R {
    const SEAL: Seal = Seal;
}

#[diagnostic::do_not_recommend]
impl<R: SatisfiesAll<T> + AtLeast<H>, T, H> SatisfiesAll<RoleCons<T, H>> for R {
    const SEAL: Seal = Seal;
}

/// Holds when a context of this role may read all columns of `T`: the table's own role, and those that columns name.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not read every column of `{T}`",
    label = "this context's role is `{Self}`",
    note = "who may read what stands in `#[tenant(…)]` on the struct, and on fields that take a higher role",
    note = "read the others through a `#[derive(TenantView)]` struct, which inserts and updates as well"
)]
pub trait MayRead<T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: KindReads<R, T, Needs>>, T, Needs> MayRead<T, Needs> for R {
    const SEAL: Seal = Seal;
}

/// The same by the kind of the role.
#[doc(hidden)]
pub trait KindReads<R, T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: SatisfiesAll<Needs>, T, Needs> KindReads<R, T, Needs> for MemberRole {
    const SEAL: Seal = Seal;
}

#[diagnostic::do_not_recommend]
impl<N: Tenancy, T: SystemMay<cmd::Read>, Needs> KindReads<System<N>, T, Needs> for JobRole {
    const SEAL: Seal = Seal;
}

/// Holds when a context of this role may ask a table's rows for a column: one that takes no role of its own, or `Needs`.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not filter or order `{T}` by this: it takes `{Needs}` or a role above it",
    label = "this takes `{Needs}`",
    note = "the field has a `select` role of its own; what it holds would show in which rows are found, and in which order",
    note = "`ParentReader<Project, Admin>` is whoever may read `Project` and columns of it that take `Admin`"
)]
pub trait MayUse<T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<R, T> MayUse<T, ()> for R {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<R: AtLeast<Needs>, T, Needs: Role> MayUse<T, Needs> for R {
    const SEAL: Seal = Seal;
}

/// Holds when a context of this role may write a column: one that takes no role of its own, or `Needs`.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not write this column of `{T}`: it takes `{Needs}` or a role above it",
    label = "this column takes `{Needs}`",
    note = "the field has an `insert` or `update` role of its own"
)]
pub trait MaySet<T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<R, T> MaySet<T, ()> for R {
    const SEAL: Seal = Seal;
}
impl<R, T> MaySet<T, NotSettable> for R {
    const SEAL: Seal = Seal;
}
#[diagnostic::do_not_recommend]
impl<R: AtLeast<Needs>, T, Needs: Role> MaySet<T, Needs> for R {
    const SEAL: Seal = Seal;
}

/// Stands for nobody: the value comes from the context or the database, or stays as the row was inserted with it.
#[derive(Debug)]
pub enum NotSettable {}

/// Holds when a role that does something to any row includes the one that does it to rows of its own.
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` may do to any row what it may not do to its own",
    label = "`{Self}` does not include the role `{Own}`",
    note = "the role in `update` includes the one in `update_own`, and that in `delete` the one in `delete_own`"
)]
pub trait WiderThan<Own> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<Own>, Own> WiderThan<Own> for R {
    const SEAL: Seal = Seal;
}

/// Holds when a role that writes a table also reads it, as PostgreSQL asks for WHERE, RETURNING and ON CONFLICT.
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` may write this table but not read it",
    label = "`{Self}` does not include the `select` role `{S}`",
    note = "name `{S}` or a role above it here, or a lower role in `select`"
)]
pub trait CanRead<S> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<W: AtLeast<S>, S> CanRead<S> for W {
    const SEAL: Seal = Seal;
}

/// Holds when a role belongs to a tenancy.
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` belongs to another tenancy than the table",
    label = "not a role of `{T}`",
    note = "the `select` role says to which tenancy the table belongs"
)]
pub trait RoleOf<T> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Tenancy = T>, T: Tenancy> RoleOf<T> for R {
    const SEAL: Seal = Seal;
}

/// Holds when a field's type is `Key`, the tenant key type of the tenancy `T`.
#[diagnostic::on_unimplemented(
    message = "the tenant column must be a `{Key}`, the tenant key of `{T}`, not `{Self}`",
    label = "this should be `{Key}`",
    note = "`org` in `#[tenant(…)]` names the field that holds the tenant's key"
)]
pub trait TenantKeyOf<T, Key> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<T, Key> TenantKeyOf<T, Key> for Key {
    const SEAL: Seal = Seal;
}

/// Holds when a field's type is `Key`, the user key type of the tenancy `T`.
#[diagnostic::on_unimplemented(
    message = "the column that names a user must be a `{Key}`, the user key of `{T}`, not `{Self}`",
    label = "this should be `{Key}`",
    note = "`owner` and `membership(user = …)` in `#[tenant(…)]` name the field that holds a user's key"
)]
pub trait UserKeyOf<T, Key> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<T, Key> UserKeyOf<T, Key> for Key {
    const SEAL: Seal = Seal;
}

/// Holds when a field's type can name a row by a key of type `Id`: the key's type itself or an `Option` of it.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot refer to a table whose key is a `{Id}`",
    label = "this should be `{Id}` or `Option<{Id}>`",
    note = "`references` names the struct whose key the field holds"
)]
pub trait Names<Id> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<Id> Names<Id> for Id {
    const SEAL: Seal = Seal;
}
impl<Id> Names<Id> for Option<Id> {
    const SEAL: Seal = Seal;
}
