//! Who may do what, as bounds: each situation has its trait and the sentence that rustc prints.

use crate::tenant::{AtLeast, Role, Tenancy};

/// The commands, as types, so that messages can name them.
#[expect(non_camel_case_types, reason = "rustc prints these names in its messages, where they are verbs")]
pub mod cmd {
    /// Reading rows.
    #[derive(Debug)]
    pub enum read {}
    /// Inserting rows.
    #[derive(Debug)]
    pub enum insert {}
    /// Updating rows.
    #[derive(Debug)]
    pub enum update {}
    /// Deleting rows.
    #[derive(Debug)]
    pub enum delete {}
}

/// Holds when a context of this role may run a command on a table.
#[diagnostic::on_unimplemented(
    message = "a `{Self}` context may not {Cmd} `{T}`: it takes `{Needs}` or a role above it",
    label = "this context's role is `{Self}`",
    note = "which role may do what stands in `#[tenant(…)]` on `{T}`"
)]
pub trait May<Cmd, T, Needs> {}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<Needs>, Cmd, T, Needs> May<Cmd, T, Needs> for R {}

/// Holds when a role that writes a table also reads it, as PostgreSQL asks for WHERE, RETURNING and ON CONFLICT.
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` may write this table but not read it",
    label = "`{Self}` does not include the `select` role `{S}`",
    note = "name `{S}` or a role above it here, or a lower role in `select`"
)]
pub trait CanRead<S> {}

#[diagnostic::do_not_recommend]
impl<W: AtLeast<S>, S> CanRead<S> for W {}

/// Holds when a role belongs to a tenancy.
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` belongs to another tenancy than the table",
    label = "not a role of `{T}`",
    note = "the `select` role says to which tenancy the table belongs"
)]
pub trait RoleOf<T> {}

#[diagnostic::do_not_recommend]
impl<R: Role<Tenancy = T>, T: Tenancy> RoleOf<T> for R {}

/// Holds when a field's type is `Key`, the tenant key type of the tenancy `T`.
#[diagnostic::on_unimplemented(
    message = "the tenant column must be a `{Key}`, the tenant key of `{T}`, not `{Self}`",
    label = "this should be `{Key}`",
    note = "`org` in `#[tenant(…)]` names the field that holds the tenant's key"
)]
pub trait TenantKeyOf<T, Key> {}

impl<T, Key> TenantKeyOf<T, Key> for Key {}

/// Holds when a field's type can name a row by a key of type `Id`: the key's type itself or an `Option` of it.
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot refer to a table whose key is a `{Id}`",
    label = "this should be `{Id}` or `Option<{Id}>`",
    note = "`references` names the struct whose key the field holds"
)]
pub trait Names<Id> {}

impl<Id> Names<Id> for Id {}
impl<Id> Names<Id> for Option<Id> {}
