//! Permission checks as trait bounds, with the compiler messages that they produce.
//!
//! The traits are sealed: an app cannot implement them to give a role more permissions than the declarations do.

use std::marker::PhantomData;

use super::{
    cmd,
    declared::{ByJobs, Declares, TenantRows},
};
use crate::tenant::{AtLeast, JobRole, MemberRole, Role, System, Tenancy, lattice::Seal};

/// Implemented if a context with this role can run a command on a table.
///
/// ```
/// use tenant_runtime::{Result, Role, prelude::*, repo::{access::{May, RoleOf}, cmd, table::Delete}};
///
/// async fn delete_all<T: Delete, R>(tx: &mut TenantTx<R>) -> Result<u64>
/// where
///     R: Role + RoleOf<T::Tenancy> + May<cmd::Delete, T, T::DeleteRole>,
/// {
///     T::delete_where(tx, Filter::all_rows()).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "this call on `{T}` requires role `{Needs}` or a role that includes it; this context has role `{Self}`",
    label = "this context's role is `{Self}`",
    note = "`#[tenant(…)]` on `{T}` declares the minimum role of each command"
)]
pub trait May<Cmd, T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: KindMay<R, Cmd, T, Needs>>, Cmd, T, Needs> May<Cmd, T, Needs> for R {
    const SEAL: Seal = Seal;
}

/// [`May`] by role kind: a member's role must include the declared role; `system(…)` must list the system role's command.
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

/// Implemented if `system(…)` on the table lists the command for the system role.
///
/// ```
/// use tenant_runtime::{Result, System, prelude::*, repo::{access::SystemMay, cmd, table::Select}};
///
/// async fn count<T: Select + SystemMay<cmd::Read>>(tx: &mut TenantTx<System<T::Tenancy>>) -> Result<u64> {
///     T::count(tx).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not allow this command for the system role",
    label = "not allowed for cross-tenant jobs",
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

/// Implemented for the tenant table if the system role can read it.
///
/// ```
/// use tenant_runtime::{Outcomes, Result, SystemCtx, TenantTable, repo::access::Tenants, roles::Organizations};
/// use uuid::Uuid;
///
/// async fn ping<O>(system: SystemCtx<Organizations>) -> Result<Outcomes<Organizations, ()>>
/// where
///     O: Tenants + TenantTable<Tenancy = Organizations, Id = Uuid>,
/// {
///     system.for_each_tenant::<O, _, _>(|tx| tx.commit()).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the table of tenants, or the system role cannot read it",
    label = "not a table of tenants that jobs can read",
    note = "on the table of tenants write `org = \"id\"` and `system(select)` in `#[tenant(…)]`"
)]
pub trait Tenants: SystemMay<cmd::Read> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<T: SystemMay<cmd::Read> + Declares<ByJobs<TenantRows>>> Tenants for T {
    const SEAL: Seal = Seal;
}

/// The required role of a column with `select = "none"`. No role includes it.
#[derive(Debug)]
pub enum NoRole {}

/// A list with one required role.
#[derive(Debug)]
pub struct OnlyRole<A>(PhantomData<A>);

/// A list of required roles: the roles in the list `T`, and `H`, the role of a column.
#[derive(Debug)]
pub struct RoleCons<T, H>(PhantomData<(T, H)>);

/// Implemented if a role includes every role in a list.
///
/// The list is nested to the left and each step removes one role, so that rustc also terminates on a misspelled role.
///
/// ```
/// use tenant_runtime::{repo::access::{OnlyRole, RoleCons, SatisfiesAll}, roles::{Admin, Member, Viewer}};
///
/// fn reads_salaries<R: SatisfiesAll<RoleCons<OnlyRole<Viewer>, Member>>>() {}
/// reads_salaries::<Admin>();
/// ```
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

/// Implemented if a context with this role can read all of `T`: it includes the roles of the table and its columns.
///
/// ```
/// use tenant_runtime::{Result, Role, ViewRepository, prelude::*, repo::access::{MayRead, RoleOf}};
///
/// async fn first<V: ViewRepository, R>(tx: &mut TenantTx<R>) -> Result<Option<V>>
/// where
///     R: Role + RoleOf<<V::Table as TenantTable>::Tenancy> + MayRead<V, V::Needs>,
/// {
///     V::list(tx).first().await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "reading every column of `{T}` requires a role that can read all of them; this context has role `{Self}`",
    label = "this context's role is `{Self}`",
    note = "fields with a `select` role in `#[tenant(…)]` require that role",
    note = "read the other columns through a `#[derive(TenantView)]` struct, which can also insert and update"
)]
pub trait MayRead<T, Needs> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Kind: KindReads<R, T, Needs>>, T, Needs> MayRead<T, Needs> for R {
    const SEAL: Seal = Seal;
}

/// [`MayRead`] by role kind.
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

/// Implemented if a context with this role can filter and sort by a column without a role, or with the role `Needs`.
///
/// ```
/// use tenant_runtime::{Result, Role, prelude::*, repo::{access::{May, MayUse, RoleOf}, cmd, table::Select}};
///
/// async fn count<T: Select, N, R>(tx: &mut TenantTx<R>, filter: Filter<T, N>) -> Result<u64>
/// where
///     R: Role + RoleOf<T::Tenancy> + May<cmd::Read, T, T::SelectRole> + MayUse<T, N>,
/// {
///     T::count(tx).filter(filter).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "filtering or sorting `{T}` by this column requires role `{Needs}`; this context has role `{Self}`",
    label = "requires role `{Needs}`",
    note = "the field has a `select` role; the rows found and their order would reveal its values",
    note = "`ParentReader<Project, Admin>` requires SELECT on `Project` and the role `Admin`"
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

/// Implemented if a context with this role can set a column without a role, or with the role `Needs`.
///
/// ```compile_fail
/// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", update = "member")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String, #[tenant(update = "admin")] budget: i64 }
/// async fn fund(tx: &mut TenantTx<Member>, id: Uuid) -> Result<Project> {
///     // requires role `Admin`; this context has role `Member`
///     Project::update(tx, id, ProjectChanges::default()).set(Project::BUDGET, 500).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "setting this column of `{T}` requires role `{Needs}` or a role that includes it; this context has role `{Self}`",
    label = "requires role `{Needs}`",
    note = "the field has an `insert` or `update` role"
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

/// The access of a column without explicit writes: the context or the database sets the column, or it never changes.
#[derive(Debug)]
pub enum NotSettable {}

/// Implemented if the role in `update` or `delete` includes the role in `update_own` or `delete_own`.
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTable, roles::*};
/// # use uuid::Uuid;
/// #[derive(TenantTable)] // `Member` does not include `Admin`
/// #[tenant(org = "organization_id", select = "viewer", insert = "member", owner = "author", update = "member", update_own = "admin")]
/// struct Note { id: Uuid, organization_id: Uuid, author: Uuid, text: String }
/// ```
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` can change any row but not the rows that the user owns",
    label = "`{Self}` does not include the role `{Own}`",
    note = "the role in `update` must include the one in `update_own`, and the role in `delete` the one in `delete_own`"
)]
pub trait WiderThan<Own> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: AtLeast<Own>, Own> WiderThan<Own> for R {
    const SEAL: Seal = Seal;
}

/// Implemented if a role that writes to a table can also read it: WHERE, RETURNING and ON CONFLICT require SELECT.
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
/// # use uuid::Uuid;
/// #[derive(TenantTable)]
/// #[tenant(org = "organization_id", select = "admin", insert = "viewer")] // `Viewer` cannot read this table
/// struct Feedback {
///     id: Uuid,
///     organization_id: Uuid,
///     text: String,
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` can write this table but cannot read it",
    label = "`{Self}` does not include the `select` role `{S}`",
    note = "replace `{Self}` by `{S}` or a role that includes `{S}`, or set `select` to a role that `{Self}` includes"
)]
pub trait CanRead<S> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<W: AtLeast<S>, S> CanRead<S> for W {
    const SEAL: Seal = Seal;
}

/// Implemented if a role belongs to a tenancy.
///
/// ```
/// use tenant_runtime::{Role, TenantTable, TenantTx, repo::access::RoleOf};
///
/// fn log_access<T: TenantTable, R: Role + RoleOf<T::Tenancy>>(_: &TenantTx<R>) {
///     println!("{} uses {}", R::NAME, T::TABLE_NAME);
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "the role `{Self}` does not belong to the tenancy of the table",
    label = "not a role of `{T}`",
    note = "the `select` role determines the tenancy of the table"
)]
pub trait RoleOf<T> {
    #[doc(hidden)]
    const SEAL: Seal;
}

#[diagnostic::do_not_recommend]
impl<R: Role<Tenancy = T>, T: Tenancy> RoleOf<T> for R {
    const SEAL: Seal = Seal;
}

/// Implemented if a field's type is `Key`, the tenant ID type of the tenancy `T`.
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTable, roles::*};
/// # use uuid::Uuid;
/// #[derive(TenantTable)] // the tenant column of `Organizations` is a `Uuid`
/// #[tenant(org = "organization_id", select = "viewer")]
/// struct Note { id: Uuid, organization_id: i64, text: String }
/// ```
#[diagnostic::on_unimplemented(
    message = "the tenant column must have type `{Key}`, the tenant ID type of `{T}`, not `{Self}`",
    label = "expected `{Key}`",
    note = "`org` in `#[tenant(…)]` names the field that holds the tenant ID"
)]
pub trait TenantKeyOf<T, Key> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<T, Key> TenantKeyOf<T, Key> for Key {
    const SEAL: Seal = Seal;
}

/// Implemented if a field's type is `Key`, the user ID type of the tenancy `T`.
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTable, roles::*};
/// # use uuid::Uuid;
/// #[derive(TenantTable)] // a user ID of `Organizations` is a `Uuid`
/// #[tenant(org = "organization_id", select = "viewer", insert = "member", owner = "author")]
/// struct Note { id: Uuid, organization_id: Uuid, author: i64, text: String }
/// ```
#[diagnostic::on_unimplemented(
    message = "a column with a user ID must have type `{Key}`, the user ID type of `{T}`, not `{Self}`",
    label = "expected `{Key}`",
    note = "`owner` and `membership(user = …)` in `#[tenant(…)]` name the field that holds a user ID"
)]
pub trait UserKeyOf<T, Key> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<T, Key> UserKeyOf<T, Key> for Key {
    const SEAL: Seal = Seal;
}

/// Implemented if a field's type can reference a row with a key of type `Id`: the type is `Id` or an `Option` of it.
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTable, roles::*};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer")]
/// # struct Project { id: Uuid, organization_id: Uuid }
/// #[derive(TenantTable)] // the key of `Project` is a `Uuid`
/// #[tenant(org = "organization_id", select = "viewer")]
/// struct Task { id: Uuid, organization_id: Uuid, #[tenant(references = Project)] project_id: i64 }
/// ```
#[diagnostic::on_unimplemented(
    message = "a field of type `{Self}` cannot reference a table with primary key type `{Id}`",
    label = "expected `{Id}` or `Option<{Id}>`",
    note = "`references` names the struct whose primary key the field holds",
    note = "a key of several fields is referenced by `foreign_key(…)` on the struct"
)]
pub trait ReferencesKey<Id> {
    #[doc(hidden)]
    const SEAL: Seal;
}

impl<Id> ReferencesKey<Id> for Id {
    const SEAL: Seal = Seal;
}
impl<Id> ReferencesKey<Id> for Option<Id> {
    const SEAL: Seal = Seal;
}
