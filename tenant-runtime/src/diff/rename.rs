//! Applies renames to the earlier schema, so that an object that is only renamed compares as equal.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    Change, SchemaObject, counters,
    permutation::{Ordered, in_order, resolve},
};
use crate::{
    analyze::rewrite_identifiers::{NewName, renamed},
    ident::Ident,
    model::{
        migration_hints::ColumnName,
        schema::{
            Column, ColumnDefault, ForeignKey, ForeignKeyAction, Index, Key, Policy, QualifiedName, Schema, Scope,
            Table,
        },
    },
};

/// The earlier schema after the renames, and what the renames changed.
pub(super) struct Renamed {
    /// The schema.
    pub(super) schema: Schema,
    /// The renames, each from the old name to the new name.
    pub(super) changes: Vec<Change>,
    /// The same renames one by one, in an order in which they can run; some use temporary names.
    pub(super) steps: Vec<Change>,
    /// The objects to be dropped that make room for a renamed object: each under its temporary name and under its own name.
    pub(super) displaced: Vec<(SchemaObject, SchemaObject)>,
    /// The policies whose subqueries use a renamed table or column, before and after the rename.
    pub(super) restated: Vec<(SchemaObject, SchemaObject)>,
    /// The policies in which a name is ambiguous: it can refer to the renamed object or to another object.
    pub(super) unclear: Vec<SchemaObject>,
    /// Pairs of new objects with the same `renamed_from`, each as text.
    pub(super) conflicts: Vec<(String, String, String)>,
    /// The old name of each table that has a new name.
    old_names: BTreeMap<QualifiedName, QualifiedName>,
}

/// Applies the renames that the later schema declares to the earlier schema.
pub(super) fn rename(before: &Schema, after: &Schema) -> Renamed {
    let mut all = Renamed {
        schema: before.clone(),
        changes: Vec::new(),
        steps: Vec::new(),
        displaced: Vec::new(),
        restated: Vec::new(),
        unclear: Vec::new(),
        conflicts: Vec::new(),
        old_names: BTreeMap::new(),
    };
    all.rename_tables(before, after);
    all.rename_all_columns(after);
    all.restate(before);
    all
}

impl Renamed {
    fn rename_tables(&mut self, before: &Schema, after: &Schema) {
        let taken: BTreeSet<_> = before.tables.keys().cloned().collect();
        let mut resolved = resolve(&taken, &after.renames.tables, &before.renames.tables);
        resolved.moves.extend(counters::moves(before, after, &resolved.moves));
        let conflicts = resolved.conflicts.iter();
        let text = |name: &QualifiedName| format!("table `{name}`");
        self.conflicts.extend(conflicts.map(|(a, b, from)| (text(a), text(b), from.to_string())));
        let reserved = after.tables.keys().cloned().collect();
        let temporary = |name: &QualifiedName, number| QualifiedName {
            schema: name.schema.clone(),
            table: temporary_name(&name.table, number),
        };
        let Ordered { steps, displaced } = in_order(&resolved.moves, &taken, &reserved, temporary);
        let item = |name: &QualifiedName, of: &QualifiedName| SchemaObject::Table {
            name: name.clone(),
            table: Arc::clone(&before.tables[of]),
        };
        for (from, to) in &resolved.moves {
            self.changes.push(Change::Rename { before: item(from, from), after: item(to, from) });
            self.old_names.insert(to.clone(), from.clone());
        }
        for (to, from) in &displaced {
            self.displaced.push((item(to, from), item(from, from)));
            self.old_names.insert(to.clone(), from.clone());
        }
        for (from, to) in steps {
            self.rename_table(&from, &to);
        }
    }

    fn rename_table(&mut self, from: &QualifiedName, to: &QualifiedName) {
        let Some(table) = self.schema.tables.remove(from) else { return };
        let item = |name: &QualifiedName| SchemaObject::Table { name: name.clone(), table: Arc::clone(&table) };
        self.steps.push(Change::Rename { before: item(from), after: item(to) });
        self.schema.tables.insert(to.clone(), table);
        self.change_keys(from, |key| key.target = to.clone());
        counters::rename(&mut self.schema, from, to);
        let renames = &mut self.schema.renames;
        rekey(&mut renames.columns, from, to);
        rekey(&mut renames.labels, from, to);
        self.rename_in_text(NewName::Table { from, to });
    }

    /// Renames the columns of each table for which the later schema declares previous names.
    fn rename_all_columns(&mut self, after: &Schema) {
        let applied = by_table(&self.schema.renames.columns);
        for (name, declared) in by_table(&after.renames.columns) {
            if let Some(table) = after.tables.get(&name) {
                self.rename_columns(&name, table, &declared, applied.get(&name).unwrap_or(&BTreeMap::new()));
            }
        }
    }

    fn rename_columns(&mut self, name: &QualifiedName, after: &Table, declared: &Previous, applied: &Previous) {
        let Some(table) = self.schema.tables.get(name) else { return };
        let names =
            |table: &Table| -> BTreeSet<Ident> { table.columns.iter().map(|column| column.name.clone()).collect() };
        let taken = names(table);
        let resolved = resolve(&taken, declared, applied);
        let text = |column: &Ident| format!("column `{name}.{column}`");
        self.conflicts.extend(resolved.conflicts.iter().map(|(a, b, from)| (text(a), text(b), from.to_string())));
        let Ordered { steps, displaced } = in_order(&resolved.moves, &taken, &names(after), temporary_name);
        let columns = table.columns.clone();
        let item = |column: &Ident, of: &Ident| {
            let column = columns.iter().find(|other| other.name == *of).map(|found| {
                let mut renamed = found.clone();
                renamed.name = column.clone();
                renamed
            });
            column.map(|column| SchemaObject::Column { table: name.clone(), column })
        };
        for (from, to) in &resolved.moves {
            if let (Some(before), Some(after)) = (item(from, from), item(to, from)) {
                self.changes.push(Change::Rename { before, after });
            }
        }
        for (to, from) in &displaced {
            self.displaced.extend(item(to, from).zip(item(from, from)));
        }
        for (from, to) in steps {
            self.rename_column(name, &from, &to);
        }
    }

    fn rename_column(&mut self, name: &QualifiedName, from: &Ident, to: &Ident) {
        self.change_keys(name, |key| replace(&mut key.target_columns, from, to));
        let Some(table) = self.schema.tables.get_mut(name).map(Arc::make_mut) else { return };
        let Some(column) = table.columns.iter_mut().find(|column| column.name == *from) else { return };
        let before = SchemaObject::Column { table: name.clone(), column: column.clone() };
        column.name = to.clone();
        let after = SchemaObject::Column { table: name.clone(), column: column.clone() };
        self.steps.push(Change::Rename { before, after });
        within(table, from, to);
        let renames = &mut self.schema.renames;
        if let Some(labels) = renames.labels.remove(&(name.clone(), from.clone())) {
            renames.labels.insert((name.clone(), to.clone()), labels);
        }
        self.rename_in_text(NewName::Column { of: name, from, to });
    }

    /// Changes the foreign keys that reference a table.
    fn change_keys(&mut self, target: &QualifiedName, change: impl Fn(&mut ForeignKey)) {
        for table in self.schema.tables.values_mut() {
            if table.foreign_keys.iter().any(|key| key.target == *target) {
                let keys = Arc::make_mut(table).foreign_keys.iter_mut();
                keys.filter(|key| key.target == *target).for_each(&change);
            }
        }
    }

    /// Finds the policies whose subqueries PostgreSQL stores with an alias after a column is renamed: `SELECT m.new AS old`.
    fn restate(&mut self, before: &Schema) {
        if self.steps.is_empty() {
            return;
        }
        let mut restated = Vec::new();
        for (name, table) in &self.schema.tables {
            let old_name = self.old_names.get(name).unwrap_or(name);
            for (old, policy) in before.tables[old_name].policies.iter().zip(&table.policies) {
                let reads = policy.conditions().any(|condition| condition.sql.as_str().to_lowercase().contains("from"));
                if reads && !old.is_equivalent(policy) {
                    let item = |table: &QualifiedName, policy: &Policy| SchemaObject::Policy {
                        table: table.clone(),
                        policy: policy.clone(),
                    };
                    restated.push((item(old_name, old), item(name, policy)));
                }
            }
        }
        self.restated = restated;
    }

    /// Applies a rename to the expressions of policies, check constraints, generated columns and indexes. PostgreSQL stores these
    /// expressions as parse trees, which follow a rename, but function bodies as text, which does not.
    fn rename_in_text(&mut self, to: NewName<'_>) {
        for (name, table) in &mut self.schema.tables {
            let checks = table.checks.iter().map(|check| &check.condition);
            let checks = checks.chain(table.columns.iter().filter_map(Column::generated));
            let conditions = table.policies.iter().flat_map(Policy::conditions).map(|condition| &condition.sql);
            let indexes = table.indexes.iter().flat_map(Index::expressions);
            if !checks.chain(indexes).chain(conditions).any(|text| to.may_occur_in(text.as_str())) {
                continue;
            }
            let table = Arc::make_mut(table);
            let checks = table.checks.iter_mut().map(|check| &mut check.condition);
            for expression in checks.chain(table.indexes.iter_mut().flat_map(Index::expressions_mut)) {
                if let Some(text) = renamed(expression.as_str(), name, to) {
                    *expression = text;
                }
            }
            for column in &mut table.columns {
                if let Some(ColumnDefault::Generated(expression)) = &mut column.default
                    && let Some(text) = renamed(expression.as_str(), name, to)
                {
                    *expression = text;
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

/// Returns a name for an object whose own name is given to another object: `title_old`, `title_old2`, ….
pub(crate) fn temporary_name(name: &Ident, number: u32) -> Ident {
    let suffix = if number == 1 { "old".to_owned() } else { format!("old{number}") };
    Ident::derived([name.as_str(), &suffix])
}

/// The columns of a table, each with its previous name.
type Previous = BTreeMap<Ident, Ident>;

/// Groups the previous names of columns by table.
fn by_table(renames: &BTreeMap<ColumnName, Ident>) -> BTreeMap<QualifiedName, Previous> {
    let mut tables: BTreeMap<QualifiedName, Previous> = BTreeMap::new();
    for ((table, column), previous) in renames {
        tables.entry(table.clone()).or_default().insert(column.clone(), previous.clone());
    }
    tables
}

/// Replaces a table in the keys of a map.
fn rekey<V>(map: &mut BTreeMap<ColumnName, V>, from: &QualifiedName, to: &QualifiedName) {
    let entries = std::mem::take(map).into_iter();
    let rename = |((table, column), value)| ((if table == *from { to.clone() } else { table }, column), value);
    map.extend(entries.map(rename));
}

/// Renames a column in the keys, foreign keys, label checks and grants of its table.
fn within(table: &mut Table, from: &Ident, to: &Ident) {
    if let Scope::Tenant(column) | Scope::Parent(column) = &mut table.scope
        && column == from
    {
        *column = to.clone();
    }
    let keys = [&mut table.primary_key].into_iter().chain(&mut table.uniques);
    keys.for_each(|Key { columns, .. }| replace(columns, from, to));
    replace(table.indexes.iter_mut().flat_map(Index::columns_mut), from, to);
    for key in &mut table.foreign_keys {
        replace(&mut key.columns, from, to);
        if let ForeignKeyAction::SetNull(columns) = &mut key.on_delete {
            replace(columns, from, to);
        }
    }
    let labels = table.checks.iter_mut().filter_map(|check| check.labels.as_mut());
    labels.filter(|labels| labels.column == *from).for_each(|labels| labels.column = to.clone());
    table.grants.iter_mut().for_each(|grant| replace(&mut grant.columns, from, to));
}

fn replace<'a>(columns: impl IntoIterator<Item = &'a mut Ident>, from: &Ident, to: &Ident) {
    columns.into_iter().filter(|column| *column == from).for_each(|column| *column = to.clone());
}
