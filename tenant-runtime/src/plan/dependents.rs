//! Dependents: PostgreSQL refuses to alter or drop an object on which a policy, a constraint or a trigger depends.

use std::collections::BTreeMap;

use super::generated::{Replaced, replaced_columns};
use crate::{
    analyze::expression_columns::{mentions, mentions_column},
    diff::{Change, Identity, SchemaObject, parts},
    ident::Ident,
    model::{
        column_property::ColumnProperty,
        schema::{QualifiedName, Schema},
    },
};

/// Adds changes that drop and re-create the policies, constraints and triggers that depend on a changed object.
pub(super) fn recreate_dependents(mut changes: Vec<Change>, before: &Schema, after: &Schema) -> Vec<Change> {
    let replaced = replaced_columns(&changes, before, after);
    let changed = ChangedObjects::by(&changes, &replaced);
    if changed.is_empty() {
        return changes;
    }
    let mut recreated = Vec::new();
    for (name, table) in &before.tables {
        let Some(new) = after.tables.get(name) else { continue };
        for item in parts(name, table).into_iter().filter(|item| changed.has_dependent(item)) {
            if changed.dropped.get(&item.identity()).is_some_and(|dropped| **dropped == item) {
                continue;
            }
            // The new definition has the same name, or the name that a rename gives the object.
            let renamed = changed.renamed.get(&item.identity()).filter(|(before, _)| **before == item);
            let new = match renamed {
                Some((_, after)) => Some(SchemaObject::clone(after)),
                None => parts(name, new).into_iter().find(|other| other.identity() == item.identity()),
            };
            recreated.push((item, new));
        }
    }
    let of_columns = replaced.iter().flat_map(|column| column.grants(before, after)).collect::<Vec<_>>();
    let again: BTreeMap<_, _> = recreated.iter().map(|(item, _)| (item.identity(), item)).collect();
    changes.retain(|change| match change {
        Change::Alter { before, .. } | Change::Rename { before, .. } => {
            again.get(&before.identity()).is_none_or(|item| *item != before)
        }
        _ => true,
    });
    for (item, new) in recreated {
        changes.extend(new.map(Change::Add));
        changes.push(Change::Drop(item));
    }
    for grant in of_columns {
        changes.extend([Change::Drop(grant.clone()), Change::Add(grant)]);
    }
    for column in replaced {
        column.replace_in(&mut changes);
    }
    changes
}

/// The objects that are dropped, the columns whose type changes, and the columns that become sensitive or cease to be.
#[derive(Default)]
struct ChangedObjects<'c> {
    columns: Vec<(&'c QualifiedName, &'c Ident)>,
    /// Their statistics are removed, up or down, by a change to the same type, for which PostgreSQL itself re-creates checks
    /// and foreign keys, but not policies.
    restated: Vec<(&'c QualifiedName, &'c Ident)>,
    /// The columns that are dropped and added again.
    replaced: Vec<(&'c QualifiedName, &'c Ident)>,
    tables: Vec<&'c QualifiedName>,
    functions: Vec<&'c QualifiedName>,
    keys: Vec<(&'c QualifiedName, &'c [Ident])>,
    /// All objects that are dropped.
    dropped: BTreeMap<Identity, &'c SchemaObject>,
    /// All objects that are renamed, each with its new version.
    renamed: BTreeMap<Identity, (&'c SchemaObject, &'c SchemaObject)>,
}

impl<'c> ChangedObjects<'c> {
    fn by(changes: &'c [Change], replaced: &'c [Replaced]) -> Self {
        let mut changed = Self::default();
        changed.replaced.extend(replaced.iter().map(|column| (&column.table, &column.before.name)));
        changed.columns.extend(&changed.replaced);
        for change in changes {
            match change {
                Change::Drop(item) => {
                    changed.dropped.insert(item.identity(), item);
                }
                Change::Rename { before, after } => {
                    changed.renamed.insert(before.identity(), (before, after));
                }
                _ => {}
            }
            match change {
                Change::Drop(SchemaObject::Table { name, .. }) => changed.tables.push(name),
                Change::Drop(SchemaObject::Function { name, .. }) => changed.functions.push(name),
                Change::Drop(SchemaObject::Column { table, column }) => changed.columns.push((table, &column.name)),
                Change::Alter {
                    before: SchemaObject::Column { column: before, .. },
                    after: SchemaObject::Column { table, column },
                } if ColumnProperty::Type.differs(before, column) => {
                    changed.columns.push((table, &column.name));
                }
                Change::Alter {
                    before: SchemaObject::Column { column: before, .. },
                    after: SchemaObject::Column { table, column },
                } if ColumnProperty::Sensitive.differs(before, column) => {
                    changed.restated.push((table, &column.name));
                }
                Change::Drop(SchemaObject::Key { table, key, .. }) => {
                    changed.keys.push((table, &key.columns));
                }
                _ => {}
            }
        }
        changed
    }

    fn is_empty(&self) -> bool {
        let columns_are_empty = self.columns.is_empty() && self.restated.is_empty();
        columns_are_empty && self.tables.is_empty() && self.functions.is_empty() && self.keys.is_empty()
    }

    /// Returns whether an object depends on a changed object and so has to be dropped first.
    fn has_dependent(&self, item: &SchemaObject) -> bool {
        let has = |of: &QualifiedName, columns: &[Ident]| {
            self.columns.iter().any(|(table, column)| *table == of && columns.contains(column))
        };
        let is_replaced = |of: &QualifiedName, name: &Ident| {
            self.replaced.iter().any(|(table, column)| *table == of && *column == name)
        };
        match item {
            SchemaObject::Policy { table, policy } => policy.conditions().any(|condition| {
                // An accidental match re-creates more objects than necessary, which is harmless.
                let names = |name: &QualifiedName| mentions(condition.sql.as_str(), &name.quoted());
                self.functions.iter().chain(&self.tables).any(|name| names(name))
                    || self
                        .columns
                        .iter()
                        .chain(&self.restated)
                        .any(|(of, column)| (*of == table || names(of)) && mentions_column(&condition.sql, column))
            }),
            SchemaObject::Key { table, key, .. } => key.columns.iter().any(|name| is_replaced(table, name)),
            SchemaObject::Check { table, check } => {
                self.columns.iter().any(|(of, column)| *of == table && mentions_column(&check.condition, column))
            }
            SchemaObject::Index { table, index } => {
                let mut expressions = index.expressions();
                index.columns().any(|name| is_replaced(table, name))
                    || expressions.any(|text| {
                        self.columns.iter().any(|(of, column)| *of == table && mentions_column(text, column))
                    })
            }
            SchemaObject::ForeignKey { table, key, .. } => {
                has(table, &key.columns)
                    || has(&key.target, &key.target_columns)
                    || self.keys.iter().any(|(of, columns)| **of == key.target && *columns == key.target_columns)
            }
            SchemaObject::Trigger { trigger, .. } => self.functions.contains(&&trigger.function),
            _ => false,
        }
    }
}
