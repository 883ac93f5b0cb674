//! What stands in the way: PostgreSQL alters and drops nothing that a policy, a constraint or a trigger rests on.

use crate::{
    diff::{Change, KeyKind, SchemaObject, parts},
    ident::Ident,
    model::schema::{QualifiedName, Schema},
};

/// Adds to the changes that what stands in their way is dropped and made again.
pub(super) fn recreate_dependents(mut changes: Vec<Change>, before: &Schema, after: &Schema) -> Vec<Change> {
    let asked = changes.clone();
    let touched = ChangedObjects::by(&asked);
    if touched.is_nothing() {
        return changes;
    }
    for (name, table) in &before.tables {
        let Some(new) = after.tables.get(name) else { continue };
        let new = parts(name, new);
        for item in parts(name, table).into_iter().filter(|item| touched.depends_on(item)) {
            let is_dropped = changes.iter().any(|change| matches!(change, Change::Drop(other) if *other == item));
            if is_dropped {
                continue;
            }
            // As it shall be: under the same name, or under the one that it was to be given.
            let renamed = changes.iter().find_map(|change| match change {
                Change::Rename { before, after } if *before == item => Some(after.clone()),
                _ => None,
            });
            let remade = renamed.or_else(|| new.iter().find(|other| other.identity() == item.identity()).cloned());
            changes.retain(|change| match change {
                Change::Alter { before, .. } | Change::Rename { before, .. } => *before != item,
                _ => true,
            });
            changes.extend(remade.map(Change::Add));
            changes.push(Change::Drop(item));
        }
    }
    changes
}

/// What goes, or changes its type.
struct ChangedObjects<'c> {
    columns: Vec<(&'c QualifiedName, &'c Ident)>,
    tables: Vec<&'c QualifiedName>,
    functions: Vec<&'c QualifiedName>,
    keys: Vec<(&'c QualifiedName, &'c [Ident])>,
}

impl<'c> ChangedObjects<'c> {
    fn by(changes: &'c [Change]) -> Self {
        let mut touched = Self { columns: Vec::new(), tables: Vec::new(), functions: Vec::new(), keys: Vec::new() };
        for change in changes {
            match change {
                Change::Drop(SchemaObject::Table { name, .. }) => touched.tables.push(name),
                Change::Drop(SchemaObject::Function { name, .. }) => touched.functions.push(name),
                Change::Drop(SchemaObject::Column { table, column }) => touched.columns.push((table, &column.name)),
                Change::Alter {
                    before: SchemaObject::Column { column: before, .. },
                    after: SchemaObject::Column { table, column },
                } if before.ty != column.ty => {
                    touched.columns.push((table, &column.name));
                }
                Change::Drop(SchemaObject::Key { table, kind: KeyKind::Primary | KeyKind::Unique, key }) => {
                    touched.keys.push((table, &key.columns));
                }
                _ => {}
            }
        }
        touched
    }

    fn is_nothing(&self) -> bool {
        self.columns.is_empty() && self.tables.is_empty() && self.functions.is_empty() && self.keys.is_empty()
    }

    /// Says whether a thing has to go before what it rests on can change.
    fn depends_on(&self, item: &SchemaObject) -> bool {
        let has = |of: &QualifiedName, columns: &[Ident]| {
            self.columns.iter().any(|(table, column)| *table == of && columns.contains(column))
        };
        match item {
            SchemaObject::Policy { table, policy } => policy.conditions().any(|condition| {
                let text = condition.sql.as_str();
                let names = |name: &QualifiedName| mentions(text, &name.quoted());
                self.functions.iter().chain(&self.tables).any(|name| names(name))
                    || self
                        .columns
                        .iter()
                        .any(|(of, column)| (*of == table || names(of)) && mentions(text, &column.quoted().to_string()))
            }),
            SchemaObject::Check { table, check } => self
                .columns
                .iter()
                .any(|(of, column)| *of == table && mentions(check.condition.as_str(), &column.quoted().to_string())),
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

/// Says whether a name stands in SQL text. Where it stands by chance, more is made again than needs to be.
fn mentions(text: &str, name: &str) -> bool {
    let (text, name) = (text.to_lowercase(), name.to_lowercase());
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(&name)
        .any(|(at, _)| !text[..at].ends_with(is_part) && !text[at + name.len()..].starts_with(is_part))
}
