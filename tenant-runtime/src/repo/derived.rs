//! Functions that only the derives use. `__private` is the only path to them.

use super::column::{Column, Key};

/// Creates a column of a table with its access.
#[must_use]
pub const fn named<T, V, A, P>(name: &'static str) -> Column<T, V, A, P> {
    Column::new(name)
}

/// Creates a unique key of a table from its columns.
#[must_use]
pub const fn unique_by<T>(columns: &'static [&'static str]) -> Key<T> {
    Key::new(columns)
}
