//! The traits of the declared commands, which the derive implements.

use super::{
    access::{CanRead, RoleOf},
    cmd,
    column_type::RowReader,
    declared::Declares,
    tenant_table::TenantTable,
    value::Values,
};
use crate::tenant::Role;

/// A table with a `select` role.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::table::Select, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// fn required_role<T: Select>() -> &'static str {
///     T::SelectRole::NAME
/// }
/// assert_eq!(required_role::<Project>(), "viewer");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role can read `{Self}`",
    label = "no `select` role",
    note = "add `select = \"…\"` to `#[tenant(…)]` on `{Self}`"
)]
pub trait Select: TenantTable + Declares<cmd::Read> {
    /// Minimum role required for SELECT.
    type SelectRole: Role + RoleOf<Self::Tenancy>;
    /// The roles required to read whole rows: the `select` role and the roles of columns.
    #[doc(hidden)]
    type RowNeeds;

    /// Reads a struct from a row with the declared columns, in declaration order.
    ///
    /// # Errors
    ///
    /// If a value does not have its column's type.
    #[doc(hidden)]
    fn from_row(row: &mut RowReader<'_>) -> sqlx::Result<Self>;
}

/// A table with an `insert` role.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::table::Insert, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// fn required_role<T: Insert>() -> &'static str {
///     T::InsertRole::NAME
/// }
/// assert_eq!(required_role::<Project>(), "member");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role can insert into `{Self}`",
    label = "no `insert` role",
    note = "add `insert = \"…\"` to `#[tenant(…)]` on `{Self}`",
    note = "rows of a membership table are changed by `add_member`, `change_role` and `remove_member`"
)]
pub trait Insert: Select + Declares<cmd::Insert> {
    /// Minimum role required for INSERT.
    type InsertRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
    /// A new row: the columns that neither the context nor the database sets.
    type New: Send + 'static;

    /// Writes the columns to the values.
    #[doc(hidden)]
    fn new_values(new: Self::New, values: &mut Values);
}

/// A table with an `update` role.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::table::Update, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// fn required_role<T: Update>() -> &'static str {
///     T::UpdateRole::NAME
/// }
/// assert_eq!(required_role::<Project>(), "member");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role can update `{Self}`",
    label = "no `update` role",
    note = "add `update = \"…\"` to `#[tenant(…)]` on `{Self}`",
    note = "rows of a membership table are changed by `add_member`, `change_role` and `remove_member`"
)]
pub trait Update: Select + Declares<cmd::Update> {
    /// Minimum role required for UPDATE.
    type UpdateRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
    /// The changes of a row; `None` leaves a column unchanged.
    type Changes: Send + 'static;

    /// Writes the columns to the values.
    #[doc(hidden)]
    fn changed_values(changes: Self::Changes, values: &mut Values);
}

/// A table with a `delete` role.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::table::Delete, roles::{Admin, Member, Viewer}};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, name: String }
/// fn required_role<T: Delete>() -> &'static str {
///     T::DeleteRole::NAME
/// }
/// assert_eq!(required_role::<Project>(), "admin");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role can delete from `{Self}`",
    label = "no `delete` role",
    note = "add `delete = \"…\"` to `#[tenant(…)]` on `{Self}`",
    note = "rows of a membership table are changed by `add_member`, `change_role` and `remove_member`"
)]
pub trait Delete: Select + Declares<cmd::Delete> {
    /// Minimum role required for DELETE.
    type DeleteRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
}

/// A table that keeps deleted rows, with a `restore` role.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::table::Restore, roles::{Admin, Member, Viewer}};
/// # use sqlx::types::chrono::{DateTime, Utc};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
/// fn required_role<T: Restore>() -> &'static str {
///     T::RestoreRole::NAME
/// }
/// assert_eq!(required_role::<Project>(), "admin");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role can read or restore deleted rows of `{Self}`",
    label = "no `restore` role",
    note = "add `restore = \"…\"` to `#[tenant(…)]` on `{Self}`, and `#[tenant(soft_delete)]` to a field for the time of the deletion"
)]
pub trait Restore: Select + Declares<cmd::Restore> {
    /// Minimum role required for reading and restoring deleted rows.
    type RestoreRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
}

/// A table that keeps deleted rows, with a `purge` role.
///
/// ```
/// # use tenant_runtime::{Role, prelude::*, repo::table::Purge, roles::{Admin, Member, Viewer}};
/// # use sqlx::types::chrono::{DateTime, Utc};
/// # use uuid::Uuid;
/// # #[derive(TenantTable)]
/// # #[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "member", purge = "admin")]
/// # struct Project { id: Uuid, organization_id: Uuid, #[tenant(soft_delete)] deleted_at: Option<DateTime<Utc>> }
/// fn required_role<T: Purge>() -> &'static str {
///     T::PurgeRole::NAME
/// }
/// assert_eq!(required_role::<Project>(), "admin");
/// ```
#[diagnostic::on_unimplemented(
    message = "no role can remove deleted rows of `{Self}`",
    label = "no `purge` role",
    note = "add `purge = \"…\"` to `#[tenant(…)]` on `{Self}`, and `#[tenant(soft_delete)]` to a field for the time of the deletion"
)]
pub trait Purge: Select + Declares<cmd::Purge> {
    /// Minimum role required for removing deleted rows.
    type PurgeRole: Role + RoleOf<Self::Tenancy> + CanRead<Self::SelectRole>;
}
