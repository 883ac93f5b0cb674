//! The SQL text of one expression or one type.

use crate::ident::{Ident, literal};

/// The SQL text of exactly one expression or one type, which cannot end the enclosing statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expression(String);

impl Expression {
    /// Creates an expression from text that the generator has written or parsed.
    pub(crate) fn trusted(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the condition that a column equals the tenant ID or the user ID in the context.
    /// Without a context, the condition is true for no row.
    ///
    /// The scalar sub-select is evaluated once per statement, not per row. `NULLIF` is needed because a setting that
    /// was once set in a session reads as `''` in later transactions, not as NULL.
    pub(crate) fn is_in_context(column: &Ident, setting: &str, key_type: &Self) -> Self {
        Self(format!("{} = (SELECT {})", column.quoted(), Self::in_context(setting, key_type)))
    }

    /// Returns the value of a context setting; NULL without a context.
    pub(crate) fn in_context(setting: &str, ty: &Self) -> Self {
        let cast = if ty.0 == "text" { String::new() } else { format!("::{ty}") };
        Self(format!("NULLIF(current_setting({}, true), ''){cast}", literal(setting)))
    }

    /// Returns the condition that a column has one of the labels.
    pub(crate) fn one_of(column: &Ident, labels: &[&str]) -> Self {
        let labels = labels.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ");
        Self(format!("{} IN ({labels})", column.quoted()))
    }

    /// Returns the condition that each element of a column is one of the labels.
    pub(crate) fn each_of(column: &Ident, labels: &[&str]) -> Self {
        let labels = labels.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ");
        Self(format!("{} <@ ARRAY[{labels}]", column.quoted()))
    }

    /// Returns the SQL text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Expression {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
