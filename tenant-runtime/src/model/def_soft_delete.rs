//! The declaration of soft deletion.

/// How rows are deleted without being removed: a deletion sets a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SoftDeleteDef {
    /// The column with the time of the deletion; NULL for a row that is not deleted.
    pub column: &'static str,
    /// The minimum role for reading and restoring deleted rows.
    pub restore: Option<&'static str>,
    /// The minimum role for removing deleted rows.
    pub purge: Option<&'static str>,
}
