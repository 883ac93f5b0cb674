//! The diff between two schemas: a list of changes, each with the object before and after.

mod counters;
mod flatten;
mod object;
mod object_text;
mod permutation;
mod rename;

use std::{collections::BTreeMap, fmt};

pub use self::object::{KeyKind, Membership, SchemaObject};
use self::rename::Renamed;
pub(crate) use self::{
    flatten::{extension_users, memberships, of_roles, parts},
    object::Identity,
    permutation::{in_order, resolve},
    rename::temporary_name,
};
use crate::{
    ident::Ident,
    model::{
        column_property::ColumnProperty,
        schema::{Deferral, ForeignKey, Function, Grant, QualifiedName, Schema, Table},
    },
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Adds an object.
    Add(SchemaObject),
    /// Drops an object that is no longer declared.
    Drop(SchemaObject),
    /// Changes an object and keeps its name.
    Alter {
        /// The object before the change.
        before: SchemaObject,
        /// The object after the change.
        after: SchemaObject,
    },
    /// Renames an object and changes nothing else.
    Rename {
        /// The object under its old name.
        before: SchemaObject,
        /// The object under its new name.
        after: SchemaObject,
    },
}

/// The changes between two schemas, and the earlier schema after the renames.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The earlier schema after the renames.
    pub renamed: Schema,
    /// The renames of tables and columns one by one, in an order in which they can run; some use temporary names.
    pub renames: Vec<Change>,
    /// The objects to be dropped that make room for a renamed object: each under its temporary name and under its own name.
    pub displaced: Vec<(SchemaObject, SchemaObject)>,
    /// Pairs of new objects with the same `renamed_from`, each as text.
    pub conflicts: Vec<(String, String, String)>,
    /// The changes. Adding or dropping a table, with everything that belongs to it, is one change.
    pub changes: Vec<Change>,
    /// The policies whose subqueries use a renamed table or column, before and after the rename. PostgreSQL keeps the old name
    /// of a column in some of them.
    pub restated: Vec<(SchemaObject, SchemaObject)>,
    /// The policies in which a name is ambiguous: it can refer to the renamed object or to another object.
    pub unclear: Vec<SchemaObject>,
}

/// Compares two schemas. The order of columns is ignored, because PostgreSQL cannot change it.
#[must_use]
pub fn diff(before: &Schema, after: &Schema) -> Diff {
    let Renamed { schema: renamed, mut changes, steps, displaced, restated, unclear, conflicts, .. } =
        rename::rename(before, after);
    // When the roles become externally managed, the roles that earlier migrations created are kept.
    let skips_roles = renamed.external_roles != after.external_roles && !renamed.roles.is_empty();
    changes.extend(compare(objects(&renamed, skips_roles), objects(after, skips_roles)));
    let mut all = Vec::new();
    for change in changes {
        match change {
            Change::Alter {
                before: SchemaObject::Table { table: old, .. },
                after: SchemaObject::Table { name, table },
            } => {
                let changes = compare(parts(&name, &old), parts(&name, &table));
                all.extend(with_free_policy_names(with_renamed_constraints(changes), &old));
                all.extend(grants(&name, &old, &table));
            }
            Change::Alter {
                before: SchemaObject::Function { function: old, .. },
                after: SchemaObject::Function { name, owner, function },
            } => {
                all.extend(function_changes(&name, &owner, old, function));
            }
            other => all.push(other),
        }
    }
    Diff { renamed, renames: steps, displaced, conflicts, changes: all, restated, unclear }
}

/// Lists the objects of a schema; without its roles if `skips_roles` is set.
fn objects(schema: &Schema, skips_roles: bool) -> Vec<SchemaObject> {
    let is_of_roles = |object: &SchemaObject| {
        matches!(object, SchemaObject::Role { .. } | SchemaObject::Membership(_) | SchemaObject::Timeouts { .. })
    };
    flatten::items(schema).into_iter().filter(|object| !(skips_roles && is_of_roles(object))).collect()
}

/// Compares two versions of a function. PostgreSQL cannot replace a function if its arguments or its result type
/// change.
fn function_changes(name: &QualifiedName, owner: &Ident, mut before: Function, mut after: Function) -> Vec<Change> {
    let object = |function| SchemaObject::Function { name: name.clone(), owner: owner.clone(), function };
    if (&before.arguments, &before.returns) != (&after.arguments, &after.returns) {
        return vec![Change::Drop(object(before)), Change::Add(object(after))];
    }
    // EXECUTE grants are separate changes, so that a new grantee does not cause the function to be replaced.
    let mut changes = compare(flatten::callers(name, owner, &before), flatten::callers(name, owner, &after));
    before.execute.clear();
    after.execute.clear();
    if before != after {
        changes.push(Change::Alter { before: object(before), after: object(after) });
    }
    changes
}

/// Compares two lists of objects: first the added and changed objects in the order of the second
/// list, then the dropped objects.
fn compare(before: Vec<SchemaObject>, after: Vec<SchemaObject>) -> Vec<Change> {
    let mut old: BTreeMap<_, _> = before.iter().map(|item| (item.identity(), item)).collect();
    let mut changes = Vec::new();
    for item in after {
        match old.remove(&item.identity()) {
            None => changes.push(Change::Add(item)),
            Some(before) if before.is_unchanged(&item) => {}
            Some(before) if can_alter(before, &item) => {
                changes.push(Change::Alter { before: before.clone(), after: item })
            }
            Some(before) => changes.extend([Change::Drop(before.clone()), Change::Add(item)]),
        }
    }
    // Drops are in reverse order, because later objects depend on earlier ones.
    let gone = before.iter().rev().filter(|item| old.contains_key(&item.identity()));
    changes.extend(gone.cloned().map(Change::Drop));
    changes
}

/// Returns whether PostgreSQL can alter the object in place. Otherwise the object has to be dropped and re-created.
fn can_alter(before: &SchemaObject, after: &SchemaObject) -> bool {
    match (before, after) {
        (SchemaObject::Role { role: before, .. }, SchemaObject::Role { role: after, .. }) => {
            before.kind == after.kind || before.kind.login().is_some() && after.kind.login().is_some()
        }
        (SchemaObject::Policy { policy: before, .. }, SchemaObject::Policy { policy: after, .. }) => {
            before.kind == after.kind
        }
        // The migration only checks these roles and alters none.
        (SchemaObject::RequiredRoles { .. }, _) => false,
        (SchemaObject::ForeignKey { key: before, .. }, SchemaObject::ForeignKey { key: after, .. }) => {
            *before == ForeignKey { deferral: before.deferral, ..after.clone() }
        }
        (
            SchemaObject::Key { .. }
            | SchemaObject::Index { .. }
            | SchemaObject::Check { .. }
            | SchemaObject::Trigger { .. },
            _,
        ) => false,
        _ => true,
    }
}

/// Replaces the rename of a policy with a drop and a creation if another policy of the table had
/// the new name: otherwise the order of the renames could matter.
fn with_free_policy_names(changes: Vec<Change>, before: &Table) -> Vec<Change> {
    let is_taken = |change: &Change| {
        policy_names(change).is_some_and(|(_, new)| before.policies.iter().any(|other| other.name == *new))
    };
    if !changes.iter().any(is_taken) {
        return changes;
    }
    let mut all = Vec::new();
    for change in changes {
        let is_renamed = policy_names(&change).is_some();
        match change {
            Change::Alter { before, after } if is_renamed => all.extend([Change::Drop(before), Change::Add(after)]),
            other => all.push(other),
        }
    }
    all
}

/// Returns the old and the new name of a policy that a change renames.
fn policy_names(change: &Change) -> Option<(&Ident, &Ident)> {
    match change {
        Change::Alter {
            before: SchemaObject::Policy { policy: old, .. },
            after: SchemaObject::Policy { policy: new, .. },
        } if old.name != new.name => Some((&old.name, &new.name)),
        _ => None,
    }
}

/// Turns dropping and adding a constraint into a rename if the two constraints differ only in their names.
fn with_renamed_constraints(mut changes: Vec<Change>) -> Vec<Change> {
    let gone: Vec<SchemaObject> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Drop(item) if item.constraint().is_some() => Some(item.clone()),
            _ => None,
        })
        .collect();
    for before in gone {
        let new = changes.iter().position(|change| match change {
            Change::Add(after) => before.is_but_renamed(after),
            _ => false,
        });
        if let Some(at) = new
            && let Change::Add(after) = changes[at].clone()
        {
            changes[at] = Change::Rename { before: before.clone(), after };
            changes.retain(|change| *change != Change::Drop(before.clone()));
        }
    }
    changes
}

/// Compares the grants on a table, column by column.
fn grants(name: &QualifiedName, before: &Table, after: &Table) -> Vec<Change> {
    let object = |grant| SchemaObject::Grant { table: name.clone(), grant };
    let revoked = before.grants.iter().filter_map(|grant| missing_part(grant, &after.grants));
    let granted = after.grants.iter().filter_map(|grant| missing_part(grant, &before.grants));
    revoked.map(object).map(Change::Drop).chain(granted.map(object).map(Change::Add)).collect()
}

/// Returns the part of a grant that other grants lack: the whole grant, or some of its columns.
fn missing_part(grant: &Grant, others: &[Grant]) -> Option<Grant> {
    let same = |other: &&Grant| (other.command, &other.role) == (grant.command, &grant.role);
    let has: Vec<_> = others.iter().filter(same).collect();
    let columns = grant.columns.iter().filter(|column| !has.iter().any(|other| other.columns.contains(column)));
    let columns: Vec<_> = columns.cloned().collect();
    // DELETE has no columns.
    (!columns.is_empty() || has.is_empty()).then(|| Grant { columns, ..grant.clone() })
}

impl fmt::Display for Change {
    /// Describes the change in the imperative, verb first: ``drop column `app.projects.title` ``.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(item) => item.fmt_add(f),
            Self::Drop(item) => item.fmt_drop(f),
            Self::Rename {
                before: SchemaObject::Table { name: before, .. },
                after: SchemaObject::Table { name, .. },
            } => {
                write!(f, "rename table `{before}` to `{name}`")
            }
            Self::Rename { before, after } => {
                let name = match after {
                    SchemaObject::Column { column, .. } => Some(&column.name),
                    other => other.constraint(),
                };
                write!(f, "rename {before} to `{}`", name.map_or_else(String::new, ToString::to_string))
            }
            Self::Alter {
                before: SchemaObject::Column { column: before, .. },
                after: after @ SchemaObject::Column { column, .. },
            } => {
                let properties = ColumnProperty::ALL.into_iter().filter(|property| property.differs(before, column));
                let texts: Vec<_> = properties.map(|property| property.describe(before, column)).collect();
                write!(f, "change {after}: {}", texts.join(", "))
            }
            Self::Alter {
                before: SchemaObject::Partitions { count: before, .. },
                after: SchemaObject::Partitions { table, count },
            } => {
                let number = |count: &Option<u16>| count.map_or_else(|| "none".to_owned(), |count| count.to_string());
                write!(f, "change the hash partitions of `{table}` from {} to {}", number(before), number(count))
            }
            Self::Alter { after: item @ SchemaObject::ForeignKey { key, .. }, .. } => {
                let when = match key.deferral {
                    Deferral::NotDeferrable => "not deferrable",
                    Deferral::InitiallyImmediate => "deferrable",
                    Deferral::InitiallyDeferred => "deferrable, initially deferred",
                };
                write!(f, "make {item} {when}")
            }
            Self::Alter { after: SchemaObject::Pgaudit { classes }, .. } => {
                write!(f, "change `pgaudit.log` to `{classes}`")
            }
            Self::Alter {
                before: before @ SchemaObject::Policy { policy: old, .. },
                after: SchemaObject::Policy { policy, .. },
            } if old.name != policy.name => write!(f, "change {before} and rename it to `{}`", policy.name),
            Self::Alter { after, .. } => write!(f, "change {after}"),
        }
    }
}
