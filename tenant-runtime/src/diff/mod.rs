//! The diff: the changes from one schema to another, each with the object before and after.

mod flatten;
mod object;
mod rename;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub(crate) use self::flatten::{memberships, of_roles, parts};
pub use self::object::{KeyKind, Membership, SchemaObject};
use self::rename::Renamed;
use crate::{
    ident::Ident,
    model::{
        migration_hints::MigrationHints,
        schema::{Column, ColumnDefault, Grant, QualifiedName, Schema, Table},
    },
};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// An object is new.
    Add(SchemaObject),
    /// An object is no longer declared.
    Drop(SchemaObject),
    /// An object differs.
    Alter {
        /// The object before.
        before: SchemaObject,
        /// The object after.
        after: SchemaObject,
    },
    /// An object has another name and is otherwise the same.
    Rename {
        /// The object with its old name.
        before: SchemaObject,
        /// The object with its new name.
        after: SchemaObject,
    },
}

/// The changes, with the earlier schema under its new names.
#[derive(Debug, Clone)]
pub struct Diff {
    /// The earlier schema, with renamed tables and columns.
    pub renamed: Schema,
    /// The changes. A new table and a removed one are one change each, with all of their parts.
    pub changes: Vec<Change>,
    /// The policies whose queries name a renamed object, before and after. PostgreSQL keeps the old name in some of them.
    pub restated: Vec<(SchemaObject, SchemaObject)>,
    /// The policies in which a name may or may not mean a renamed object.
    pub unclear: Vec<SchemaObject>,
}

/// Compares two schemas. The order of columns, which PostgreSQL cannot change, makes no difference.
#[must_use]
pub fn diff(before: &Schema, after: &Schema, transition: &MigrationHints) -> Diff {
    let Renamed { schema: renamed, mut changes, restated, unclear } = rename::rename(before, after, transition);
    let handed_over = renamed.external_roles != after.external_roles && !renamed.roles.is_empty();
    // Roles that the migrations created stay when they are managed outside from now on.
    let is_of_roles = |item: &SchemaObject| {
        matches!(item, SchemaObject::Role { .. } | SchemaObject::Membership(_) | SchemaObject::Timeouts { .. })
    };
    let items =
        |schema| flatten::items(schema).into_iter().filter(|item| !(handed_over && is_of_roles(item))).collect();
    changes.extend(compare(items(&renamed), items(after)));
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
                let same = |f: &crate::model::schema::Function| (f.arguments.clone(), f.returns.clone());
                let callers = |function| flatten::callers(&name, &owner, function);
                let (mut before, mut after) = (old.clone(), function.clone());
                let item = |function| SchemaObject::Function { name: name.clone(), owner: owner.clone(), function };
                if same(&old) == same(&function) {
                    all.extend(compare(callers(&old), callers(&function)));
                    // EXECUTE is a separate object.
                    before.execute = function.execute.clone();
                    if before != after {
                        before.execute.clear();
                        after.execute.clear();
                        all.push(Change::Alter { before: item(before), after: item(after) });
                    }
                } else {
                    all.extend([Change::Drop(item(before)), Change::Add(item(after))]);
                }
            }
            other => all.push(other),
        }
    }
    Diff { renamed, changes: all, restated, unclear }
}

/// Compares two lists of objects: new and changed ones in the order of the second list, then removed ones.
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
    // In reverse: later objects depend on earlier ones.
    let gone = before.iter().rev().filter(|item| old.contains_key(&item.identity()));
    changes.extend(gone.cloned().map(Change::Drop));
    changes
}

/// Returns whether PostgreSQL can alter one object into the other; otherwise it is dropped and created again.
fn can_alter(before: &SchemaObject, after: &SchemaObject) -> bool {
    match (before, after) {
        (SchemaObject::Role { role: before, .. }, SchemaObject::Role { role: after, .. }) => {
            before.kind == after.kind || before.kind.login().is_some() && after.kind.login().is_some()
        }
        // The migrations check them and do not alter them.
        (SchemaObject::RequiredRoles { .. }, _) => false,
        (
            SchemaObject::Key { .. }
            | SchemaObject::Check { .. }
            | SchemaObject::ForeignKey { .. }
            | SchemaObject::Trigger { .. },
            _,
        ) => false,
        _ => true,
    }
}

/// Drops and creates a policy in place of renaming it, where another policy of the table had the new name: the order of two
/// renames could matter.
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

/// The old and the new name of a policy that a change renames.
fn policy_names(change: &Change) -> Option<(&Ident, &Ident)> {
    match change {
        Change::Alter {
            before: SchemaObject::Policy { policy: old, .. },
            after: SchemaObject::Policy { policy: new, .. },
        } if old.name != new.name => Some((&old.name, &new.name)),
        _ => None,
    }
}

/// Turns a removed and a new constraint that differ only in their names into a rename.
fn with_renamed_constraints(mut changes: Vec<Change>) -> Vec<Change> {
    let gone: Vec<SchemaObject> = changes
        .iter()
        .filter_map(|change| match change {
            Change::Drop(item) if item.constraint().is_some() => Some(item.clone()),
            _ => None,
        })
        .collect();
    let old_names: BTreeSet<Ident> = gone.iter().filter_map(SchemaObject::constraint).cloned().collect();
    for before in gone {
        let new = changes.iter().position(|change| match change {
            Change::Add(after) => {
                before.is_but_renamed(after) && after.constraint().is_some_and(|name| !old_names.contains(name))
            }
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

/// Compares the grants of a table, column by column.
fn grants(name: &QualifiedName, before: &Table, after: &Table) -> Vec<Change> {
    let item = |grant| SchemaObject::Grant { table: name.clone(), grant };
    let missing = |from: &[Grant], grant: &Grant| {
        let same = |other: &&Grant| (other.command, &other.role) == (grant.command, &grant.role);
        let has: Vec<_> = from.iter().filter(same).collect();
        let columns = grant.columns.iter().filter(|column| !has.iter().any(|other| other.columns.contains(column)));
        let columns: Vec<_> = columns.cloned().collect();
        // DELETE has no columns.
        (!columns.is_empty() || has.is_empty()).then(|| item(Grant { columns, ..grant.clone() }))
    };
    let gone = before.grants.iter().filter_map(|grant| missing(&after.grants, grant)).map(Change::Drop);
    let new = after.grants.iter().filter_map(|grant| missing(&before.grants, grant)).map(Change::Add);
    gone.chain(new).collect()
}

impl fmt::Display for Change {
    /// Writes the change as one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(item) => write!(f, "{item} is new"),
            Self::Drop(item) => write!(f, "{item} is removed"),
            Self::Rename {
                before: SchemaObject::Table { name: before, .. },
                after: SchemaObject::Table { name, .. },
            } => {
                write!(f, "table `{before}` is renamed to `{name}`")
            }
            Self::Rename { before, after } => {
                let name = match after {
                    SchemaObject::Column { column, .. } => Some(&column.name),
                    other => other.constraint(),
                };
                write!(f, "{before} is renamed to `{}`", name.map_or_else(String::new, ToString::to_string))
            }
            Self::Alter {
                before: SchemaObject::Column { column: before, .. },
                after: after @ SchemaObject::Column { column, .. },
            } => {
                write!(f, "{after}: {}", column_change(before, column))
            }
            Self::Alter {
                before: SchemaObject::Partitions { count: before, .. },
                after: SchemaObject::Partitions { table, count },
            } => {
                let words = |count: &Option<u16>| {
                    count.map_or_else(|| "no partitions".to_owned(), |count| format!("{count} partitions"))
                };
                write!(f, "table `{table}`: {} instead of {}", words(count), words(before))
            }
            Self::Alter {
                before: before @ SchemaObject::Policy { policy: old, .. },
                after: SchemaObject::Policy { policy, .. },
            } if old.name != policy.name => write!(f, "{before} has changed and is renamed to `{}`", policy.name),
            Self::Alter { after, .. } => write!(f, "{after} has changed"),
        }
    }
}

/// Lists the changes of a column.
fn column_change(before: &Column, after: &Column) -> String {
    let default = |column: &Column| match &column.default {
        None => "none".to_owned(),
        Some(ColumnDefault::Identity) => "identity".to_owned(),
        Some(ColumnDefault::Expression(text)) => format!("`{text}`"),
    };
    let mut changes = Vec::new();
    if before.ty != after.ty {
        changes.push(format!("type `{}` instead of `{}`", after.ty, before.ty));
    }
    if before.nullable != after.nullable {
        changes.push(if after.nullable { "NULL is allowed" } else { "NULL is no longer allowed" }.to_owned());
    }
    if before.default != after.default {
        changes.push(format!("default {} instead of {}", default(after), default(before)));
    }
    if before.comment != after.comment {
        changes.push("another comment".to_owned());
    }
    changes.join(", ")
}
