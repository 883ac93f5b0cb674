//! Rules about the way from what was before: what was called otherwise, and what fills a column that takes NULL no more.

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

/// Collects what attributes say about the way.
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

/// The name that a table had, in its schema of now where the attribute names none.
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
                "`backfill` fills a column that takes NULL no more, and `{}` {}",
                column.name,
                match column.nullable {
                    true => "takes it",
                    false => "has a default, which fills every row",
                }
            ),
            "drop `backfill = …`",
        );
        return None;
    }
    sql_expr::expression(text)
        .map_err(|error| {
            findings.error(
                field_place(def, column),
                format!("`backfill = {text:?}` {error}"),
                "write one SQL expression on the row's other columns, such as `lower(name)`",
            );
        })
        .ok()
}
