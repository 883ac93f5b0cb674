//! Columns that number the rows of each tenant: their checks, names and unique constraints.

use super::{column_ident, computed_column, finding::Findings, is_tenants_table, key::key_name};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, ScopeDef, SqlType, TableDef, UniqueScope},
        names,
        schema::{ColumnDefault, Key, QualifiedName},
    },
};

/// Checks a counter, and returns how its values are set.
pub(super) fn value(def: &TableDef, column: &ColumnDef, place: &str, findings: &mut Findings) -> ColumnDefault {
    computed_column::check_sources(def, column, "counter", place, findings);
    if !matches!(column.ty, SqlType::Int4 | SqlType::Int8) {
        findings.error(
            place,
            format!("`counter` requires a column of type `integer` or `bigint`, and `{}` is none", column.name),
            "use `i32` or `i64` for the field, without `sql_type`, or remove `counter`",
        );
    }
    if column.nullable {
        findings.error(
            place,
            format!("the database always sets `{}`, so it cannot be nullable", column.name),
            "use the integer itself instead of an `Option`",
        );
    }
    if column.unique == Some(UniqueScope::Global) {
        findings.error(
            place,
            format!("each tenant has its own numbers in `{}`, so they cannot be unique across tenants", column.name),
            "remove `unique = \"global\"`: the numbers are unique within the tenant without `unique` as well",
        );
    }
    if let Some(what) = unfit(def) {
        findings.error(
            place,
            format!("`counter` is not allowed in `{}`, {what}", def.rust_name),
            "remove `counter`: it numbers the rows of each tenant that INSERT statements add",
        );
    }
    ColumnDefault::Counter(table_name(def, column))
}

/// Describes a table whose rows cannot be numbered: they belong to no tenant, are tenants, or are written by functions.
fn unfit(def: &TableDef) -> Option<&'static str> {
    let is_by_functions = def.membership.is_some() || def.invitation.is_some() || def.change_log;
    match def.scope {
        ScopeDef::Global | ScopeDef::Shared { .. } => Some("which has no tenant column"),
        _ if is_by_functions => Some("whose rows are written by functions"),
        _ if is_tenants_table(def) => Some("whose rows are the tenants"),
        _ => None,
    }
}

/// Returns the columns that number rows.
pub(super) fn counters(def: &TableDef) -> impl Iterator<Item = &'static ColumnDef> + use<> {
    let columns: &'static [ColumnDef] = def.columns;
    columns.iter().filter(|column| column.counter)
}

/// Returns whether a table has a counter.
pub(super) fn has_counter(def: &TableDef) -> bool {
    counters(def).next().is_some()
}

/// Returns the name of the table with the last numbers.
pub(super) fn table_name(def: &TableDef, column: &ColumnDef) -> QualifiedName {
    QualifiedName {
        schema: Ident::derived([def.name.schema]),
        table: Ident::derived([def.name.table, column.name, names::COUNTER]),
    }
}

/// Adds the unique constraints of the counters of a table, unless they are declared.
pub(super) fn add_uniques(def: &TableDef, tenant: Option<&ColumnDef>, uniques: &mut Vec<Key>) {
    let Some(tenant) = tenant else { return };
    for column in counters(def) {
        let columns = vec![column_ident(tenant.name), column_ident(column.name)];
        if !uniques.iter().any(|key| key.columns == columns) {
            uniques.push(Key { name: key_name(def.name.table, [tenant.name, column.name], "key"), columns });
        }
    }
}
