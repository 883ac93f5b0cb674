//! The diff: what changes from one schema to another, each change with what was before and what is after.

use crate::{
    ident::Ident,
    model::schema::{Function, QualifiedName, Role, Schema, Table},
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'s> {
    /// A role is new.
    AddRole(&'s Role),
    /// A role is no longer declared.
    DropRole(&'s Role),
    /// A role is another than it was.
    ChangeRole {
        /// As it was.
        before: &'s Role,
        /// As it shall be.
        after: &'s Role,
    },
    /// A schema is new.
    AddSchema(&'s Ident),
    /// A schema holds no table any more.
    DropSchema(&'s Ident),
    /// A function is new.
    AddFunction {
        /// Its name.
        name: &'s QualifiedName,
        /// The function.
        function: &'s Function,
    },
    /// A function is no longer needed.
    DropFunction {
        /// Its name.
        name: &'s QualifiedName,
        /// As it was.
        function: &'s Function,
    },
    /// A function is another than it was.
    ChangeFunction {
        /// Its name.
        name: &'s QualifiedName,
        /// As it was.
        before: &'s Function,
        /// As it shall be.
        after: &'s Function,
    },
    /// A table is new.
    AddTable {
        /// Its name.
        name: &'s QualifiedName,
        /// The table.
        table: &'s Table,
    },
    /// A table is no longer declared.
    DropTable {
        /// Its name.
        name: &'s QualifiedName,
        /// As it was.
        table: &'s Table,
    },
    /// A table is another than it was.
    ChangeTable {
        /// Its name.
        name: &'s QualifiedName,
        /// As it was.
        before: &'s Table,
        /// As it shall be.
        after: &'s Table,
    },
}

impl std::fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AddRole(role) => write!(f, "role `{}` is new", role.name),
            Self::DropRole(role) => write!(f, "role `{}` is gone", role.name),
            Self::ChangeRole { after, .. } => write!(f, "role `{}` has changed", after.name),
            Self::AddSchema(schema) => write!(f, "schema `{schema}` is new"),
            Self::DropSchema(schema) => write!(f, "schema `{schema}` is gone"),
            Self::AddFunction { name, .. } => write!(f, "function `{name}` is new"),
            Self::DropFunction { name, .. } => write!(f, "function `{name}` is gone"),
            Self::ChangeFunction { name, .. } => write!(f, "function `{name}` has changed"),
            Self::AddTable { name, .. } => write!(f, "table `{name}` is new"),
            Self::DropTable { name, .. } => write!(f, "table `{name}` is gone"),
            Self::ChangeTable { name, .. } => write!(f, "table `{name}` has changed"),
        }
    }
}

/// Compares two schemas; no change where they are equal.
#[must_use]
pub fn diff<'s>(before: &'s Schema, after: &'s Schema) -> Vec<Change<'s>> {
    let mut changes = Vec::new();
    for role in &after.roles {
        match before.roles.iter().find(|old| old.name == role.name) {
            None => changes.push(Change::AddRole(role)),
            Some(old) if old != role => changes.push(Change::ChangeRole { before: old, after: role }),
            Some(_) => {}
        }
    }
    let gone = before.roles.iter().filter(|old| !after.roles.iter().any(|role| role.name == old.name));
    changes.extend(gone.map(Change::DropRole));
    changes.extend(after.schemas.iter().filter(|schema| !before.schemas.contains(schema)).map(Change::AddSchema));
    for (name, function) in &after.functions {
        match before.functions.get(name) {
            None => changes.push(Change::AddFunction { name, function }),
            Some(old) if old != function => changes.push(Change::ChangeFunction { name, before: old, after: function }),
            Some(_) => {}
        }
    }
    for (name, table) in &after.tables {
        match before.tables.get(name) {
            None => changes.push(Change::AddTable { name, table }),
            Some(old) if old != table => changes.push(Change::ChangeTable { name, before: old, after: table }),
            Some(_) => {}
        }
    }
    for (name, table) in before.tables.iter().filter(|(name, _)| !after.tables.contains_key(name)) {
        changes.push(Change::DropTable { name, table });
    }
    for (name, function) in before.functions.iter().filter(|(name, _)| !after.functions.contains_key(name)) {
        changes.push(Change::DropFunction { name, function });
    }
    changes.extend(before.schemas.iter().filter(|schema| !after.schemas.contains(schema)).map(Change::DropSchema));
    changes
}
