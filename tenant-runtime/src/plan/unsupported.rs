//! Unsupported changes: PostgreSQL cannot make them without losing rows, or they are ambiguous.

use std::sync::Arc;

use super::{
    enums,
    labels::LabelChange,
    refusal::{Refusal, Refusals},
    type_change::{TypeChange, type_change},
};
use crate::{
    analyze::expression_columns::may_read,
    diff::{Change, Diff, SchemaObject},
    ident::{Ident, literal},
    model::{
        migration_hints::MigrationHints,
        schema::{Column, QualifiedName, RoleKind, Schema, Table},
    },
};

/// Returns an error with all unsupported changes, if there are any.
pub(super) fn validate(
    before: &Schema,
    after: &Schema,
    diff: &Diff,
    labels: &[LabelChange],
    hints: &MigrationHints,
) -> Result<(), Refusals> {
    let mut refusals = Vec::new();
    let Diff { renamed, changes, unclear, .. } = diff;
    if let (Some(old), Some(new)) = (before.owner(), after.owner())
        && old.name != new.name
    {
        // The schema owner owns all objects, and all databases of the cluster share this role.
        return Err(Refusals(vec![Refusal {
            what: format!("the role prefix changed: the schema owner is now `{}` instead of `{}`", new.name, old.name),
            help: "restore the old prefix; or rename the roles manually (`ALTER ROLE … RENAME TO …`, as the administrator, \
                   while no app is connected) and start a new migrations folder for a new database"
                .to_owned(),
        }]));
    }
    if before.external_roles && !after.external_roles {
        return Err(Refusals(vec![Refusal {
            what: "`external_roles` was removed: migrations cannot take over externally managed roles".to_owned(),
            help: "keep `external_roles` in the tenancy; or start a new migrations folder for a new database"
                .to_owned(),
        }]));
    }
    refusals.extend(unclear.iter().map(|item| Refusal {
        what: format!("cannot rename: the subquery of {item} uses the old name without a table name before it, so it can mean a column of either table"),
        help: "first qualify each column in the subquery with its table (`projects.title`) and generate that migration; then \
               rename"
            .to_owned(),
    }));
    for change in changes {
        let refusal = enums::refuse(change, renamed, after);
        refusals.extend(refusal.or_else(|| refuse(change, changes, renamed, after, hints)));
    }
    refusals.extend(stale_backfills(after, changes, hints));
    refusals.extend(early_generated_columns(after, changes, hints));
    refusals.extend(early_counters(after, changes));
    refusals.extend(diff.conflicts.iter().map(|(a, b, from)| Refusal {
        what: format!("both {a} and {b} have `renamed_from = \"{from}\"`, but one name can be renamed only once"),
        help: "keep `renamed_from` on the one that has the existing values".to_owned(),
    }));
    labels.iter().for_each(|labels| refuse_labels(labels, &mut refusals));
    if refusals.is_empty() { Ok(()) } else { Err(Refusals(refusals)) }
}

fn refuse(
    change: &Change,
    changes: &[Change],
    renamed: &Schema,
    after: &Schema,
    hints: &MigrationHints,
) -> Option<Refusal> {
    let partitioned = |table: &QualifiedName| renamed.tables.get(table).filter(|table| table.partitions.is_some());
    match change {
        Change::Alter { before: SchemaObject::Partitions { .. }, after: SchemaObject::Partitions { table, .. } } => {
            Some(Refusal {
                what: format!("cannot {change}: PostgreSQL cannot repartition a table"),
                help: format!(
                    "declare a second struct with the new `partition_by_hash`, copy the rows of `{table}` in a hand-written \
                     migration, and remove the old struct; or restore the attribute"
                ),
            })
        }
        Change::Add(SchemaObject::Column { table, column }) if !can_add_to_rows(table, column, hints) => {
            Some(Refusal {
                what: format!(
                    "cannot add column `{table}.{}`: it is NOT NULL, and no value is given for existing rows",
                    column.name
                ),
                help: format!("{}{}", maybe_renamed(table, column, changes), suggestions(column)),
            })
        }
        Change::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: SchemaObject::Column { table, column },
        } if before.ty != column.ty && column.generated().is_none() => {
            let place = format!("column `{table}.{}`", column.name);
            if partitioned(table).is_some_and(|table| table.tenant_column() == Some(&column.name)) {
                return Some(Refusal {
                    what: format!("cannot change the type of {place}: the table is partitioned by it"),
                    help: "declare a second struct with the new type, and copy the rows in a hand-written migration"
                        .to_owned(),
                });
            }
            let effect = type_change(before.ty.as_str(), column.ty.as_str(), &enums::names(renamed, after));
            (effect == TypeChange::Unsupported).then(|| Refusal {
                what: format!("cannot change {place} from `{}` to `{}`: PostgreSQL has no conversion", before.ty, column.ty),
                help: "give the field another name (`column = \"…\"`), which adds a second column; fill it in a hand-written \
                       migration, and drop the old column afterwards"
                    .to_owned(),
            })
        }
        Change::Alter {
            before: SchemaObject::Extension { schema: before, .. },
            after: SchemaObject::Extension { name, schema },
        } => Some(Refusal {
            what: format!(
                "cannot move extension `{name}` from schema `{before}` to `{schema}`: columns and functions name its types with the schema"
            ),
            help: format!("restore `{before}` in `extensions` of the tenancy"),
        }),
        Change::Drop(SchemaObject::Role { role, .. })
            if matches!(role.kind, RoleKind::SchemaOwner | RoleKind::Login { .. }) =>
        {
            Some(Refusal {
                what: format!("cannot drop role `{}`: the schema depends on it", role.name),
                help: "restore the old tenancy, or start a new migrations folder for a new database".to_owned(),
            })
        }
        _ => None,
    }
}

/// Returns the backfills that name a column by the name that it had before this migration: the UPDATE would fail after the
/// rename has been committed.
fn stale_backfills(after: &Schema, changes: &[Change], hints: &MigrationHints) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for change in changes {
        let Change::Rename {
            before: SchemaObject::Column { column: old, .. },
            after: SchemaObject::Column { table, column: new },
        } = change
        else {
            continue;
        };
        let is_taken = |table: &Arc<Table>| table.columns.iter().any(|column| column.name == old.name);
        if after.tables.get(table).is_some_and(is_taken) {
            continue;
        }
        for ((of, filled), with) in &hints.backfills {
            if of == table && may_read(with, &old.name) {
                refusals.push(Refusal {
                    what: format!(
                        "the backfill of column `{of}.{filled}` reads `{}`, which this migration renames to `{}`",
                        old.name, new.name
                    ),
                    help: format!("write `{}` in `backfill = …`: it runs after the rename", new.name),
                });
            }
        }
    }
    refusals
}

/// Returns the NOT NULL generated columns that read a column whose existing rows are filled by a later file of the same migration:
/// until then, their expressions can be NULL.
fn early_generated_columns(after: &Schema, changes: &[Change], hints: &MigrationHints) -> Vec<Refusal> {
    let added = changes.iter().filter_map(|change| match change {
        Change::Add(SchemaObject::Column { table, column }) => Some((table, column)),
        Change::Alter { before: SchemaObject::Column { .. }, after: SchemaObject::Column { table, column } } => {
            Some((table, column))
        }
        _ => None,
    });
    let mut refusals = Vec::new();
    for (table, column) in added.clone().filter(|(_, column)| !column.nullable) {
        let Some(expression) = column.generated() else { continue };
        let is_filled = |other: &Column| {
            let place = (table.clone(), other.name.clone());
            added.clone().any(|(of, changed)| of == table && changed == other) && hints.backfills.contains_key(&place)
        };
        let columns = after.tables.get(table).map(|table| table.columns.as_slice()).unwrap_or_default();
        let filled =
            columns.iter().find(|other| !other.nullable && is_filled(other) && may_read(expression, &other.name));
        refusals.extend(filled.map(|filled| Refusal {
            what: format!(
                "cannot generate column `{table}.{}` yet: it reads `{}`, which this migration fills in existing rows only later",
                column.name, filled.name
            ),
            help: format!("first generate the migration without `{}`, then add the field", column.name),
        }));
    }
    refusals
}

/// Returns the new counters of tables whose tenant column is filled by a later file of the same migration: until then, the tenant of
/// the existing rows is not known.
fn early_counters(after: &Schema, changes: &[Change]) -> Vec<Refusal> {
    let is_filled_later = |of: &QualifiedName, tenant: &Ident| {
        changes.iter().any(|change| match change {
            Change::Add(SchemaObject::Column { table, column }) => table == of && column.name == *tenant,
            Change::Alter {
                before: SchemaObject::Column { column: before, .. },
                after: SchemaObject::Column { table, column },
            } => table == of && column.name == *tenant && before.nullable && !column.nullable,
            _ => false,
        })
    };
    let mut refusals = Vec::new();
    for change in changes {
        let (table, column) = match change {
            Change::Add(SchemaObject::Column { table, column }) => (table, column),
            Change::Alter {
                before: SchemaObject::Column { column: before, .. },
                after: SchemaObject::Column { table, column },
            } if before.default != column.default => (table, column),
            _ => continue,
        };
        let Some(found) = after.tables.get(table).filter(|_| column.counter().is_some()) else { continue };
        // A tenant column that the parents determine is filled before the rows are numbered.
        let tenant = found.tenant_column().filter(|tenant| !found.is_from_parent(tenant));
        if let Some(tenant) = tenant.filter(|tenant| is_filled_later(table, tenant)) {
            refusals.push(Refusal {
                what: format!(
                    "cannot number the rows of `{table}` in `{}` yet: this migration fills its tenant column `{tenant}` in existing \
                     rows only later",
                    column.name
                ),
                help: "first generate the migration without the counter, then add it".to_owned(),
            });
        }
    }
    refusals
}

/// Refuses a change of labels after which existing rows would have no label, or labels of different rows would be the same.
fn refuse_labels(change: &LabelChange, refusals: &mut Vec<Refusal>) {
    let LabelChange { table, column, lost, merged, conflicts, .. } = change;
    let place = format!("`{table}.{column}`");
    if !lost.is_empty() {
        let shown = lost.iter().map(|label| format!("`{label}`")).collect::<Vec<_>>().join(", ");
        let (labels, have, them) = if lost.len() == 1 { ("label", "is", "it") } else { ("labels", "are", "them") };
        let values = lost.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ");
        refusals.push(Refusal {
            what: format!("the {labels} {shown} of {place} {have} no longer declared, but existing rows can have {them}"),
            help: format!(
                "if a label was renamed, add `#[tenant(renamed_from = \"{first}\")]` to its variant; if it was removed, add \
                 `#[tenant(replaces = \"{first}\")]` to the variant that existing rows shall have instead\n  \
                 to count the rows, run SELECT count(*) FROM {} WHERE {} IN ({values}) as a role that bypasses RLS",
                table.quoted(),
                column.quoted(),
                first = lost[0],
            ),
        });
    }
    refusals.extend(merged.iter().map(|(from, to)| Refusal {
        what: format!("{place}: the label `{from}` is renamed to `{to}`, but existing rows can have the label `{to}` already"),
        help: format!(
            "to give both the label `{to}`, write `#[tenant(replaces = \"{from}\")]` instead of `renamed_from`; otherwise rename \
             `{to}` as well: add `renamed_from = \"{to}\"` to the variant that it became"
        ),
    }));
    refusals.extend(conflicts.iter().map(|(a, b, from)| Refusal {
        what: format!(
            "{place}: both `{a}` and `{b}` have `renamed_from = \"{from}\"`, but a label can be renamed only once"
        ),
        help: "keep `renamed_from` on one of the two variants".to_owned(),
    }));
}

/// Suggests `renamed_from` if a new column could be a dropped column under a new name: its values would be lost.
fn maybe_renamed(table: &QualifiedName, column: &Column, changes: &[Change]) -> String {
    let gone = changes.iter().filter_map(|change| match change {
        Change::Drop(SchemaObject::Column { table: of, column: gone }) if of == table && gone.ty == column.ty => {
            Some(&gone.name)
        }
        _ => None,
    });
    gone.map(|gone| format!("if `{gone}` was renamed, add `#[tenant(renamed_from = \"{gone}\")]`; otherwise "))
        .collect()
}

/// Returns whether a column can be added to a table with rows: existing rows get a value for the
/// column, or the column is nullable.
fn can_add_to_rows(table: &QualifiedName, column: &Column, hints: &MigrationHints) -> bool {
    column.nullable || column.default.is_some() || hints.backfills.contains_key(&(table.clone(), column.name.clone()))
}

fn suggestions(column: &Column) -> String {
    let example = match column.ty.as_str() {
        "text" => "''",
        "boolean" => "false",
        "uuid" => "gen_random_uuid()",
        "timestamptz" | "timestamp" | "date" => "now()",
        "smallint" | "integer" | "bigint" | "numeric" | "real" | "double precision" => "0",
        _ => "…",
    };
    format!(
        "add `default = \"{example}\"`, which fills every row; or make the field an `Option`; or fill existing rows with an \
         expression over their other columns, such as `backfill = \"coalesce(another_column, {example})\"`"
    )
}
