//! A probe: one statement as one principal, with the expected outcome.

use super::{outcome::Expected, principals::Principal};
use crate::model::{def::TableName, schema::Command};

/// One statement to run.
#[derive(Debug)]
pub(super) struct Probe<'p> {
    /// The technique, in a few words.
    pub(super) technique: &'static str,
    /// The table, and the command whose privileges and policies decide.
    pub(super) about: Option<(TableName, Command)>,
    pub(super) principal: &'p Principal,
    pub(super) statement: String,
    pub(super) expected: Expected,
}
