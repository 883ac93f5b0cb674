//! A probe: one statement as one principal, with the expected outcome.

use std::collections::BTreeSet;

use super::{
    outcome::{Expected, Outcome},
    principals::Principal,
};
use crate::model::{def::TableName, schema::Command};

/// One statement to run.
#[derive(Debug)]
pub(super) struct Probe<'p> {
    /// The technique, in a few words.
    pub(super) technique: &'static str,
    /// The table, and the command whose privileges and policies determine the outcome.
    pub(super) about: Option<(TableName, Command)>,
    pub(super) principal: &'p Principal,
    pub(super) statement: String,
    pub(super) expected: Expected,
    /// The rows that a successful DELETE removes, directly and through cascades, by table and key.
    pub(super) removes: Option<BTreeSet<(TableName, String)>>,
}

impl<'p> Probe<'p> {
    /// Creates a probe of a command on a table.
    pub(super) fn new(
        technique: &'static str,
        about: (TableName, Command),
        principal: &'p Principal,
        statement: String,
        expected: Expected,
    ) -> Self {
        Self { technique, about: Some(about), principal, statement, expected, removes: None }
    }

    /// Creates a probe that is not about a table.
    pub(super) fn of_database(
        technique: &'static str,
        principal: &'p Principal,
        statement: String,
        expected: Expected,
    ) -> Self {
        Self { technique, about: None, principal, statement, expected, removes: None }
    }

    /// Returns whether the outcome is that of a DELETE that removed rows, so that the remaining rows are compared.
    pub(super) fn has_removed_rows(&self, found: &Outcome) -> bool {
        self.removes.is_some() && matches!(found, Outcome::Rows(rows) if !rows.is_empty())
    }

    /// Returns whether PL/pgSQL can execute the probe: it cannot if the probe consists of several statements, such as
    /// one that changes settings first.
    pub(super) fn is_single(&self) -> bool {
        !self.statement.contains(';')
    }
}
