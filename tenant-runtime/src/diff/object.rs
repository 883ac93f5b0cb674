//! The objects of a schema, one by one, so that two schemas can be compared.

use std::fmt;

use crate::{
    ident::Ident,
    model::{
        def::TimeoutsDef,
        schema::{
            Check, Column, Expression, ForeignKey, Function, Grant, Key, LogClasses, Policy, PolicyKind, QualifiedName,
            Role, Table, Trigger,
        },
    },
};

/// One object of a schema, with all of its properties.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaObject {
    /// A role, with the name of the product that its comment states. Its memberships are separate objects.
    Role {
        /// The role.
        role: Role,
        /// The product.
        product: String,
    },
    /// A role's membership in another.
    Membership(Membership),
    /// The requirement that roles which are created outside of the migrations exist as declared.
    RequiredRoles {
        /// The roles.
        roles: Vec<Role>,
    },
    /// The timeouts of a login role's sessions.
    Timeouts {
        /// The login role.
        login: Ident,
        /// The timeouts.
        timeouts: TimeoutsDef,
    },
    /// The classes of statements that pgaudit logs.
    Pgaudit {
        /// The classes.
        classes: LogClasses,
    },
    /// The privilege of a login role to connect to the database, which PUBLIC does not have.
    Database {
        /// The login role.
        login: Ident,
    },
    /// A schema.
    Schema {
        /// The name.
        name: Ident,
        /// The role that owns it.
        owner: Ident,
    },
    /// The default privileges of a role: none for PUBLIC on objects that the role creates later.
    Defaults {
        /// The role.
        creator: Ident,
        /// Whether the role creates types, as each table does.
        types: bool,
    },
    /// USAGE on a schema for a role.
    Usage {
        /// The schema.
        schema: Ident,
        /// The role that owns it.
        owner: Ident,
        /// The role with USAGE.
        role: Ident,
    },
    /// A function. EXECUTE is a separate object, except where the function is new.
    Function {
        /// The name.
        name: QualifiedName,
        /// The role that owns it.
        owner: Ident,
        /// The function.
        function: Function,
    },
    /// EXECUTE on a function for a role.
    Execute {
        /// The function.
        name: QualifiedName,
        /// The role that owns it.
        owner: Ident,
        /// The types of its arguments.
        arguments: Vec<Expression>,
        /// The role with EXECUTE.
        role: Ident,
    },
    /// A whole table.
    Table {
        /// The name.
        name: QualifiedName,
        /// The table.
        table: Box<Table>,
    },
    /// The comment on a table.
    Comment {
        /// The table.
        table: QualifiedName,
        /// The comment; empty for none.
        comment: String,
    },
    /// The hash partitions of a table.
    Partitions {
        /// The table.
        table: QualifiedName,
        /// Their number; none for a table without partitions.
        count: Option<u16>,
    },
    /// A column.
    Column {
        /// The table.
        table: QualifiedName,
        /// The column.
        column: Column,
    },
    /// A primary key, a unique constraint, or an index.
    Key {
        /// The table.
        table: QualifiedName,
        /// Which of the three.
        kind: KeyKind,
        /// The name and the columns.
        key: Key,
    },
    /// A CHECK constraint.
    Check {
        /// The table.
        table: QualifiedName,
        /// The check.
        check: Check,
    },
    /// A foreign key.
    ForeignKey {
        /// The table.
        table: QualifiedName,
        /// The foreign key.
        key: ForeignKey,
        /// The number of hash partitions of the table.
        partitions: Option<u16>,
    },
    /// A policy.
    Policy {
        /// The table.
        table: QualifiedName,
        /// The policy.
        policy: Policy,
    },
    /// A trigger.
    Trigger {
        /// The table.
        table: QualifiedName,
        /// The trigger.
        trigger: Trigger,
    },
    /// A privilege on a table.
    Grant {
        /// The table.
        table: QualifiedName,
        /// The grant, or some of its columns.
        grant: Grant,
    },
}

/// A role's membership in another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The role that the member belongs to.
    pub role: Ident,
    /// The member.
    pub member: Ident,
    /// Whether the member inherits the privileges of the role; otherwise it must `SET ROLE`.
    pub inherits: bool,
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// The primary key.
    Primary,
    /// A unique constraint.
    Unique,
    /// An index that is not unique.
    Index,
}

/// Identifies an object in both schemas.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    kind: &'static str,
    of: Vec<Ident>,
    policy: Option<PolicyKind>,
    name: Vec<Ident>,
}

impl SchemaObject {
    /// Returns the table that the object belongs to.
    #[must_use]
    pub fn table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Table { name, .. } => Some(name),
            Self::Comment { table, .. }
            | Self::Partitions { table, .. }
            | Self::Column { table, .. }
            | Self::Key { table, .. }
            | Self::Check { table, .. }
            | Self::ForeignKey { table, .. }
            | Self::Policy { table, .. }
            | Self::Trigger { table, .. }
            | Self::Grant { table, .. } => Some(table),
            _ => None,
        }
    }

    /// Returns the name of a constraint or an index.
    #[must_use]
    pub fn constraint(&self) -> Option<&Ident> {
        match self {
            Self::Key { key, .. } => Some(&key.name),
            Self::Check { check, .. } => Some(&check.name),
            Self::ForeignKey { key, .. } => Some(&key.name),
            _ => None,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        let of = self.table().map(|table| vec![table.schema.clone(), table.table.clone()]).unwrap_or_default();
        let (kind, name) = match self {
            Self::Role { role, .. } => ("role", vec![&role.name]),
            Self::Membership(Membership { role, member, .. }) => ("membership", vec![role, member]),
            Self::RequiredRoles { .. } => ("required roles", vec![]),
            Self::Timeouts { login, .. } => ("timeouts", vec![login]),
            Self::Pgaudit { .. } => ("pgaudit", vec![]),
            Self::Database { login } => ("database", vec![login]),
            Self::Schema { name, .. } => ("schema", vec![name]),
            Self::Defaults { creator, .. } => ("defaults", vec![creator]),
            Self::Usage { schema, role, .. } => ("usage", vec![schema, role]),
            Self::Function { name, .. } => ("function", vec![&name.schema, &name.table]),
            Self::Execute { name, role, .. } => ("execute", vec![&name.schema, &name.table, role]),
            Self::Table { .. } => ("table", vec![]),
            Self::Comment { .. } => ("comment", vec![]),
            Self::Partitions { .. } => ("partitions", vec![]),
            Self::Column { column, .. } => ("column", vec![&column.name]),
            // A table has one, independent of its name.
            Self::Key { kind: KeyKind::Primary, .. } => ("primary key", vec![]),
            Self::Key { key, kind, .. } => (kind.word(), vec![&key.name]),
            Self::Check { check, .. } => ("check", vec![&check.name]),
            Self::ForeignKey { key, .. } => ("foreign key", vec![&key.name]),
            // By its kind: its name follows its role, and both may change.
            Self::Policy { policy, .. } => {
                return Identity { kind: "policy", of, policy: Some(policy.kind), name: vec![] };
            }
            Self::Trigger { trigger, .. } => ("trigger", vec![&trigger.name]),
            Self::Grant { grant, .. } => (grant.command.keyword(), vec![&grant.role]),
        };
        Identity { kind, of, policy: None, name: name.into_iter().cloned().collect() }
    }

    /// Returns whether there is nothing to change. The kinds of a policy's conditions are not in the database, so a policy with
    /// the same SQL is unchanged.
    pub(super) fn is_unchanged(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Policy { table, policy }, Self::Policy { table: of, policy: other }) => {
                table == of
                    && (&policy.name, &policy.comment) == (&other.name, &other.comment)
                    && policy.is_equivalent(other)
            }
            _ => self == other,
        }
    }

    /// Returns whether two constraints or indexes differ only in their names.
    pub(super) fn is_but_renamed(&self, other: &Self) -> bool {
        let mut renamed = self.clone();
        match (&mut renamed, other) {
            (Self::Key { key, .. }, Self::Key { key: other, .. }) => key.name = other.name.clone(),
            (Self::Check { check, .. }, Self::Check { check: other, .. }) => check.name = other.name.clone(),
            (Self::ForeignKey { key, .. }, Self::ForeignKey { key: other, .. }) => key.name = other.name.clone(),
            _ => return false,
        }
        renamed == *other
    }
}

impl KeyKind {
    fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary key",
            Self::Unique => "unique constraint",
            Self::Index => "index",
        }
    }
}

impl fmt::Display for SchemaObject {
    /// Writes the kind of the object and its name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role { role, .. } => write!(f, "role `{}`", role.name),
            Self::Membership(Membership { role, member, inherits: true }) => {
                write!(f, "membership of `{member}` in `{role}` (inherited)")
            }
            Self::Membership(Membership { role, member, .. }) => {
                write!(f, "membership of `{member}` in `{role}` (SET ROLE)")
            }
            Self::RequiredRoles { .. } => write!(f, "check of the roles that are created outside of the migrations"),
            Self::Timeouts { login, .. } => write!(f, "timeouts of `{login}`"),
            Self::Pgaudit { classes } => write!(f, "pgaudit setting `{classes}`"),
            Self::Database { login } => {
                write!(f, "CONNECT on the database for `{login}` and not for PUBLIC")
            }
            Self::Schema { name, .. } => write!(f, "schema `{name}`"),
            Self::Defaults { creator, .. } => write!(f, "default privileges of `{creator}`"),
            Self::Usage { schema, role, .. } => write!(f, "USAGE on schema `{schema}` for `{role}`"),
            Self::Function { name, .. } => write!(f, "function `{name}`"),
            Self::Execute { name, role, .. } => write!(f, "EXECUTE on `{name}` for `{role}`"),
            Self::Table { name, .. } => write!(f, "table `{name}`"),
            Self::Comment { table, .. } => write!(f, "comment on `{table}`"),
            Self::Partitions { table, .. } => write!(f, "partitions of `{table}`"),
            Self::Column { table, column } => write!(f, "column `{table}.{}`", column.name),
            Self::Key { table, key, kind } => write!(f, "{} `{}` of `{table}`", kind.word(), key.name),
            Self::Check { table, check } => write!(f, "check `{}` of `{table}`", check.name),
            Self::ForeignKey { table, key, .. } => write!(f, "foreign key `{}` of `{table}`", key.name),
            Self::Policy { table, policy } => write!(f, "policy `{}` of `{table}`", policy.name),
            Self::Trigger { table, trigger } => write!(f, "trigger `{}` of `{table}`", trigger.name),
            Self::Grant { table, grant } => {
                let columns = grant.columns.iter().map(Ident::as_str).collect::<Vec<_>>().join(", ");
                let columns = if columns.is_empty() { columns } else { format!(" ({columns})") };
                write!(f, "{}{columns} on `{table}` for `{}`", grant.command.keyword(), grant.role)
            }
        }
    }
}
