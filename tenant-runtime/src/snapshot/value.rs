//! Names, types and expressions in a snapshot, which are validated again when they are read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::SnapshotError;
use crate::{
    analyze::sql_expr,
    ident::Ident,
    model::schema::{Expression, QualifiedName, Renames},
};

/// What the entries of a snapshot file have in common while they are read.
#[derive(Default)]
pub(super) struct Reader {
    /// The previous names that the entries declare.
    pub(super) renames: Renames,
    /// The types and expressions that have been parsed: most occur in many tables.
    types: BTreeMap<String, Expression>,
    expressions: BTreeMap<String, Expression>,
}

impl Reader {
    pub(super) fn data_type(&mut self, text: &str) -> Result<Expression, SnapshotError> {
        parsed_once(&mut self.types, text, sql_expr::data_type)
    }

    /// Parses text that will become SQL again, because the file could have been edited by hand or by a merge.
    pub(super) fn expression(&mut self, text: &str) -> Result<Expression, SnapshotError> {
        parsed_once(&mut self.expressions, text, sql_expr::expression)
    }
}

fn parsed_once(
    known: &mut BTreeMap<String, Expression>,
    text: &str,
    parse: fn(&str) -> Result<Expression, String>,
) -> Result<Expression, SnapshotError> {
    if let Some(expression) = known.get(text) {
        return Ok(expression.clone());
    }
    let expression = parse(text).map_err(|error| SnapshotError::Content(format!("{text:?} {error}")))?;
    known.insert(text.to_owned(), expression.clone());
    Ok(expression)
}

pub(super) fn texts(idents: &[Ident]) -> Vec<String> {
    idents.iter().map(ToString::to_string).collect()
}

pub(super) fn idents(names: Vec<String>) -> Result<Vec<Ident>, SnapshotError> {
    each(names, ident)
}

pub(super) fn ident(name: String) -> Result<Ident, SnapshotError> {
    Ident::new(name).map_err(|error| SnapshotError::Content(error.to_string()))
}

pub(super) fn each<E, T>(
    entries: Vec<E>,
    read: impl FnMut(E) -> Result<T, SnapshotError>,
) -> Result<Vec<T>, SnapshotError> {
    entries.into_iter().map(read).collect()
}

/// The name of a table or a sequence.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TableNameEntry {
    schema: String,
    table: String,
}

impl From<&QualifiedName> for TableNameEntry {
    fn from(name: &QualifiedName) -> Self {
        Self { schema: name.schema.to_string(), table: name.table.to_string() }
    }
}

pub(super) fn table_name(entry: TableNameEntry) -> Result<QualifiedName, SnapshotError> {
    Ok(QualifiedName { schema: ident(entry.schema)?, table: ident(entry.table)? })
}
