//! Applies renames to the earlier schema, so that an object that is only renamed compares as equal.

use super::{Change, SchemaObject};
use crate::{
    analyze::rewrite_identifiers::{NewName, renamed},
    ident::Ident,
    model::{
        migration_hints::MigrationHints,
        schema::{ForeignKeyAction, Key, Policy, QualifiedName, Schema, Scope, Table},
    },
};

/// The earlier schema after the renames, and what the renames changed.
pub(super) struct Renamed {
    /// The schema.
    pub(super) schema: Schema,
    /// The renames.
    pub(super) changes: Vec<Change>,
    /// The policies whose subqueries use a renamed table or column, before and after the rename.
    pub(super) restated: Vec<(SchemaObject, SchemaObject)>,
    /// The policies in which a name is ambiguous: it can refer to the renamed object or to another object.
    pub(super) unclear: Vec<SchemaObject>,
}

/// Applies the renames to a schema.
///
/// A rename is applied only if the old name exists and is no longer declared, and the new name does not exist yet. So a
/// `renamed_from` whose rename has been applied has no further effect, however long the attribute is kept.
pub(super) fn rename(before: &Schema, after: &Schema, hints: &MigrationHints) -> Renamed {
    let (changes, restated, unclear) = (Vec::new(), Vec::new(), Vec::new());
    let mut all = Renamed { schema: before.clone(), changes, restated, unclear };
    for (to, from) in &hints.tables {
        let declared = after.tables.contains_key(to) && !after.tables.contains_key(from);
        if declared
            && !all.schema.tables.contains_key(to)
            && let Some(table) = all.schema.tables.remove(from)
        {
            let item = |name: &QualifiedName| SchemaObject::Table { name: name.clone(), table: table.clone().into() };
            all.changes.push(Change::Rename { before: item(from), after: item(to) });
            all.schema.tables.insert(to.clone(), table);
            let keys = all.schema.tables.values_mut().flat_map(|table| &mut table.foreign_keys);
            keys.filter(|key| key.target == *from).for_each(|key| key.target = to.clone());
            all.rename_in_text(NewName::Table { from, to });
        }
    }
    for ((name, to), from) in &hints.columns {
        let has = |schema: &Schema, column: &Ident| {
            schema.tables.get(name).is_some_and(|table| table.columns.iter().any(|other| other.name == *column))
        };
        if has(&all.schema, from) && !has(&all.schema, to) && has(after, to) && !has(after, from) {
            all.rename_column(name, from, to);
        }
    }
    all.restate(before);
    all
}

impl Renamed {
    fn rename_column(&mut self, name: &QualifiedName, from: &Ident, to: &Ident) {
        let keys = self.schema.tables.values_mut().flat_map(|table| &mut table.foreign_keys);
        keys.filter(|key| key.target == *name).for_each(|key| replace(&mut key.target_columns, from, to));
        let Some(table) = self.schema.tables.get_mut(name) else { return };
        let Some(column) = table.columns.iter_mut().find(|column| column.name == *from) else { return };
        let before = SchemaObject::Column { table: name.clone(), column: column.clone() };
        column.name = to.clone();
        let after = SchemaObject::Column { table: name.clone(), column: column.clone() };
        self.changes.push(Change::Rename { before, after });
        within(table, from, to);
        self.rename_in_text(NewName::Column { of: name, from, to });
    }

    /// Returns the previous name of a table, if the table is renamed.
    fn old_name(&self, name: &QualifiedName) -> Option<QualifiedName> {
        self.changes.iter().find_map(|change| match change {
            Change::Rename {
                before: SchemaObject::Table { name: old, .. },
                after: SchemaObject::Table { name: new, .. },
            } if new == name => Some(old.clone()),
            _ => None,
        })
    }

    /// Finds the policies whose subqueries PostgreSQL stores with an alias after a column is renamed: `SELECT m.new AS old`.
    fn restate(&mut self, before: &Schema) {
        let mut restated = Vec::new();
        for (name, table) in &self.schema.tables {
            let old_name = self.old_name(name).unwrap_or_else(|| name.clone());
            for (old, policy) in before.tables[&old_name].policies.iter().zip(&table.policies) {
                let reads = policy.conditions().any(|condition| condition.sql.as_str().to_lowercase().contains("from"));
                if reads && !old.is_equivalent(policy) {
                    let item = |table: &QualifiedName, policy: &Policy| SchemaObject::Policy {
                        table: table.clone(),
                        policy: policy.clone(),
                    };
                    restated.push((item(&old_name, old), item(name, policy)));
                }
            }
        }
        self.restated = restated;
    }

    /// Applies a rename to the expressions of policies and check constraints. PostgreSQL stores these
    /// expressions as parse trees, which follow a rename, but function bodies as text, which does not.
    fn rename_in_text(&mut self, to: NewName<'_>) {
        for (name, table) in &mut self.schema.tables {
            for check in &mut table.checks {
                if let Some(text) = renamed(check.condition.as_str(), name, to) {
                    check.condition = text;
                }
            }
            for policy in &mut table.policies {
                let mut clear = true;
                for condition in policy.using.iter_mut().chain(&mut policy.with_check) {
                    match renamed(condition.sql.as_str(), name, to) {
                        Some(renamed) => condition.sql = renamed,
                        None => clear = false,
                    }
                }
                if !clear {
                    self.unclear.push(SchemaObject::Policy { table: name.clone(), policy: policy.clone() });
                }
            }
        }
    }
}

/// Renames a column in the keys, foreign keys and grants of its table.
fn within(table: &mut Table, from: &Ident, to: &Ident) {
    if let Scope::Tenant(column) | Scope::Parent(column) = &mut table.scope
        && column == from
    {
        *column = to.clone();
    }
    let keys = [&mut table.primary_key].into_iter().chain(&mut table.uniques).chain(&mut table.indexes);
    keys.for_each(|Key { columns, .. }| replace(columns, from, to));
    for key in &mut table.foreign_keys {
        replace(&mut key.columns, from, to);
        if let ForeignKeyAction::SetNull(column) = &mut key.on_delete
            && column == from
        {
            *column = to.clone();
        }
    }
    table.grants.iter_mut().for_each(|grant| replace(&mut grant.columns, from, to));
}

fn replace(columns: &mut [Ident], from: &Ident, to: &Ident) {
    columns.iter_mut().filter(|column| *column == from).for_each(|column| *column = to.clone());
}
