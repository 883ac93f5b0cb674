//! Why the database forbade something, in the words of the declaration: which role it takes, or that a policy refuses the row.

use std::fmt;

use super::server_error;
use crate::{
    model::{def::TableDef, names},
    registry::Registered,
};

const NOT_EVERY_COLUMN: &str = ": it may, but not with every column that the statement names";

/// What follows on "may not … the table".
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
                ": a policy refuses this row, which would be another tenant's or another user's, or not keep a condition",
            );
        }
        let mut tables = inventory::iter::<Registered>().map(|registered| registered.0);
        let def = tables.find(|def| def.name.to_string() == self.table);
        let (Some(def), Some((attribute, any, own))) = (def, def.and_then(|def| needed(def, self.command))) else {
            return f.write_str(", or not this row; `#[tenant(…)]` on its struct says who may");
        };
        if self.is_system(def) && !def.system.contains(&attribute) {
            return write!(f, ": `system(…)` on `{}` does not name `{attribute}`", def.rust_name);
        }
        match (any, own) {
            _ if self.is_system(def) => f.write_str(NOT_EVERY_COLUMN),
            (None, None) => write!(f, ": nobody may, since `{}` names no role for `{attribute}`", def.rust_name),
            (Some(role), _) | (None, Some(role)) if self.acts_as(def, role) => f.write_str(NOT_EVERY_COLUMN),
            (Some(any), None) => write!(f, ": `{attribute}` takes `{any}` or a role above it"),
            (None, Some(own)) => write!(f, ": `{attribute}_own` takes `{own}` or a role above it"),
            (Some(any), Some(own)) => {
                write!(f, ": `{attribute}` takes `{any}` or a role above it, and of one's own rows `{own}`")
            }
        }
    }
}

impl ForbiddenReason<'_> {
    /// Says whether the role that was refused is the one of jobs.
    fn is_system(&self, def: &TableDef) -> bool {
        self.role.and_then(|role| role.strip_prefix(def.tenancy.role_prefix)) == Some(names::SYSTEM)
    }

    /// Says whether the role that was refused includes another one.
    fn acts_as(&self, def: &TableDef, needed: &str) -> bool {
        let acting = self.role.and_then(|role| role.strip_prefix(def.tenancy.role_prefix));
        acting.is_some_and(|acting| def.tenancy.includes(acting, needed))
    }
}

/// The attribute of a command, and the roles that it names for any row and for one's own.
fn needed(def: &TableDef, command: &str) -> Option<(&'static str, Option<&'static str>, Option<&'static str>)> {
    match command.split(' ').next()? {
        "read" => Some(("select", def.select, None)),
        "insert" => Some(("insert", def.insert, None)),
        "update" => Some(("update", def.update, def.update_own)),
        "delete" => Some(("delete", def.delete, def.delete_own)),
        _ => None,
    }
}
