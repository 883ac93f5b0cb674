//! Collects from attributes what existing rows need: previous names, and expressions and labels for values.

use std::collections::BTreeMap;

use super::{
    Known, column_ident, enums,
    finding::{Findings, field_place, place},
    ident, sql_expr, unqualified_names,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, LabelsDef, TableDef, TenancyDef},
        migration_hints::{MigrationHints, Renames},
        schema::{Expression, QualifiedName},
    },
};

/// Collects the previous names, and the expressions and labels for existing rows.
pub(super) fn migration_hints(known: &Known, findings: &mut Findings) -> (Renames, MigrationHints) {
    let (mut renames, mut hints) = (Renames::default(), MigrationHints::default());
    for (name, def) in &known.by_qualified_name {
        if let Some(old) = old_name(name, def, findings) {
            renames.tables.insert(name.clone(), old);
        }
        for column in def.columns {
            let place = || (name.clone(), column_ident(column.name));
            let old =
                column.renamed_from.and_then(|old| ident(old, "renamed_from", &field_place(def, column), findings));
            if let Some(old) = old {
                renames.columns.insert(place(), old);
            }
            if let Some(with) = backfill(def, column, findings) {
                hints.backfills.insert(place(), with);
            }
            let is_role = def.membership.is_some_and(|columns| columns.role == column.name)
                || def.invitation.is_some_and(|columns| columns.role == column.name);
            if let Some(declared) = enums::enum_of(column.ty)
                && let Some(name) = enums::qualified(def, &declared, &field_place(def, column), findings)
            {
                let renamed = renamed_labels(&declared.labels, def.tenancy, is_role);
                if !renamed.is_empty() {
                    renames.enums.entry(name).or_default().extend(renamed);
                }
            }
            if let Some(labels) = enums::text_labels(column.ty) {
                let renamed = renamed_labels(&labels, def.tenancy, is_role);
                if !renamed.is_empty() {
                    renames.labels.insert(place(), renamed);
                }
                let replaced = labels.replaced.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned()));
                if !labels.replaced.is_empty() {
                    hints.replaced_labels.insert(place(), replaced.collect());
                }
            }
        }
    }
    (renames, hints)
}

/// Returns each renamed label with its previous text. In a column that contains roles, a role renamed in the tenancy is a renamed
/// label.
fn renamed_labels(labels: &LabelsDef, tenancy: &TenancyDef, is_role: bool) -> BTreeMap<String, String> {
    let roles = tenancy.roles.iter().filter(|role| is_role && labels.labels.contains(&role.name));
    let roles = roles.filter_map(|role| Some((role.name, role.renamed_from?)));
    let all = roles.chain(labels.renamed.iter().copied());
    all.map(|(new, old)| (new.to_owned(), old.to_owned())).collect()
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
    if column.nullable {
        findings.error(
            field_place(def, column),
            format!("`backfill` requires a NOT NULL column, and `{}` is nullable", column.name),
            "remove `backfill = …`, or make the field required (not an `Option`)",
        );
        return None;
    }
    let place = field_place(def, column);
    sql_expr::parsed(text)
        .inspect(|with| {
            let unqualified = unqualified_names::in_expression(&with.tree);
            unqualified_names::check("backfill", text, unqualified, &place, findings);
        })
        .map(|with| with.expression)
        .map_err(|error| {
            findings.error(
                field_place(def, column),
                format!("`backfill = {text:?}` {error}"),
                "write a single SQL expression on the row's other columns, such as `lower(name)`",
            );
        })
        .ok()
}
