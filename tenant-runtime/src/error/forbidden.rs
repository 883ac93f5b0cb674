//! Reasons for permission errors, in terms of the declaration: the required role, or a policy that rejects the row.

use std::fmt;

use super::server::server_error;
use crate::{
    model::{def::TableDef, names},
    registry::Registered,
};

/// Displays the part of the message after "role … cannot … the table".
pub(super) struct ForbiddenReason<'e> {
    pub(super) table: &'e str,
    pub(super) command: &'e str,
    pub(super) role: Option<&'static str>,
    pub(super) source: &'e sqlx::Error,
}

impl fmt::Display for ForbiddenReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let message = server_error(self.source).map(|server| server.message()).unwrap_or_default();
        if message.contains("row-level security") {
            return f.write_str(
                ": a row-level security policy rejects this row: it belongs to another tenant or user, or violates a condition",
            );
        }
        let mut tables = inventory::iter::<Registered>().map(|registered| registered.0);
        let def = tables.find(|def| def.name.to_string() == self.table);
        let (Some(def), Some((attribute, any, own))) = (def, def.and_then(|def| required(def, self.command))) else {
            return f.write_str(": the privilege is missing, or a policy rejects the row; see `#[tenant(…)]` on the struct of the table");
        };
        if self.is_system(def) && !def.system.contains(&attribute) {
            return write!(f, ": `system(…)` on `{}` does not include `{attribute}`", def.rust_name);
        }
        match (any, own) {
            _ if self.is_system(def) => Self::missing_column_privilege(f, attribute),
            (None, None) => write!(
                f,
                ": `{}` declares no role for `{attribute}`, so the command is denied to every role",
                def.rust_name
            ),
            (Some(role), _) | (None, Some(role)) if self.includes(def, role) => {
                Self::missing_column_privilege(f, attribute)
            }
            (Some(any), None) => write!(f, ": `{attribute}` requires role `{any}` or a role that includes it"),
            (None, Some(own)) => write!(f, ": `{attribute}_own` requires role `{own}` or a role that includes it"),
            (Some(any), Some(own)) => {
                write!(
                    f,
                    ": `{attribute}` requires role `{any}` or a role that includes it; for rows that the user owns, role `{own}`"
                )
            }
        }
    }
}

impl ForbiddenReason<'_> {
    fn missing_column_privilege(f: &mut fmt::Formatter<'_>, attribute: &str) -> fmt::Result {
        write!(
            f,
            ": `{attribute}` in `#[tenant(…)]` allows the command, but the role lacks the privilege on a column that \
             the statement uses, or the database differs from the declaration"
        )
    }

    /// Returns whether the role is the system role.
    fn is_system(&self, def: &TableDef) -> bool {
        self.role.and_then(|role| role.strip_prefix(def.tenancy.role_prefix)) == Some(names::SYSTEM)
    }

    /// Returns whether the role includes the required role.
    fn includes(&self, def: &TableDef, required: &str) -> bool {
        let role = self.role.and_then(|role| role.strip_prefix(def.tenancy.role_prefix));
        role.is_some_and(|role| def.tenancy.includes(role, required))
    }
}

/// Displays the struct of the invitation table that belongs to a membership table.
pub(super) struct InvitationTable<'e>(pub(super) &'e str);

impl fmt::Display for InvitationTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tables = || inventory::iter::<Registered>().map(|registered| registered.0);
        let members = tables().find(|def| def.membership.is_some() && def.name.to_string() == self.0);
        let is_of =
            |def: &&TableDef| members.is_none_or(|members| members.tenancy.role_prefix == def.tenancy.role_prefix);
        let invitations = tables().filter(|def| def.invitation.is_some()).find(is_of);
        f.write_str(invitations.map_or("Invitation", |def| def.rust_name))
    }
}

/// Returns a command's attribute, and the roles that it requires for any row and for rows that the user
/// owns.
fn required(def: &TableDef, command: &str) -> Option<(&'static str, Option<&'static str>, Option<&'static str>)> {
    match command.split(' ').next()? {
        "read" => Some(("select", def.select, None)),
        "insert" => Some(("insert", def.insert, None)),
        "update" => Some(("update", def.update, def.update_own)),
        "delete" => Some(("delete", def.delete, def.delete_own)),
        "restore" => Some(("restore", def.soft_delete?.restore, None)),
        "purge" => Some(("purge", def.soft_delete?.purge, None)),
        _ => None,
    }
}
