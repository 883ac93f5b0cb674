//! The outcome of a statement, and the outcomes that the declaration expects.

use std::collections::BTreeSet;

/// The outcome of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A privilege is missing.
    Denied,
    /// RLS rejects the statement.
    Refused,
    /// The context is not signed.
    NotSigned,
    /// A unique or foreign key constraint rejects the statement.
    Broken,
    /// The statement returns or changes rows, identified by their keys.
    Rows(BTreeSet<String>),
    /// The statement fails with another error.
    Failed(String),
}

/// The outcomes that the declaration allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// Exactly this outcome.
    Is(Outcome),
    /// One of these outcomes, depending on the order of constraint checks.
    OneOf(Vec<Outcome>),
    /// A subset of these rows, because a condition reads other tables, to which policies apply as well.
    AtMost(BTreeSet<String>),
    /// A subset of these rows, or a violated constraint, because an UPDATE leaves a reference without a target.
    AtMostOrBroken(BTreeSet<String>),
    /// A subset of these rows, or any error.
    AtMostOrError(BTreeSet<String>),
    /// No rows and no change, with or without an error.
    Nothing,
    /// Any error.
    Rejected,
}

impl Expected {
    pub(super) fn is_met_by(&self, found: &Outcome) -> bool {
        match (self, found) {
            // Where no rows are expected, a context that is not signed raises an error.
            (Self::Is(Outcome::Rows(wanted)), Outcome::NotSigned) => wanted.is_empty(),
            (Self::Is(Outcome::Refused), Outcome::NotSigned) => true,
            (Self::Is(wanted), found) => wanted == found,
            (Self::OneOf(outcomes), found) => outcomes.contains(found),
            (Self::AtMost(most) | Self::AtMostOrBroken(most), Outcome::Rows(rows)) => rows.is_subset(most),
            (Self::AtMostOrBroken(_), Outcome::Broken) => true,
            (Self::AtMost(_) | Self::AtMostOrBroken(_), found) => {
                matches!(found, Outcome::Refused | Outcome::NotSigned)
            }
            (Self::AtMostOrError(most), Outcome::Rows(rows)) => rows.is_subset(most),
            (Self::Nothing, Outcome::Rows(rows)) => rows.is_empty(),
            (Self::Rejected, Outcome::Rows(_)) => false,
            (Self::AtMostOrError(_) | Self::Nothing | Self::Rejected, _) => true,
        }
    }
}
