//! Descriptions of schema objects and of their changes.

use std::fmt;

use super::object::{Membership, SchemaObject, index_word};
use crate::{ident::Ident, model::schema::Grant};

impl fmt::Display for SchemaObject {
    /// Writes the kind of the object and its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { role, .. } => write!(f, "role `{}`", role.name),
            Self::Membership(Membership { role, member, .. }) => write!(f, "membership of `{member}` in `{role}`"),
            Self::RequiredRoles { .. } => write!(f, "check of the externally managed roles"),
            Self::Timeouts { login, .. } => write!(f, "timeouts of `{login}`"),
            Self::Pgaudit { .. } => write!(f, "setting `pgaudit.log`"),
            Self::Database { login } => write!(f, "CONNECT on the database for `{login}`"),
            Self::ExtensionSchema { name, .. } => write!(f, "USAGE on the schema of extensions `{name}`"),
            Self::Extension { name, .. } => write!(f, "extension `{name}`"),
            Self::Schema { name, .. } => write!(f, "schema `{name}`"),
            Self::Defaults { creator, .. } => write!(f, "default privileges of `{creator}`"),
            Self::Usage { schema, role, .. } => write!(f, "USAGE on schema `{schema}` for `{role}`"),
            Self::Enum { name, .. } => write!(f, "enum type `{name}`"),
            Self::Sequence { name, .. } => write!(f, "sequence `{name}`"),
            Self::Function { name, .. } => write!(f, "function `{name}`"),
            Self::Execute { name, role, .. } => write!(f, "EXECUTE on function `{name}` for `{role}`"),
            Self::Table { name, .. } => write!(f, "table `{name}`"),
            Self::Comment { table, .. } => write!(f, "comment on `{table}`"),
            Self::Partitions { table, .. } => write!(f, "partitions of `{table}`"),
            Self::Column { table, column } => write!(f, "column `{table}.{}`", column.name),
            Self::Key { table, key, kind } => write!(f, "{} `{}` on `{table}`", kind.word(), key.name),
            Self::Index { table, index } => write!(f, "{} `{}` on `{table}`", index_word(index), index.name),
            Self::Check { table, check } => write!(f, "check constraint `{}` on `{table}`", check.name),
            Self::ForeignKey { table, key, .. } => write!(f, "foreign key `{}` on `{table}`", key.name),
            Self::Policy { table, policy } => write!(f, "policy `{}` on `{table}`", policy.name),
            Self::Trigger { table, trigger } => write!(f, "trigger `{}` on `{table}`", trigger.name),
            Self::Grant { table, grant } => write!(f, "{} on `{table}` for `{}`", privilege(grant), grant.role),
        }
    }
}

impl SchemaObject {
    /// Describes the addition of the object, verb first.
    pub(super) fn fmt_add(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Membership(Membership { role, member, inherits: true }) => write!(f, "grant `{role}` to `{member}`"),
            Self::Membership(Membership { role, member, .. }) => {
                write!(f, "grant `{role}` to `{member}` (SET ROLE, not inherited)")
            }
            Self::Timeouts { login, .. } => write!(f, "set timeouts of `{login}`"),
            Self::Pgaudit { classes } => write!(f, "set `pgaudit.log` to `{classes}`"),
            Self::Database { login } => {
                write!(f, "grant CONNECT on the database to `{login}` and revoke it from PUBLIC")
            }
            Self::Defaults { creator, .. } => {
                write!(f, "revoke default privileges of PUBLIC on objects that `{creator}` creates")
            }
            Self::ExtensionSchema { name, .. } => write!(f, "grant USAGE on the schema of extensions `{name}`"),
            Self::Usage { schema, role, .. } => write!(f, "grant USAGE on schema `{schema}` to `{role}`"),
            Self::Execute { name, role, .. } => write!(f, "grant EXECUTE on function `{name}` to `{role}`"),
            Self::Grant { table, grant } => write!(f, "grant {} on `{table}` to `{}`", privilege(grant), grant.role),
            object => write!(f, "add {object}"),
        }
    }

    /// Describes the removal of the object, verb first.
    pub(super) fn fmt_drop(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Membership(Membership { role, member, .. }) => write!(f, "revoke `{role}` from `{member}`"),
            Self::Timeouts { login, .. } => write!(f, "reset timeouts of `{login}`"),
            Self::Pgaudit { .. } => write!(f, "reset `pgaudit.log`"),
            Self::Database { login } => write!(f, "revoke CONNECT on the database from `{login}`"),
            Self::Defaults { creator, .. } => {
                write!(f, "restore default privileges of PUBLIC on objects that `{creator}` creates")
            }
            Self::ExtensionSchema { name, .. } => write!(f, "revoke USAGE on the schema of extensions `{name}`"),
            Self::Extension { name, .. } => write!(f, "remove the requirement of extension `{name}`"),
            Self::Usage { schema, role, .. } => write!(f, "revoke USAGE on schema `{schema}` from `{role}`"),
            Self::Execute { name, role, .. } => write!(f, "revoke EXECUTE on function `{name}` from `{role}`"),
            Self::Grant { table, grant } => {
                write!(f, "revoke {} on `{table}` from `{}`", privilege(grant), grant.role)
            }
            object => write!(f, "drop {object}"),
        }
    }
}

/// Writes the privilege of a grant, such as `SELECT (id, title)`.
fn privilege(grant: &Grant) -> String {
    let keyword = grant.command.keyword();
    match grant.columns.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ") {
        columns if columns.is_empty() => keyword.to_owned(),
        columns => format!("{keyword} ({columns})"),
    }
}
