//! Names, types and expressions in a snapshot, which are validated again when they are read.

use super::SnapshotError;
use crate::{analyze::sql_expr, ident::Ident, model::schema::Expression};

pub(super) fn data_type(text: &str) -> Result<Expression, SnapshotError> {
    sql_expr::data_type(text).map_err(|error| SnapshotError::Content(format!("{text:?} {error}")))
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

/// Parses text that will become SQL again, because the file could have been edited by hand or by a merge.
pub(super) fn expression(text: String) -> Result<Expression, SnapshotError> {
    sql_expr::expression(&text).map_err(|error| SnapshotError::Content(format!("{text:?} {error}")))
}

pub(super) fn each<E, T>(
    entries: Vec<E>,
    read: impl FnMut(E) -> Result<T, SnapshotError>,
) -> Result<Vec<T>, SnapshotError> {
    entries.into_iter().map(read).collect()
}
