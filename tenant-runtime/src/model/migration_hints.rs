//! Migration hints from attributes: information about a change that a comparison of two schemas cannot determine.

use std::collections::BTreeMap;

use super::schema::{Expression, QualifiedName};
use crate::ident::Ident;

/// Previous names and backfill expressions. Hints that no longer apply are ignored, so they can stay in the models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationHints {
    /// The previous name of each renamed table.
    pub tables: BTreeMap<QualifiedName, QualifiedName>,
    /// The previous name of each renamed column.
    pub columns: BTreeMap<(QualifiedName, Ident), Ident>,
    /// The expression that fills existing rows, for each column that becomes NOT NULL.
    pub backfills: BTreeMap<(QualifiedName, Ident), Expression>,
}
