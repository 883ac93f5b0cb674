//! Information from attributes about a change that a comparison of two schemas cannot determine.

use std::collections::BTreeMap;

use super::{expression::Expression, qualified_name::QualifiedName};
use crate::ident::Ident;

/// The column of a table.
pub type ColumnName = (QualifiedName, Ident);

/// The previous names that the models declare. A snapshot contains those of its models: its migrations have applied them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Renames {
    /// The previous name of each renamed table.
    pub tables: BTreeMap<QualifiedName, QualifiedName>,
    /// The previous name of each renamed column.
    pub columns: BTreeMap<ColumnName, Ident>,
    /// The previous text of each renamed label, for each enum column.
    pub labels: BTreeMap<ColumnName, BTreeMap<String, String>>,
    /// The previous text of each renamed label, for each enum type.
    pub enums: BTreeMap<QualifiedName, BTreeMap<String, String>>,
}

/// The columns of the membership table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipColumns {
    /// The table.
    pub table: QualifiedName,
    /// The column with the tenant ID.
    pub tenant: Ident,
    /// The column with the user ID.
    pub user: Ident,
    /// The column with the role.
    pub role: Ident,
    /// The prefix of a role's database role.
    pub role_prefix: String,
}

/// Expressions and labels for existing rows. Hints that no longer apply are ignored, so they can stay in the models.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MigrationHints {
    /// The expression that fills existing rows, for each column that becomes NOT NULL.
    pub backfills: BTreeMap<ColumnName, Expression>,
    /// The label that replaces each removed label, for each enum column.
    pub replaced_labels: BTreeMap<ColumnName, BTreeMap<String, String>>,
    /// The membership table, if there is one.
    pub membership: Option<MembershipColumns>,
}
