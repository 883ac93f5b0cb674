//! Members: adding, changing and removing them through database functions that check the caller.

use futures_core::future::BoxFuture;
use sqlx::Row as _;

use super::{
    access::{CanRead, May, RoleOf},
    cmd,
    declared::{CreatesTenant, Declares, SignsUp},
    derive_support::Labelled,
    executor::TenantExecutor,
    function_statement::call,
    table::Select,
    tenant_table::TenantTable,
    value::Values,
};
use crate::{
    db::{Answer, Call},
    error::{Attempt, Error, Result},
    model::names,
    tenant::{ContextKey, Role, Tenancy},
};

/// A membership table. Implemented by `#[derive(TenantTable)]`.
///
/// ```
/// # use tenant_runtime::{prelude::*, repo::members::Membership, roles::{Admin, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantEnum)]
/// # enum MemberRole { Viewer, Member, Admin }
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
/// # #[tenant(membership(user = "user_id", role = "role"))]
/// # struct OrgMember { #[tenant(id)] organization_id: Uuid, #[tenant(id)] user_id: Uuid, role: MemberRole }
/// fn default_role() -> <OrgMember as Membership>::MemberRole {
///     MemberRole::Viewer
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a membership table",
    label = "not a membership table",
    note = "add `membership(user = \"…\", role = \"…\")` to `#[tenant(…)]` on `{Self}`, or use the struct that has it"
)]
pub trait Membership: Select {
    /// The enum of the role column; its labels are role names.
    type MemberRole: Labelled + Send + 'static;
}

/// A membership table with a role that manages members. Implemented by `#[derive(TenantTable)]`.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::members::ManagedMembership, roles::{Admin, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantEnum)]
/// # enum MemberRole { Viewer, Member, Admin }
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
/// # #[tenant(membership(user = "user_id", role = "role"))]
/// # struct OrgMember { #[tenant(id)] organization_id: Uuid, #[tenant(id)] user_id: Uuid, role: MemberRole }
/// assert_eq!(<OrgMember as ManagedMembership>::ManageRole::NAME, "admin");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role manages the members in `{Self}`",
    label = "no role can add, change or remove members",
    note = "add `membership(user = \"…\", role = \"…\")` to `#[tenant(…)]` on the membership table, and \
            set `insert`, `update` and `delete` on that table to one role"
)]
pub trait ManagedMembership: Membership + Declares<cmd::Manage> {
    /// Minimum role required to manage members.
    type ManageRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
}

/// The tenant table, if users can create tenants. Implemented by `#[derive(TenantTable)]`.
///
/// ```
/// # use tenant_runtime::{Result, UserScope, prelude::*, repo::members::CreateTenant, roles::{Admin, Organizations, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "id", select = "viewer", creator_role = "admin")]
/// # struct Organization { id: Uuid, name: String }
/// async fn create(scope: UserScope<Organizations>, name: String) -> Result<Uuid> {
///     scope.create_tenant::<Organization>(NewOrganization { name }).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "users cannot create `{Self}` rows",
    label = "not a table of tenants that users can create",
    note = "add `creator_role = \"…\"` to `#[tenant(…)]` on the table of tenants, with the role that the creator gets"
)]
pub trait CreateTenant: TenantTable + Declares<CreatesTenant> {
    /// A new tenant: the columns without a default.
    type New: Send + 'static;

    /// Writes the columns to the values.
    #[doc(hidden)]
    fn create_tenant_values(new: Self::New, values: &mut Values);
}

/// The user table, if users can sign up. Implemented by `#[derive(TenantTable)]`.
///
/// ```
/// # use tenant_runtime::{Result, UserScope, prelude::*, repo::members::SignUp, roles::{Organizations, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(global, select = "viewer", sign_up)]
/// # struct User { id: Uuid, email: String }
/// async fn register(scope: UserScope<Organizations>, email: String) -> Result<Uuid> {
///     scope.sign_up::<User>(NewUser { email }).await
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "users cannot sign up for `{Self}`",
    label = "not a table of users that can sign up",
    note = "add `sign_up` to `#[tenant(…)]` on the table of users"
)]
pub trait SignUp: TenantTable + Declares<SignsUp> {
    /// A new user: the columns without a default.
    type New: Send + 'static;

    /// Writes the columns to the values.
    #[doc(hidden)]
    fn sign_up_values(new: Self::New, values: &mut Values);
}

/// The user ID type of a table's tenancy.
type UserIn<T> = <<T as TenantTable>::Tenancy as Tenancy>::User;

/// Methods to manage members; implemented for every struct with `membership(…)`.
///
/// The database checks the caller: the user in the context must be a member whose role includes the role that manages
/// members, and cannot grant, change or remove a role that the caller's role does not include. Once committed, a change
/// applies from the next statement on: the context of a removed member then sees no rows of the tenant. An open
/// `REPEATABLE READ` or `SERIALIZABLE` transaction still sees these rows until the transaction ends.
///
/// ```compile_fail
/// # use tenant_runtime::{Members, TenantTx, Result, repo::{access::RoleOf, members::ManagedMembership}, roles::*};
/// # async fn f<OrgMember>(mut tx: TenantTx<Viewer>, user: uuid::Uuid) -> Result<()>
/// # where OrgMember: ManagedMembership<Tenancy = Organizations, ManageRole = Admin> {
/// OrgMember::remove_member(&mut tx, user).await?; // requires role `Admin`; this context has role `Viewer`
/// # Ok(()) }
/// ```
pub trait Members: TenantTable {
    /// Adds a user as a member of the context's tenant.
    ///
    /// If an invitation table is declared, the user must already be a member of a tenant in which the user of the context
    /// can manage members. Other users have to accept an [invitation](super::invitations::Invitations::invite): members see
    /// each other's data, so adding a user whose key is known would otherwise show a stranger's data.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantEnum)]
    /// # enum MemberRole { Viewer, Member, Admin }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
    /// # #[tenant(membership(user = "user_id", role = "role"))]
    /// # struct OrgMember { #[tenant(id)] organization_id: Uuid, #[tenant(id)] user_id: Uuid, role: MemberRole }
    /// # async fn f(tx: &mut TenantTx<Admin>, user: Uuid) -> Result<()> {
    /// match OrgMember::add_member(&mut *tx, user, MemberRole::Member).await {
    ///     Err(Error::UniqueViolation { .. }) => println!("already a member"),
    ///     Err(Error::ConsentRequired { .. }) => println!("invite the user"),
    ///     added => added?,
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::UniqueViolation`] if the user is already a member.
    /// - [`Error::ConsentRequired`] if an invitation table is declared and the user is not a member of a tenant in which the
    ///   user of the context can manage members, or does not exist.
    /// - [`Error::ForeignKeyViolation`] if there is no such user and no invitation table.
    /// - [`Error::Forbidden`] if the user of the context is not, or no longer, a member with a role that manages
    ///   members, or that role does not include the new member's role.
    /// - [`Error::NotMigrated`], [`Error::Aborted`], [`Error::TimedOut`], [`Error::Retryable`] or [`Error::Database`] as for
    ///   [`Repository::find`](super::methods::Repository::find).
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin) and
    ///   [`TenantTx::commit`](crate::TenantTx::commit).
    fn add_member<'h, H>(handle: H, user: UserIn<Self>, role: Self::MemberRole) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Manage, Self, Self::ManageRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(add::<Self, H>(handle, user, role))
    }

    /// Changes the role of a member of the context's tenant.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantEnum)]
    /// # enum MemberRole { Viewer, Member, Admin }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
    /// # #[tenant(membership(user = "user_id", role = "role"))]
    /// # struct OrgMember { #[tenant(id)] organization_id: Uuid, #[tenant(id)] user_id: Uuid, role: MemberRole }
    /// # async fn f(tx: &mut TenantTx<Admin>, user: Uuid) -> Result<()> {
    /// match OrgMember::change_role(&mut *tx, user, MemberRole::Viewer).await {
    ///     Err(Error::LastManager) => println!("make another member an admin first"),
    ///     changed => changed?,
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NotFound`] if the user is not a member.
    /// - [`Error::LastManager`] if no member who can manage members would remain.
    /// - [`Error::Forbidden`] if the user of the context is not, or no longer, a member with a role that manages
    ///   members, or that role does not include the old and the new role.
    /// - [`Error::NotMigrated`], [`Error::Aborted`], [`Error::TimedOut`], [`Error::Retryable`] or [`Error::Database`] as for
    ///   [`Repository::find`](super::methods::Repository::find).
    /// - On a scope, also the errors of [`TenantDb::begin`](crate::TenantDb::begin) and
    ///   [`TenantTx::commit`](crate::TenantTx::commit).
    fn change_role<'h, H>(handle: H, user: UserIn<Self>, role: Self::MemberRole) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Manage, Self, Self::ManageRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(change::<Self, H>(handle, user, role))
    }

    /// Removes a user from the members of the context's tenant.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantEnum)]
    /// # enum MemberRole { Viewer, Member, Admin }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
    /// # #[tenant(membership(user = "user_id", role = "role"))]
    /// # struct OrgMember { #[tenant(id)] organization_id: Uuid, #[tenant(id)] user_id: Uuid, role: MemberRole }
    /// # async fn f(tx: &mut TenantTx<Admin>, user: Uuid) -> Result<()> {
    /// OrgMember::remove_member(&mut *tx, user).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::ForeignKeyViolation`] if rows still reference the member.
    /// - [`Error::NotFound`], [`Error::LastManager`], [`Error::Forbidden`] and the other errors of
    ///   [`change_role`](Self::change_role).
    fn remove_member<'h, H>(handle: H, user: UserIn<Self>) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Manage, Self, Self::ManageRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(remove::<Self, H>(handle, user))
    }

    /// Removes the context's user from the members of the tenant; every member can do this.
    ///
    /// ```
    /// # use tenant_runtime::{Result, prelude::*, roles::{Admin, Viewer}};
    /// # use uuid::Uuid;
    /// # #[derive(TenantEnum)]
    /// # enum MemberRole { Viewer, Member, Admin }
    /// # #[derive(TenantTable)]
    /// # #[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
    /// # #[tenant(membership(user = "user_id", role = "role"))]
    /// # struct OrgMember { #[tenant(id)] organization_id: Uuid, #[tenant(id)] user_id: Uuid, role: MemberRole }
    /// # async fn f(db: TenantDb, ctx: TenantCtx<Viewer>) -> Result<()> {
    /// OrgMember::leave(&db.scope(&ctx)).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::NoUser`] if the context has no user.
    /// - [`Error::Forbidden`] if the user is not, or no longer, a member.
    /// - [`Error::LastManager`] if no member who can manage members would remain.
    /// - [`Error::ForeignKeyViolation`] if rows still reference the member.
    /// - The other errors of [`add_member`](Self::add_member).
    fn leave<'h, H>(handle: H) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: Role<Tenancy = Self::Tenancy>,
    {
        Box::pin(leave::<Self, H>(handle))
    }
}

impl<T: TenantTable> Members for T {}

async fn add<T: ManagedMembership, H: TenantExecutor>(handle: H, user: UserIn<T>, role: T::MemberRole) -> Result<()> {
    let call = function::<T, H>(names::ADD_MEMBER, with_role(user, &role), "add a member to");
    handle.call(call, |answer| answer.one().map(|_| ()).map_err(Error::from)).await
}

async fn change<T: ManagedMembership, H: TenantExecutor>(
    handle: H,
    user: UserIn<T>,
    role: T::MemberRole,
) -> Result<()> {
    let call = function::<T, H>(names::CHANGE_MEMBER, with_role(user, &role), "change a member in");
    handle.call(call, found::<T>).await
}

async fn remove<T: ManagedMembership, H: TenantExecutor>(handle: H, user: UserIn<T>) -> Result<()> {
    let mut values = Values::default();
    values.bind(user);
    let call = function::<T, H>(names::REMOVE_MEMBER, values, "remove a member from");
    handle.call(call, found::<T>).await
}

async fn leave<T, H>(handle: H) -> Result<()>
where
    T: ManagedMembership,
    H: TenantExecutor,
    H::Role: Role<Tenancy = T::Tenancy>,
{
    let user = handle.ctx().user_id().cloned().ok_or_else(|| Error::NoUser { table: T::TABLE_NAME.to_string() })?;
    remove::<T, H>(handle, user).await
}

fn with_role<K: ContextKey, L: Labelled>(user: K, role: &L) -> Values {
    let mut values = Values::default();
    values.bind(user);
    values.bind_label(role.label());
    values
}

/// Returns the call of a function that changes a member.
fn function<T: Membership, H: TenantExecutor>(name: &str, values: Values, command: &'static str) -> Call {
    let attempt = Attempt { table: T::TABLE_NAME, command, role: H::Role::DB_ROLE };
    call(T::TABLE.tenancy, name, None, values).writes(attempt)
}

fn found<T: Membership>(answer: &Answer) -> Result<()> {
    if answer.one()?.try_get(0)? { Ok(()) } else { Err(Error::NotFound { table: T::TABLE_NAME.to_string() }) }
}
