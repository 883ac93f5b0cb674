//! Names of the database objects that the generator creates in addition to the declared tables and roles.
//!
//! Code that creates, calls or recognizes such an object uses its constant, so that an object's name is defined in one
//! place.
//!
//! A policy is named after its command and its role: `select_viewer`, `update_own_member`, `insert_function_owner`. A
//! name of more than 63 bytes is cut to 54 bytes and followed by `_` and eight hexadecimal digits, the FNV-1a hash of
//! the whole name, as [`Ident::derived`] does for every derived name. So the shortened name is the same in every run,
//! and two long names that differ only at the end stay distinct.

use super::command::Command;
use crate::ident::{Ident, quoted};

/// Suffix of the schema that contains the functions: `app_auth` for the tables in `app`.
pub const AUTH_SCHEMA: &str = "auth";

/// Function that accepts an invitation.
pub const ACCEPT_INVITATION: &str = "accept_invitation";
/// Function that adds a member to the tenant in the context.
pub const ADD_MEMBER: &str = "add_member";
/// Function that returns the tenant ID in the context to the tenant's members, and NULL to other users.
pub const AUTHORIZED_TENANT_ID: &str = "authorized_tenant_id";
/// Function that records the reason for a cross-tenant job.
pub const BEGIN_SYSTEM_ACCESS: &str = "begin_system_access";
/// Function that changes the role of a member.
pub const CHANGE_MEMBER: &str = "change_member";
/// Function that creates a tenant.
pub const CREATE_TENANT: &str = "create_tenant";
/// Function that deletes old records of cross-tenant access.
pub const DELETE_SYSTEM_ACCESS: &str = "delete_system_access";
/// Function that creates an invitation.
pub const INVITE: &str = "invite";
/// Function that returns whether the transaction belongs to a cross-tenant job with a recorded reason.
pub const IS_SYSTEM_CONTEXT: &str = "is_system_context";
/// Function and trigger that write to the change log.
pub const LOG_CHANGE: &str = "log_change";
/// Function that lists the tenants of the user in the context.
pub const MY_TENANTS: &str = "my_tenants";
/// Column of [`MY_TENANTS`] with the tenant's key.
pub const MY_TENANTS_TENANT: &str = "tenant_id";
/// Column of [`MY_TENANTS`] with the user's role in that tenant.
pub const MY_TENANTS_ROLE: &str = "member_role";
/// Function and trigger that reject the removal of a tenant's last manager.
pub const PREVENT_LAST_MANAGER_REMOVAL: &str = "prevent_last_manager_removal";
/// Function that removes a member.
pub const REMOVE_MEMBER: &str = "remove_member";
/// First part of the name of a function and trigger that set a column to the time of the transaction: `touch_updated_at`.
pub const TOUCH: &str = "touch";
/// The same for a column without a time zone, in UTC. No name with one of the two begins with the other.
pub const UTC_TOUCH: &str = "utc_touch";
/// Last part of the name of a table with the last number of each tenant: `invoices_number_counter`.
pub const COUNTER: &str = "counter";
/// Columns of a [`COUNTER`] table: the tenant, and the last number that a row of the tenant got.
pub const COUNTER_TENANT: &str = "tenant_id";
/// See [`COUNTER_TENANT`].
pub const COUNTER_LAST: &str = "last";
/// First part of the name of a trigger that numbers rows, and of its function: `next_number`, `next_invoices_number`.
pub const NEXT: &str = "next";
/// Function that adds a user.
pub const SIGN_UP: &str = "sign_up";

/// Function that binds a login role to a tenant, a user and a role.
pub const BIND_LOGIN: &str = "bind_login";
/// Function that removes the binding of a login role.
pub const UNBIND_LOGIN: &str = "unbind_login";
/// Function that returns what a signature of the next context must include.
pub const CONTEXT_CHALLENGE: &str = "context_challenge";
/// Function that returns the tenant ID of a signed context, and NULL without one.
pub const CONTEXT_TENANT_ID: &str = "context_tenant_id";
/// Function that returns the role for which the server plans a statement.
pub const STATEMENT_ROLE: &str = "statement_role";
/// Function that returns the user ID of a signed context, and NULL without one.
pub const CONTEXT_USER_ID: &str = "context_user_id";
/// Function that returns whether the context of the transaction is signed.
pub const IS_CONTEXT_SIGNED: &str = "is_context_signed";
/// Function that sets a signed context.
pub const SET_CONTEXT: &str = "set_context";
/// Function that installs or replaces a key for signatures.
pub const SET_CONTEXT_KEY: &str = "set_context_key";
/// Function that ends the validity of a key for signatures.
pub const END_CONTEXT_KEY: &str = "end_context_key";
/// Sequence whose numbers are part of signatures, each for one use.
pub const CONTEXT_NUMBERS: &str = "context_numbers";
/// Table with the keys for signatures.
pub const CONTEXT_KEYS: &str = "context_keys";
/// Table with the logins that are bound to a tenant, a user and a role.
pub const BOUND_LOGINS: &str = "bound_logins";
/// The restrictive policy of a table whose policy [`TENANT_ISOLATION`] does not check the signature.
pub const SIGNED_CONTEXT: &str = "signed_context";

/// Table with the reasons of cross-tenant jobs.
pub const SYSTEM_ACCESS_LOG: &str = "system_access_log";

/// Last part of the setting that names the record of a cross-tenant job: `app.system_access`.
pub const SYSTEM_ACCESS_SETTING: &str = "system_access";

/// Last part of the setting that shows deleted rows to roles that can restore them: `app.deleted_rows`.
pub const DELETED_ROWS_SETTING: &str = "deleted_rows";
/// The value of this setting that shows them.
pub const DELETED_ROWS_SHOWN: &str = "shown";

/// Last part of the setting that holds the seal of a signed context: `app.context_seal`.
pub const SEAL_SETTING: &str = "context_seal";

/// Role that owns the schemas and tables. As for all roles here, the name is without the prefix.
pub const SCHEMA_OWNER: &str = "schema_owner";
/// Role that owns the functions.
pub const FUNCTION_OWNER: &str = "function_owner";
/// Role of a signed-in user without a tenant.
pub const NO_TENANT: &str = "no_tenant";
/// The app's login role. With a login role for each role, the login roles are also named `<role>_service`.
pub const SERVICE: &str = "service";
/// Role of cross-tenant jobs.
pub const SYSTEM: &str = "system";
/// Login role of cross-tenant jobs.
pub const JOBS: &str = "jobs";

/// The roles that the generator creates or reserves in every tenancy: a declared role cannot have one of these names.
pub const RESERVED_ROLES: [&str; 6] = [SCHEMA_OWNER, SERVICE, FUNCTION_OWNER, NO_TENANT, SYSTEM, JOBS];

/// The restrictive policy of each tenant table.
pub const TENANT_ISOLATION: &str = "tenant_isolation";

/// First part of a role name that would give two policies of a table the same name: `update_own_admin` is the policy
/// for `update_own = "admin"` and would also be the policy for `update = "own_admin"`.
pub const OWN: &str = "own";

/// Returns the schema that contains a tenancy's functions, from the tenancy's schema.
#[must_use]
pub fn auth_schema(schema: &str) -> Ident {
    Ident::derived([schema, AUTH_SCHEMA])
}

/// Returns the qualified and quoted name of a function, or of another object in the schema of the functions.
#[must_use]
pub fn auth_object(schema: &str, name: &str) -> String {
    format!("{}.{}", auth_schema(schema).quoted(), quoted(name))
}

/// First part of the names of the policies for deleting rows that are kept: `soft_delete_admin`, `soft_delete_own_member`.
pub const SOFT_DELETE: &str = "soft_delete";
/// First part of the name of the policy for reading deleted rows.
pub const READ_DELETED: &str = "read_deleted";
/// First part of the name of the policy for restoring deleted rows.
pub const RESTORE: &str = "restore";
/// First part of the name of the policy for removing deleted rows.
pub const PURGE: &str = "purge";

/// Returns the name of the policy that allows a role to run a command on any row or on the user's own rows.
///
/// `role` is the declared name, [`FUNCTION_OWNER`] or [`SYSTEM`].
#[must_use]
pub fn command_policy(command: Command, own: bool, role: &str) -> Ident {
    match own {
        true => Ident::derived([command.attribute(), OWN, role]),
        false => Ident::derived([command.attribute(), role]),
    }
}
