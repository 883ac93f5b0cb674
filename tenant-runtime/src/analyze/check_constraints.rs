//! Lowers check constraints: those of fields, those of the struct, and the label checks of enum columns.

use super::{
    column_ident,
    enums::text_labels,
    finding::{Findings, field_place, place},
    row_expression::{self, Use, columns_once},
    sql_expr::Parsed,
};
use crate::{
    ident::Ident,
    model::{
        def::{CheckDef, SqlType, TableDef},
        schema::{Check, Expression, LabelCheck},
    },
};

/// Lowers the check constraints in the order of the columns, and then those of the struct.
pub(super) fn checks(def: &TableDef, findings: &mut Findings) -> Vec<Check> {
    let mut checks = Vec::new();
    for column in def.columns {
        let column_name = column_ident(column.name);
        if let Some(labels) = text_labels(column.ty) {
            let name = Ident::derived([def.name.table, column.name, "label"]);
            let array = matches!(column.ty, SqlType::Array(_));
            let condition = if array { Expression::each_of } else { Expression::one_of };
            checks.push(Check {
                name,
                condition: condition(&column_name, labels.labels),
                labels: Some(LabelCheck {
                    column: column_name.clone(),
                    array,
                    labels: labels.labels.iter().map(ToString::to_string).collect(),
                }),
            });
        }
        let condition = column
            .check
            .and_then(|text| row_expression::parse(def, &field_place(def, column), Use::CHECK, text, findings));
        checks.extend(condition.map(|Parsed { expression, .. }| Check {
            name: Ident::derived([def.name.table, column.name, "check"]),
            condition: expression,
            labels: None,
        }));
    }
    checks.extend(def.checks.iter().filter_map(|check| of_struct(def, check, findings)));
    checks
}

/// Lowers a check constraint of the struct; `None` if its condition or its name is invalid.
fn of_struct(def: &TableDef, check: &CheckDef, findings: &mut Findings) -> Option<Check> {
    let place = place(def);
    let Parsed { expression, tree } = row_expression::parse(def, &place, Use::CHECK, check.condition, findings)?;
    let columns = columns_once(&tree);
    if columns.is_empty() {
        let message = format!("`check = {:?}` reads no column of `{}`", check.condition, def.name);
        findings.error(place, message, "write a condition on the row's columns, such as `starts_at < ends_at`");
        return None;
    }
    let name = match check.name {
        Some(name) => Ident::new(name)
            .map_err(|error| {
                let help = "set another name, or remove `name` for the default";
                findings.error(&place, format!("constraint name: {error}"), help);
            })
            .ok()?,
        None => {
            let columns = columns.iter().map(String::as_str);
            Ident::derived([def.name.table].into_iter().chain(columns).chain(["check"]))
        }
    };
    Some(Check { name, condition: expression, labels: None })
}
