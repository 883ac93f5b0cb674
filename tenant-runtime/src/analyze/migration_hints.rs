//! Collects migration hints from attributes: previous names, and backfill expressions for columns that become NOT NULL.

use super::{
    Known, column_ident,
    finding::{Findings, field_place, place},
    ident, sql_expr,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, TableDef},
        migration_hints::MigrationHints,
        schema::{Expression, QualifiedName},
    },
};

/// Collects the migration hints.
pub(super) fn transition(known: &Known, findings: &mut Findings) -> MigrationHints {
    let mut transition = MigrationHints::default();
    for (name, def) in &known.by_qualified_name {
        if let Some(old) = old_name(name, def, findings) {
            transition.tables.insert(name.clone(), old);
        }
        for column in def.columns {
            let place = || (name.clone(), column_ident(column.name));
            let old =
                column.renamed_from.and_then(|old| ident(old, "renamed_from", &field_place(def, column), findings));
            if let Some(old) = old {
                transition.columns.insert(place(), old);
            }
            if let Some(with) = backfill(def, column, findings) {
                transition.backfills.insert(place(), with);
            }
        }
    }
    transition
}

/// Returns the previous name of a table, in its current schema if the attribute names no schema.
fn old_name(name: &QualifiedName, def: &TableDef, findings: &mut Findings) -> Option<QualifiedName> {
    let old = def.renamed_from?;
    let (schema, table) = old.split_once('.').map_or((None, old), |(schema, table)| (Some(schema), table));
    let mut ident = |name: &str| ident(name, "renamed_from", &place(def), findings);
    let table = ident(table)?;
    let schema: Ident = match schema {
        None => name.schema.clone(),
        Some(schema) => ident(schema)?,
    };
    Some(QualifiedName { schema, table })
}

fn backfill(def: &TableDef, column: &ColumnDef, findings: &mut Findings) -> Option<Expression> {
    let text = column.backfill?;
    if column.nullable || column.default.is_some() {
        findings.error(
            field_place(def, column),
            format!(
                "`backfill` requires a NOT NULL column without a default, and `{}` {}",
                column.name,
                match column.nullable {
                    true => "is nullable",
                    false => "has a default, which fills all existing rows",
                }
            ),
            "remove `backfill = …`",
        );
        return None;
    }
    sql_expr::expression(text)
        .map_err(|error| {
            findings.error(
                field_place(def, column),
                format!("`backfill = {text:?}` {error}"),
                "write a single SQL expression on the row's other columns, such as `lower(name)`",
            );
        })
        .ok()
}
