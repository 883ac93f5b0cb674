//! The labels of enum columns: which labels of existing rows change, and which have no place in the new list.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    diff::resolve,
    ident::Ident,
    model::{
        migration_hints::MigrationHints,
        schema::{LabelCheck, QualifiedName, Schema, Table},
    },
};

/// Formats renames of labels for a message, as `old` to `new`.
pub(super) fn shown(labels: &BTreeMap<String, String>) -> String {
    labels.iter().map(|(old, new)| format!("`{old}` to `{new}`")).collect::<Vec<_>>().join(", ")
}

/// The change of an enum column's labels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LabelChange {
    pub(super) table: QualifiedName,
    pub(super) column: Ident,
    /// Whether the column contains arrays of labels.
    pub(super) array: bool,
    /// The labels of existing rows that change, each with its new text.
    pub(super) up: BTreeMap<String, String>,
    /// The labels that change when the migration is reverted.
    pub(super) down: BTreeMap<String, String>,
    /// The labels that existing rows can have, and that are neither declared any more nor replaced.
    pub(super) lost: Vec<String>,
    /// The renamed labels whose new text is the label of other rows: old text and new text.
    pub(super) merged: Vec<(String, String)>,
    /// Pairs of labels with the same `renamed_from`, with that text.
    pub(super) conflicts: Vec<(String, String, String)>,
    /// Whether every earlier label is still declared, so that no row can violate the new check.
    pub(super) only_adds: bool,
}

/// Compares the labels of the columns that exist before and after.
pub(super) fn label_changes(renamed: &Schema, after: &Schema, hints: &MigrationHints) -> Vec<LabelChange> {
    let mut changes = Vec::new();
    for (name, table) in &after.tables {
        let Some(old) = renamed.tables.get(name) else { continue };
        for new in label_checks(table) {
            if !old.columns.iter().any(|column| column.name == new.column) {
                continue;
            }
            let checked = label_checks(old).find(|old| old.column == new.column).map(|old| &old.labels);
            let labels = checked.or_else(|| enum_labels(old, &new.column, renamed));
            changes.push(change(name, labels, new, renamed, after, hints));
        }
    }
    changes
}

fn label_checks(table: &Table) -> impl Iterator<Item = &LabelCheck> {
    table.checks.iter().filter_map(|check| check.labels.as_ref())
}

/// Returns the labels of a column that had an enum type.
fn enum_labels<'s>(table: &Table, column: &Ident, schema: &'s Schema) -> Option<&'s Vec<String>> {
    let column = table.columns.iter().find(|other| other.name == *column)?;
    schema.enum_of(&column.ty).map(|ty| &ty.labels)
}

fn change(
    table: &QualifiedName,
    old: Option<&Vec<String>>,
    new: &LabelCheck,
    renamed: &Schema,
    after: &Schema,
    hints: &MigrationHints,
) -> LabelChange {
    let place = (table.clone(), new.column.clone());
    let none = BTreeMap::new();
    let declared = after.renames.labels.get(&place).unwrap_or(&none);
    let applied = renamed.renames.labels.get(&place).unwrap_or(&none);
    let replaced = hints.replaced_labels.get(&place).unwrap_or(&none);
    let labels: BTreeSet<String> = match old {
        Some(old) => old.iter().cloned().collect(),
        // The column was text without a list: it can contain the labels that the attributes name.
        None => declared.values().chain(replaced.keys()).cloned().collect(),
    };
    let resolved = resolve(&labels, declared, applied);
    let mut up = resolved.moves;
    let mut down: BTreeMap<_, _> = up.iter().map(|(from, to)| (to.clone(), from.clone())).collect();
    let is_known = old.is_some();
    let merged = up.iter().filter(|(_, to)| is_known && labels.contains(*to) && !up.contains_key(*to));
    let merged = merged.map(|(from, to)| (from.clone(), to.clone())).collect();
    for (from, to) in replaced.iter().filter(|(from, _)| labels.contains(*from) && !new.labels.contains(from)) {
        up.entry(from.clone()).or_insert_with(|| to.clone());
    }
    for (from, to) in &up {
        // Rows that had a label before cannot be told from rows whose label it replaced; they keep it.
        if !labels.contains(to) || up.contains_key(to) {
            down.entry(to.clone()).or_insert_with(|| from.clone());
        }
    }
    if !is_known {
        down.clear();
    }
    let is_lost = |label: &&String| !new.labels.contains(label) && !up.contains_key(*label);
    let lost: Vec<_> = labels.iter().filter(is_lost).cloned().collect();
    let only_adds = is_known && up.is_empty() && lost.is_empty();
    let (table, column) = place;
    LabelChange { table, column, array: new.array, up, down, lost, merged, conflicts: resolved.conflicts, only_adds }
}
