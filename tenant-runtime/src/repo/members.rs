//! Members: who belongs to a tenant and as what, changed by functions of the database that judge the caller.

use futures_core::future::BoxFuture;
use sqlx::{Row as _, postgres::PgRow};

use super::{
    access::{CanRead, May, RoleOf, cmd},
    declared::{Declares, Founding, SigningUp},
    derive_support::Labelled,
    executor::{Opened, TenantExecutor},
    statement::call,
    table::{Select, TenantTable},
    value::Values,
};
use crate::{
    error::{Attempt, Error, Result},
    model::names,
    tenant::{ContextKey, Role, Tenancy},
};

/// A table that says who is a member of a tenant. Implemented by `#[derive(TenantTable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not say who is a member of a tenant",
    label = "not a membership table",
    note = "add `membership(user = \"…\", role = \"…\")` to `#[tenant(…)]` on `{Self}`, or name the struct that has it"
)]
pub trait Membership: Select {
    /// The enum of the column that says what a member is; its labels are names of roles.
    type MemberRole: Labelled + Send + 'static;
}

/// A membership table whose members some role manages. Implemented by `#[derive(TenantTable)]`.
#[diagnostic::on_unimplemented(
    message = "nobody may manage the members in `{Self}`",
    label = "no role may add, change or remove members",
    note = "add `membership(user = \"…\", role = \"…\")` to `#[tenant(…)]` on the struct that says who is a member, and \
            name there one role in `insert`, `update` and `delete`"
)]
pub trait ManagedMembership: Membership + Declares<cmd::Manage> {
    /// The least role that may manage members.
    type ManageRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
}

/// The table of the tenants, where a user may found one. Implemented by `#[derive(TenantTable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a visitor may found",
    label = "nobody can found one",
    note = "add `creator_role = \"…\"` to `#[tenant(…)]` on the table of the tenants, with the role that the creator_role gets"
)]
pub trait CreateTenant: TenantTable + Declares<Founding> {
    /// A tenant to found: the columns that the database does not fill in.
    type New: Send + 'static;

    /// Hands over the columns to write.
    #[doc(hidden)]
    fn create_tenant_values(new: Self::New, values: &mut Values);
}

/// The table of the users, where a visitor may become one. Implemented by `#[derive(TenantTable)]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is nothing that a visitor may become",
    label = "nobody can sign up as one",
    note = "add `sign_up` to `#[tenant(…)]` on the table of the users"
)]
pub trait SignUp: TenantTable + Declares<SigningUp> {
    /// A user to add: the columns that the database does not fill in.
    type New: Send + 'static;

    /// Hands over the columns to write.
    #[doc(hidden)]
    fn sign_up_values(new: Self::New, values: &mut Values);
}

/// A user's key in a table's tenancy.
type UserIn<T> = <<T as TenantTable>::Tenancy as Tenancy>::User;

/// What can be done with members; on every struct whose declaration says `membership(…)`.
///
/// The database decides: the user in the context must be a member whose role there includes the one that manages
/// members, and nobody gives, changes or removes a role above the own one. A change takes effect at once: a context of
/// somebody who was removed sees no rows from its next statement on.
///
/// ```compile_fail
/// # use tenant_runtime::{Members, TenantTx, Result, repo::{access::RoleOf, members::ManagedMembership}, roles::*};
/// # async fn f<OrgMember>(mut tx: TenantTx<Viewer>, user: uuid::Uuid) -> Result<()>
/// # where OrgMember: ManagedMembership<Tenancy = Organizations, ManageRole = Admin> {
/// OrgMember::remove_member(&mut tx, user).await?; // a `Viewer` context may not manage `OrgMember`: it takes `Admin`
/// # Ok(()) }
/// ```
pub trait Members: TenantTable {
    /// Makes a user a member of the context's tenant.
    ///
    /// # Errors
    ///
    /// [`Error::UniqueViolation`] where the user is one already, [`Error::ForeignKeyViolation`] where there is no such user,
    /// [`Error::Forbidden`] where the role is above the own one or the database knows the caller as a lesser member than
    /// the context says; [`Error::Database`], and on a scope those of beginning a transaction.
    fn add_member<'h, H>(handle: H, user: UserIn<Self>, role: Self::MemberRole) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Manage, Self, Self::ManageRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(add::<Self, H>(handle, user, role))
    }

    /// Gives a member of the context's tenant another role.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] where the user is no member, [`Error::LastManager`] where nobody would be left who manages
    /// members; else as [`add_member`](Self::add_member).
    fn change_role<'h, H>(handle: H, user: UserIn<Self>, role: Self::MemberRole) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Manage, Self, Self::ManageRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(change::<Self, H>(handle, user, role))
    }

    /// Ends a user's membership in the context's tenant.
    ///
    /// # Errors
    ///
    /// [`Error::ForeignKeyViolation`] where rows name the member that may not lose theirs; else as
    /// [`change_role`](Self::change_role).
    fn remove_member<'h, H>(handle: H, user: UserIn<Self>) -> BoxFuture<'h, Result<()>>
    where
        Self: ManagedMembership,
        H: TenantExecutor + 'h,
        H::Role: May<cmd::Manage, Self, Self::ManageRole> + RoleOf<Self::Tenancy>,
    {
        Box::pin(remove::<Self, H>(handle, user))
    }

    /// Ends the membership of the context's own user, which every member may.
    ///
    /// # Errors
    ///
    /// [`Error::NoUser`] where the context has none; else as [`remove_member`](Self::remove_member).
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
    let mut opened = handle.open().await?;
    run::<T, _>(&mut opened, names::ADD_MEMBER, with_role(user, &role), "add a member to").await?;
    opened.finish(true).await
}

async fn change<T: ManagedMembership, H: TenantExecutor>(
    handle: H,
    user: UserIn<T>,
    role: T::MemberRole,
) -> Result<()> {
    let mut opened = handle.open().await?;
    found::<T>(&run::<T, _>(&mut opened, names::CHANGE_MEMBER, with_role(user, &role), "change a member in").await?)?;
    opened.finish(true).await
}

async fn remove<T: ManagedMembership, H: TenantExecutor>(handle: H, user: UserIn<T>) -> Result<()> {
    let mut opened = handle.open().await?;
    take_out::<T, _>(&mut opened, user).await?;
    opened.finish(true).await
}

async fn leave<T, H>(handle: H) -> Result<()>
where
    T: ManagedMembership,
    H: TenantExecutor,
    H::Role: Role<Tenancy = T::Tenancy>,
{
    let mut opened = handle.open().await?;
    let user =
        opened.tx().ctx().user_id().cloned().ok_or_else(|| Error::NoUser { table: T::TABLE_NAME.to_string() })?;
    take_out::<T, _>(&mut opened, user).await?;
    opened.finish(true).await
}

async fn take_out<T: ManagedMembership, O: Opened>(opened: &mut O, user: UserIn<T>) -> Result<()> {
    let mut values = Values::default();
    values.bind(user);
    found::<T>(&run::<T, _>(opened, names::REMOVE_MEMBER, values, "remove a member from").await?)
}

fn with_role<K: ContextKey, L: Labelled>(user: K, role: &L) -> Values {
    let mut values = Values::default();
    values.bind(user);
    values.bind(role.label());
    values
}

/// Calls a function, which answers with one row.
async fn run<T: Membership, O: Opened>(
    opened: &mut O,
    function: &str,
    values: Values,
    command: &'static str,
) -> Result<PgRow> {
    let query = call(T::TABLE.tenancy, function, values).into_query()?;
    let attempt = Attempt { table: T::TABLE_NAME, command, role: O::Role::DB_ROLE };
    let row = opened.tx().trusted().fetch_optional(query).await.map_err(|error| attempt.error(error))?;
    Ok(row.ok_or(sqlx::Error::RowNotFound)?)
}

/// Reads the function's answer: whether there was such a member.
fn found<T: Membership>(row: &PgRow) -> Result<()> {
    if row.try_get(0)? { Ok(()) } else { Err(Error::NotFound { table: T::TABLE_NAME.to_string() }) }
}
