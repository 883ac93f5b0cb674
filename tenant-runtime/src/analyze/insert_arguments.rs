//! The parameters of functions that insert a row: one for each column that the caller sets.

use super::{column_ident, membership::inserted};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, SqlType, TableDef},
        schema::{Expression, QualifiedName},
    },
};

/// Function arguments for the columns of a row, and the statement that inserts the row.
pub(super) struct InsertArguments {
    pub(super) arguments: Vec<(Ident, Expression)>,
    pub(super) statement: String,
}

/// Turns a table's columns into arguments of a function that inserts a row.
pub(super) fn insert_arguments(def: &TableDef, table: &QualifiedName, id: &Ident, into: &str) -> InsertArguments {
    let columns: Vec<_> = inserted(def).collect();
    let argument = |column: &ColumnDef| Ident::derived(["p", column.name]);
    // An array of an enum type is passed as texts, because the caller would have to name the type, which requires USAGE on its schema.
    let is_converted = |column: &ColumnDef| matches!(column.ty, SqlType::Array(SqlType::Enum(_)));
    let ty = |column: &ColumnDef| match is_converted(column) {
        true => "text[]".to_owned(),
        false => column.ty.name_in(def.tenancy.schema),
    };
    let names = columns.iter().map(|column| column_ident(column.name).quoted().to_string()).collect::<Vec<_>>();
    let value = |column: &ColumnDef| match is_converted(column) {
        true => format!("{}::{}", argument(column).quoted(), column.ty.name_in(def.tenancy.schema)),
        false => argument(column).quoted().to_string(),
    };
    let values = columns.iter().map(|column| value(column)).collect::<Vec<_>>();
    let row = match columns[..] {
        [] => "DEFAULT VALUES".to_owned(),
        _ => format!("({}) VALUES ({})", names.join(", "), values.join(", ")),
    };
    InsertArguments {
        arguments: columns.iter().map(|column| (argument(column), Expression::trusted(ty(column)))).collect(),
        statement: format!("INSERT INTO {} {row} RETURNING {} INTO {into};", table.quoted(), id.quoted()),
    }
}
