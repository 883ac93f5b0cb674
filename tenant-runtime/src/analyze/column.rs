//! Rules about columns: names, types, defaults, checks, and which column names the tenant and the row.

use std::collections::BTreeSet;

use super::{
    column_ident,
    finding::{Findings, field_place, place},
    id_columns, ident, list, row_id, sql_expr,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, ScopeDef, SqlType, TableDef},
        schema::{Check, Column, ColumnDefault, Expression},
    },
};

/// The columns that every table has already.
const SYSTEM_COLUMNS: [&str; 6] = ["tableoid", "xmin", "cmin", "xmax", "cmax", "ctid"];

/// Lowers the columns; nothing where one of them has no name or no type.
pub(super) fn columns(def: &TableDef, findings: &mut Findings) -> Option<Vec<Column>> {
    let mut names = BTreeSet::new();
    let columns: Vec<_> = def
        .columns
        .iter()
        .filter_map(|column| {
            let place = field_place(def, column);
            let name = ident(column.name, "column", &place, findings)?;
            if !names.insert(column.name) {
                let message = format!("two fields are the column `{name}`");
                findings.error(place, message, "give one of them another name: `#[tenant(column = \"…\")]`");
                return None;
            }
            if SYSTEM_COLUMNS.contains(&column.name) {
                let message = format!("every PostgreSQL table has a system column `{name}` already");
                findings.error(place, message, "give the column another name: `#[tenant(column = \"…\")]`");
                return None;
            }
            let ty = match column.ty {
                SqlType::Custom(text) => sql_expr::data_type(text)
                    .map_err(|error| {
                        findings.error(
                            &place,
                            format!("`sql_type = {text:?}` {error}"),
                            "write one type, such as `numeric(10, 2)`",
                        );
                    })
                    .ok()?,
                ty => Expression::trusted(ty.sql_name()?),
            };
            let default = default(def, column, &place, findings);
            Some(Column { name, comment: column.doc.trim().to_owned(), ty, nullable: column.nullable, default })
        })
        .collect();
    (columns.len() == def.columns.len()).then_some(columns)
}

fn default(def: &TableDef, column: &ColumnDef, place: &str, findings: &mut Findings) -> Option<ColumnDefault> {
    match (column.default, column.ty) {
        (Some(text), _) => sql_expr::expression(text)
            .map(ColumnDefault::Expression)
            .map_err(|error| {
                findings.error(
                    place,
                    format!("`default = {text:?}` {error}"),
                    "write one SQL expression, such as `now()`; a text stands in single quotes: `default = \"'todo'\"`",
                );
            })
            .ok(),
        (None, SqlType::Uuid) if made_by_database(def, column) => {
            Some(ColumnDefault::Expression(Expression::trusted("gen_random_uuid()")))
        }
        (None, SqlType::Int2 | SqlType::Int4 | SqlType::Int8) if made_by_database(def, column) => {
            Some(ColumnDefault::Identity)
        }
        _ => None,
    }
}

/// Says whether the database makes the column's values: it is the whole key, and nothing else supplies it.
fn made_by_database(def: &TableDef, column: &ColumnDef) -> bool {
    // A key that is the tenant's own comes from the context where rows are inserted in it, or from the table of tenants.
    let from_context = def.scope == (ScopeDef::Tenant { column: column.name })
        && (def.insert.is_some() || column.references.is_some());
    column.id && !column.app_assigned && id_columns(def).len() == 1 && !from_context
}

/// Lowers the CHECK constraints, those of labelled columns included.
pub(super) fn checks(def: &TableDef, findings: &mut Findings) -> Vec<Check> {
    let mut checks = Vec::new();
    for column in def.columns {
        let column_name = column_ident(column.name);
        if let SqlType::Labels(labels) = column.ty {
            let name = Ident::derived([def.name.table, column.name, "label"]);
            checks.push(Check { name, condition: Expression::one_of(&column_name, labels) });
        }
        if let Some(text) = column.check {
            match sql_expr::expression(text) {
                Ok(condition) => {
                    checks.push(Check { name: Ident::derived([def.name.table, column.name, "check"]), condition });
                }
                Err(error) => findings.error(
                    field_place(def, column),
                    format!("`check = {text:?}` {error}"),
                    "write one SQL condition on the row's columns, such as `length(name) > 0`",
                ),
            }
        }
    }
    checks
}

/// Finds the tenant column: `Some(None)` on a table that belongs to no tenant.
#[expect(clippy::option_option, reason = "the outer one says that an error was found, the inner that there is none")]
pub(super) fn tenant<'d>(
    def: &'d TableDef,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Option<Option<&'d ColumnDef>> {
    let ScopeDef::Tenant { column: name } = def.scope else { return Some(None) };
    let Some(column) = def.columns.iter().find(|column| column.name == name) else {
        findings.error(
            place(def),
            format!("`{}` has no column `{name}` to name its tenant", def.rust_name),
            format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
        );
        return None;
    };
    if column.nullable {
        findings.error(
            field_place(def, column),
            format!("the tenant column `{name}` may be NULL, and such a row would belong to nobody"),
            "make the field's type the key itself, not an `Option` of it; or make the table `global`",
        );
    }
    if column.ty != tenancy.def.key {
        findings.error(
            field_place(def, column),
            format!("the tenant column `{name}` has another type than the tenancy's key, {}", tenancy.key_type),
            "give the field the type of the tenancy's key",
        );
    }
    Some(Some(column))
}

/// Finds the column that names a row within its tenant.
pub(super) fn id<'d>(def: &'d TableDef, tenant: Option<&ColumnDef>, findings: &mut Findings) -> Option<&'d ColumnDef> {
    let ids = id_columns(def);
    let others = ids.iter().filter(|id| Some(id.name) != tenant.map(|tenant| tenant.name)).count();
    if ids.is_empty() || others > 1 {
        findings.error(
            place(def),
            format!("`{}` needs one column that names a row, and has {}", def.rust_name, others),
            "mark one field `#[tenant(id)]`; the tenant column may be marked beside it, for a key within the tenant",
        );
        return None;
    }
    if let Some(column) = ids.iter().find(|column| column.nullable) {
        let message = format!("the key `{}` may be NULL", column.name);
        findings.error(
            field_place(def, column),
            message,
            "make the field's type the key itself, not an `Option` of it",
        );
    }
    row_id(def)
}
