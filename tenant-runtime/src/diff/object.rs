//! Schema objects: a schema as individual objects, so that two schemas can be compared.

use std::sync::Arc;

use crate::{
    ident::Ident,
    model::{
        def::TimeoutsDef,
        schema::{
            Check, Column, EnumType, Expression, ForeignKey, Function, Grant, Index, IndexKind, Key, LogClasses,
            Policy, PolicyKind, QualifiedName, Role, Table, Trigger,
        },
    },
};

/// One object of a schema, with its complete definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SchemaObject {
    /// A role, with the product that its comment names. Its memberships are separate objects.
    Role {
        /// The role.
        role: Role,
        /// The product.
        product: String,
    },
    /// A membership of a role in another role.
    Membership(Membership),
    /// A check that externally managed roles exist and have the required attributes.
    RequiredRoles {
        /// The roles.
        roles: Vec<Role>,
    },
    /// The timeouts of the sessions of a login role.
    Timeouts {
        /// The login role.
        login: Ident,
        /// The timeouts.
        timeouts: TimeoutsDef,
    },
    /// The setting `pgaudit.log` of the database.
    Pgaudit {
        /// The classes of statements that pgaudit logs.
        classes: LogClasses,
    },
    /// CONNECT on the database: granted to a login role, and revoked from PUBLIC.
    Database {
        /// The login role.
        login: Ident,
    },
    /// The schema of extensions, with the roles that use the extensions. The migrations create the schema if it does not exist, and
    /// never drop it.
    ExtensionSchema {
        /// The name.
        name: Ident,
        /// The roles with USAGE.
        users: Vec<Ident>,
    },
    /// An extension. The migrations create it if it does not exist, and never drop it.
    Extension {
        /// The name.
        name: Ident,
        /// The schema that contains its objects.
        schema: Ident,
    },
    /// A schema.
    Schema {
        /// The name.
        name: Ident,
        /// The role that owns it.
        owner: Ident,
    },
    /// Default privileges that grant PUBLIC nothing on objects that a role creates later.
    Defaults {
        /// The role that creates the objects.
        creator: Ident,
        /// Whether the role creates types, such as the row type of a table.
        types: bool,
    },
    /// USAGE on a schema, granted to a role.
    Usage {
        /// The schema.
        schema: Ident,
        /// The role that owns it.
        owner: Ident,
        /// The grantee.
        role: Ident,
    },
    /// An enum type, with the USAGE grants on it.
    Enum {
        /// The name.
        name: QualifiedName,
        /// The type.
        ty: EnumType,
    },
    /// A sequence that the functions use.
    Sequence {
        /// The name.
        name: QualifiedName,
        /// The role that owns it.
        owner: Ident,
    },
    /// A function, with the EXECUTE grants that are made when it is created. Later grants are separate objects.
    Function {
        /// The name.
        name: QualifiedName,
        /// The role that owns it.
        owner: Ident,
        /// The function.
        function: Function,
    },
    /// EXECUTE on a function, granted to a role.
    Execute {
        /// The function.
        name: QualifiedName,
        /// The role that owns it.
        owner: Ident,
        /// The types of its arguments.
        arguments: Vec<Expression>,
        /// The grantee.
        role: Ident,
    },
    /// A whole table.
    Table {
        /// The name.
        name: QualifiedName,
        /// The table.
        table: Arc<Table>,
    },
    /// The comment on a table.
    Comment {
        /// The table.
        table: QualifiedName,
        /// The comment; empty if there is none.
        comment: String,
    },
    /// The hash partitions of a table.
    Partitions {
        /// The table.
        table: QualifiedName,
        /// The number of partitions; none if the table is not partitioned.
        count: Option<u16>,
    },
    /// A column.
    Column {
        /// The table.
        table: QualifiedName,
        /// The column.
        column: Column,
    },
    /// A primary key or a unique constraint.
    Key {
        /// The table.
        table: QualifiedName,
        /// Whether it is the primary key or a unique constraint.
        kind: KeyKind,
        /// The name and the columns.
        key: Key,
    },
    /// An index or an exclusion constraint.
    Index {
        /// The table.
        table: QualifiedName,
        /// The index.
        index: Index,
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
        /// The number of hash partitions of the table that has the foreign key.
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
        /// The privilege; for a column privilege, only the columns that change.
        grant: Grant,
    },
}

/// A membership of a role in another role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The role that is granted.
    pub role: Ident,
    /// The member.
    pub member: Ident,
    /// Whether the member inherits the privileges of the role. Otherwise the member has to run `SET ROLE`.
    pub inherits: bool,
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum KeyKind {
    /// The primary key.
    Primary,
    /// A unique constraint.
    Unique,
}

/// Identifies an object, so that it can be found in the other schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Identity {
    kind: &'static str,
    of: Option<QualifiedName>,
    policy: Option<PolicyKind>,
    name: Vec<Ident>,
}

impl Identity {
    /// Returns the identity of a column.
    pub(crate) fn of_column(table: &QualifiedName, name: &Ident) -> Self {
        Self::new("column", Some(table), &[name])
    }

    /// Returns the identity of a role.
    pub(crate) fn of_role(name: &Ident) -> Self {
        Self::new("role", None, &[name])
    }

    fn new(kind: &'static str, of: Option<&QualifiedName>, name: &[&Ident]) -> Self {
        let name = name.iter().copied().cloned().collect();
        Self { kind, of: of.cloned(), policy: None, name }
    }
}

impl SchemaObject {
    /// Returns the table to which the object belongs.
    #[must_use]
    pub fn table(&self) -> Option<&QualifiedName> {
        match self {
            Self::Table { name, .. } => Some(name),
            Self::Comment { table, .. }
            | Self::Partitions { table, .. }
            | Self::Column { table, .. }
            | Self::Key { table, .. }
            | Self::Index { table, .. }
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
            Self::Index { index, .. } => Some(&index.name),
            Self::Check { check, .. } => Some(&check.name),
            Self::ForeignKey { key, .. } => Some(&key.name),
            _ => None,
        }
    }

    pub(crate) fn identity(&self) -> Identity {
        let (kind, name) = match self {
            Self::Role { role, .. } => return Identity::of_role(&role.name),
            Self::Membership(Membership { role, member, .. }) => ("membership", vec![role, member]),
            Self::RequiredRoles { .. } => ("required roles", vec![]),
            Self::Timeouts { login, .. } => ("timeouts", vec![login]),
            Self::Pgaudit { .. } => ("pgaudit", vec![]),
            Self::Database { login } => ("database", vec![login]),
            Self::ExtensionSchema { name, .. } => ("schema of extensions", vec![name]),
            Self::Extension { name, .. } => ("extension", vec![name]),
            Self::Schema { name, .. } => ("schema", vec![name]),
            Self::Defaults { creator, .. } => ("defaults", vec![creator]),
            Self::Usage { schema, role, .. } => ("usage", vec![schema, role]),
            Self::Enum { name, .. } => ("enum type", vec![&name.schema, &name.table]),
            Self::Sequence { name, .. } => ("sequence", vec![&name.schema, &name.table]),
            Self::Function { name, .. } => ("function", vec![&name.schema, &name.table]),
            Self::Execute { name, role, .. } => ("execute", vec![&name.schema, &name.table, role]),
            Self::Table { .. } => ("table", vec![]),
            Self::Comment { .. } => ("comment", vec![]),
            Self::Partitions { .. } => ("partitions", vec![]),
            Self::Column { table, column } => return Identity::of_column(table, &column.name),
            // A table has one primary key, whatever the key's name is.
            Self::Key { kind: KeyKind::Primary, .. } => ("primary key", vec![]),
            Self::Key { key, kind, .. } => (kind.word(), vec![&key.name]),
            Self::Index { index, .. } => (index_word(index), vec![&index.name]),
            Self::Check { check, .. } => ("check", vec![&check.name]),
            Self::ForeignKey { key, .. } => ("foreign key", vec![&key.name]),
            // A policy is identified by its kind, because its name depends on its role and both can change.
            Self::Policy { table, policy } => {
                return Identity { policy: Some(policy.kind), ..Identity::new("policy", Some(table), &[]) };
            }
            Self::Trigger { trigger, .. } => ("trigger", vec![&trigger.name]),
            Self::Grant { grant, .. } => (grant.command.keyword(), vec![&grant.role]),
        };
        Identity::new(kind, self.table(), &name)
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
        other.constraint().is_some_and(|name| self.with_constraint_name(name) == *other)
    }

    /// Returns a constraint or an index under another name.
    pub(crate) fn with_constraint_name(&self, name: &Ident) -> Self {
        let mut item = self.clone();
        match &mut item {
            Self::Key { key, .. } => key.name = name.clone(),
            Self::Index { index, .. } => index.name = name.clone(),
            Self::Check { check, .. } => check.name = name.clone(),
            Self::ForeignKey { key, .. } => key.name = name.clone(),
            _ => {}
        }
        item
    }
}

impl KeyKind {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Primary => "primary key",
            Self::Unique => "unique constraint",
        }
    }
}

pub(super) fn index_word(index: &Index) -> &'static str {
    match index.kind {
        IndexKind::Plain => "index",
        IndexKind::Unique { .. } => "unique index",
        IndexKind::Exclusion => "exclusion constraint",
    }
}
