//! The four commands that policies and grants apply to.

/// A command that a policy or a grant applies to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "generate", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "generate", serde(rename_all = "lowercase"))]
pub enum Command {
    /// `SELECT`
    Select,
    /// `INSERT`
    Insert,
    /// `UPDATE`
    Update,
    /// `DELETE`
    Delete,
}

impl Command {
    /// The four commands.
    pub const ALL: [Self; 4] = [Self::Select, Self::Insert, Self::Update, Self::Delete];

    /// Returns the SQL keyword.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        match self {
            Self::Select => "SELECT",
            Self::Insert => "INSERT",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
        }
    }

    /// Returns whether a policy for the command has a USING clause, and whether it has a WITH CHECK clause.
    #[must_use]
    pub fn clauses(self) -> (bool, bool) {
        match self {
            Self::Select | Self::Delete => (true, false),
            Self::Insert => (false, true),
            Self::Update => (true, true),
        }
    }

    /// Returns the name of the attribute.
    #[must_use]
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Insert => "insert",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}
