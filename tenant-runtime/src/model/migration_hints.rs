//! What attributes say about the way from what was to what shall be, where the two schemas alone do not tell.

use std::collections::BTreeMap;

use super::schema::{Expression, QualifiedName};
use crate::ident::Ident;

/// How to get from one schema to another. What no longer applies is harmless: it may stand in the models for years.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationHints {
    /// By the name of a table, what it was called before.
    pub tables: BTreeMap<QualifiedName, QualifiedName>,
    /// By a table and the name of its column, what that was called before.
    pub columns: BTreeMap<(QualifiedName, Ident), Ident>,
    /// By a table and its column, what fills it in the rows that are there when it stops taking NULL.
    pub backfills: BTreeMap<(QualifiedName, Ident), Expression>,
}
