//! Checks and lowers columns that the database sets: generated columns, and the time of the last update.
//!
//! The time is set by a BEFORE UPDATE trigger. Its function sets one column of the new row and does nothing else, so it runs with
//! the privileges of the statement. There is one function for each column name and type: a function that gets the column's name
//! as an argument would have to convert each row to JSON and back.

use std::collections::BTreeMap;

use super::{
    Known, column_ident,
    expression_columns::may_read,
    finding::Findings,
    row_expression::{self, Use, columns_once},
    sql_expr::{self, Parsed},
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, NO_ROLE, SqlType, TableDef},
        names,
        schema::{ColumnDefault, Expression, Function, QualifiedName, Returns, Trigger, TriggerKind, Volatility},
    },
};

/// Returns the value of a column that the database sets; `None` if the declaration is invalid.
pub(super) fn value(def: &TableDef, column: &ColumnDef, place: &str, findings: &mut Findings) -> Option<ColumnDefault> {
    let attribute = if column.generated.is_some() { "generated" } else { "updated_at" };
    check_sources(def, column, attribute, place, findings);
    if let Some(text) = column.generated {
        return generated(def, column, text, place, findings).map(ColumnDefault::Generated);
    }
    let Some(now) = now(column.ty) else {
        findings.error(
            place,
            format!("`updated_at` requires a column of a timestamp type, and `{}` is none", column.name),
            "use a type that maps to `timestamptz`, such as `chrono::DateTime<chrono::Utc>`, or remove `updated_at`",
        );
        return None;
    };
    if column.nullable {
        findings.error(
            place,
            format!("the database always sets `{}`, so it cannot be nullable", column.name),
            "use the time type itself instead of an `Option`",
        );
    }
    Some(ColumnDefault::Expression(Expression::trusted(now)))
}

/// Reports a column that has another source for its value than that attribute as well.
pub(super) fn check_sources(def: &TableDef, column: &ColumnDef, attribute: &str, place: &str, findings: &mut Findings) {
    let is_computed_twice = [column.generated.is_some(), column.updated_at, column.counter];
    let is_computed_twice = is_computed_twice.into_iter().filter(|is_set| *is_set).count() > 1;
    let is_written = def.is_fixed(column)
        || column.app_assigned
        || def.is_reference(column)
        || column.default.is_some()
        || column.insert.is_some()
        || column.update.is_some()
        || column.backfill.is_some() && (column.generated.is_some() || column.counter)
        || is_computed_twice;
    if is_written || names_column(def, column) {
        findings.error(
            place,
            format!("`{attribute}` is not allowed on `{}`, whose value has another source", column.name),
            format!(
                "remove `{attribute}`, or the other attributes of the field: the database sets the value, and no statement can"
            ),
        );
    }
}

/// Returns whether the table's declaration names a column that the app or a function writes.
fn names_column(def: &TableDef, column: &ColumnDef) -> bool {
    let membership = def.membership.map(|membership| [membership.user, membership.role]);
    let invitation = def.invitation.map(|found| [found.email, found.role, found.token, found.expires, found.by]);
    let named = membership.into_iter().flatten().chain(invitation.into_iter().flatten()).chain(def.visibility);
    named.into_iter().any(|name| name == column.name)
}

/// Lowers the expression of a generated column.
fn generated(
    def: &TableDef,
    column: &ColumnDef,
    text: &str,
    place: &str,
    findings: &mut Findings,
) -> Option<Expression> {
    let Parsed { expression, tree } = row_expression::parse(def, place, Use::GENERATED, text, findings)?;
    let read = columns_once(&tree);
    for other in def.columns.iter().filter(|other| read.iter().any(|name| name == other.name)) {
        if other.generated.is_some() {
            let what = match other.name == column.name {
                true => "its own column".to_owned(),
                false => format!("`{}`, which is generated as well", other.name),
            };
            findings.error(
                place,
                format!("`generated = {text:?}` reads {what}"),
                "PostgreSQL computes all generated columns from ordinary ones: write the other expression in its place",
            );
        }
        check_disclosure(column, other, text, place, findings);
    }
    Some(expression)
}

/// Returns whether a column is generated from another one.
pub(super) fn reads(generated: &ColumnDef, column: &ColumnDef) -> bool {
    let expression = generated.generated.and_then(|text| sql_expr::expression(text).ok());
    expression.is_some_and(|expression| may_read(&expression, &column_ident(column.name)))
}

/// Reports a generated column that would reveal values of a column with fewer readers, or with statistics off.
fn check_disclosure(column: &ColumnDef, other: &ColumnDef, text: &str, place: &str, findings: &mut Findings) {
    if let (Some(reader), None) = (other.select, column.select) {
        let who =
            if reader == NO_ROLE { "no role can read".to_owned() } else { format!("requires `{reader}` to read") };
        findings.error(
            place,
            format!("`generated = {text:?}` would reveal `{}`, which {who}", other.name),
            format!(
                "add `select = \"{reader}\"` to the field; or, if other roles may read what the expression returns, add `select` \
                 with the lowest of them"
            ),
        );
    }
    if other.sensitive && !column.sensitive {
        findings.error(
            place,
            format!("statistics of `{}` would reveal `{}`, which is `sensitive`", column.name, other.name),
            "add `sensitive` to the field",
        );
    }
}

/// Returns the time of the transaction in a timestamp type, for a default; `None` for other types.
fn now(ty: SqlType) -> Option<&'static str> {
    match has_time_zone(ty)? {
        true => Some("now()"),
        false => Some("now() AT TIME ZONE 'UTC'"),
    }
}

/// Returns whether a timestamp type has a time zone; `None` for other types.
fn has_time_zone(ty: SqlType) -> Option<bool> {
    match ty {
        SqlType::Timestamptz => Some(true),
        SqlType::Timestamp => Some(false),
        SqlType::Custom(text) => {
            let words: Vec<_> = text.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase).collect();
            match words.first()?.as_str() {
                "timestamptz" => Some(true),
                "timestamp" => Some(words.iter().any(|word| word == "with")),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Returns the name of the function and the trigger that set a column to the time of the transaction.
fn touch(column: &ColumnDef) -> Ident {
    match has_time_zone(column.ty) {
        Some(false) => Ident::derived([names::UTC_TOUCH, column.name]),
        _ => Ident::derived([names::TOUCH, column.name]),
    }
}

/// Creates the triggers of a table that set times of updates.
pub(super) fn triggers(def: &TableDef, tenancy: &Tenancy) -> Vec<Trigger> {
    let touched = def.columns.iter().filter(|column| column.updated_at);
    let trigger = |column: &ColumnDef| {
        let name = touch(column);
        Trigger { function: tenancy.function(name.as_str()), name, kind: TriggerKind::BeforeUpdate }
    };
    touched.map(trigger).collect()
}

/// Creates the functions of these triggers, which the owner of the tables can name in triggers.
pub(super) fn functions(known: &Known, tenancy: &Tenancy, owner: &Ident) -> BTreeMap<QualifiedName, Function> {
    let columns = known.by_qualified_name.values().flat_map(|def| def.columns).filter(|column| column.updated_at);
    let function = |column: &ColumnDef| {
        let now = match has_time_zone(column.ty) {
            Some(false) => "pg_catalog.now() AT TIME ZONE 'UTC'",
            _ => "pg_catalog.now()",
        };
        let name = column_ident(column.name);
        let function = Function {
            comment: format!("Trigger function: sets {name} of an updated row to the time of the transaction."),
            arguments: Vec::new(),
            returns: Returns::NewRow,
            volatility: Volatility::Volatile,
            exact_floats: false,
            extension_schemas: Vec::new(),
            body: format!("BEGIN\n    NEW.{} := {now};\n    RETURN NEW;\nEND", name.quoted()),
            execute: vec![owner.clone()],
        };
        (tenancy.function(touch(column).as_str()), function)
    };
    columns.map(function).collect()
}
