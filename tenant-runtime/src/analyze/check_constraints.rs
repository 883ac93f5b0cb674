//! Lowers check constraints: those of fields, those of the struct, and the label checks of enum columns.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Visit as _, Visitor};

use super::{
    column_ident, expression_columns,
    finding::{Findings, field_place, place},
    list,
    sql_expr::{self, Parsed},
    unqualified_names,
};
use crate::{
    ident::{Ident, edit_distance},
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
        if let SqlType::Labels(labels) = column.ty {
            let name = Ident::derived([def.name.table, column.name, "label"]);
            checks.push(Check {
                name,
                condition: Expression::one_of(&column_name, labels.labels),
                labels: Some(LabelCheck {
                    column: column_name.clone(),
                    labels: labels.labels.iter().map(ToString::to_string).collect(),
                }),
            });
        }
        let condition = column.check.and_then(|text| condition(def, &field_place(def, column), text, findings));
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
    let Parsed { expression, tree } = condition(def, &place, check.condition, findings)?;
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

/// Returns the columns that a condition reads, each once, in the order in which the condition names them: the order of the
/// fields has no influence on the name of the constraint.
fn columns_once(condition: &Expr) -> Vec<String> {
    let mut columns = Vec::new();
    for (_, column) in expression_columns::columns(condition) {
        if !columns.contains(&column) {
            columns.push(column);
        }
    }
    columns
}

/// Parses the condition of a check constraint; `None` if PostgreSQL would reject it.
fn condition(def: &TableDef, place: &str, text: &str, findings: &mut Findings) -> Option<Parsed> {
    let parsed = match sql_expr::parsed(text) {
        Ok(parsed) => parsed,
        Err(error) => {
            findings.error(
                place,
                format!("`check = {text:?}` {error}"),
                "write a single SQL condition on the row's columns, such as `length(name) > 0`",
            );
            return None;
        }
    };
    let tree = &parsed.tree;
    if has_query(tree) {
        findings.error(
            place,
            format!("`check = {text:?}` contains a subquery, but a check constraint can read only its own row"),
            "write a condition on the row's columns; `with_check(insert = …, update = …)` accepts subqueries for the rows that \
             application roles write",
        );
        return None;
    }
    if calls_caller(tree) {
        findings.error(
            place,
            format!("`check = {text:?}` calls `caller()`, but a check constraint does not depend on the user"),
            "use `with_check(insert = …, update = …)` for conditions on the user",
        );
        return None;
    }
    let is_known = check_columns(def, place, text, tree, findings);
    let unqualified = unqualified_names::in_expression(tree);
    unqualified_names::check("check", text, unqualified, place, findings);
    is_known.then_some(parsed)
}

/// Returns whether the table has all columns that a condition reads, and reports the first that it does not have.
fn check_columns(def: &TableDef, place: &str, text: &str, condition: &Expr, findings: &mut Findings) -> bool {
    let is_known = |(qualifier, name): &(Option<String>, String)| {
        qualifier.as_deref().is_none_or(|qualifier| qualifier == def.name.table)
            && def.columns.iter().any(|column| column.name == name)
    };
    let unknown = expression_columns::columns(condition).into_iter().find(|column| !is_known(column));
    let Some((qualifier, name)) = unknown else { return true };
    let columns = || def.columns.iter().map(|column| column.name);
    let nearest = columns().min_by_key(|column| edit_distance(&name, column));
    // A name that differs in more than a third of its letters is another word.
    let nearest = nearest.filter(|column| edit_distance(&name, column) <= name.len().max(column.len()).div_ceil(3));
    let suggestion = nearest.map(|column| format!("did you mean `{column}`? ")).unwrap_or_default();
    let name = qualifier.map_or_else(|| name.clone(), |qualifier| format!("{qualifier}.{name}"));
    findings.error(
        place,
        format!("`check = {text:?}` reads `{name}`, which is not a column of `{}`", def.name),
        format!("{suggestion}its columns are {}; put text in single quotes", list(columns())),
    );
    false
}

/// Returns whether an expression calls `caller()`, which only the conditions of policies can use.
fn calls_caller(condition: &Expr) -> bool {
    sql_expr::contains(condition, |inner| match inner {
        Expr::Function(function) => function.name.to_string().eq_ignore_ascii_case("caller"),
        _ => false,
    })
}

/// Returns whether an expression contains a query, also as in `ARRAY(SELECT …)`.
fn has_query(condition: &Expr) -> bool {
    struct AnyQuery;
    impl Visitor for AnyQuery {
        type Break = ();

        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
            ControlFlow::Break(())
        }
    }
    condition.visit(&mut AnyQuery).is_break()
}
