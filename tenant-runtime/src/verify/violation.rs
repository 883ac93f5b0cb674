//! Violations: statements whose outcome differs from the declaration, with the meaning of the difference.

use std::fmt;

use serde_json::{Value, json};

use super::outcome::{Expected, Outcome};
use crate::model::schema::Command;

/// A statement whose outcome differs from the declaration.
///
/// ```no_run
/// # fn f(report: &tenant_runtime::verify::Report) {
/// for violation in &report.violations {
///     println!("{}: {}", violation.role, violation.meaning);
/// }
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Violation {
    /// The technique of the statement, in a few words.
    pub technique: String,
    /// The table, if the statement is about a table.
    pub table: Option<String>,
    /// The command whose privileges and policies determine the outcome, if the statement is about a table.
    pub command: Option<Command>,
    /// The database role that ran the statement.
    pub role: String,
    /// The role and the context, in words.
    pub principal: String,
    /// The SQL that reproduces the violation, as a transaction that is rolled back.
    pub statement: String,
    /// The outcome that the declaration requires.
    pub expected: String,
    /// The outcome in the database.
    pub found: String,
    /// The meaning of the difference.
    pub meaning: &'static str,
    /// The number of further statements with the same violation.
    pub more: usize,
}

impl Violation {
    /// Returns whether another statement shows the same violation.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        (&self.technique, &self.table, self.command, &self.role, self.meaning)
            == (&other.technique, &other.table, other.command, &other.role, other.meaning)
    }

    /// Returns the violation as JSON, with the fields of this type as keys.
    ///
    /// ```no_run
    /// # fn f(violation: &tenant_runtime::verify::Violation) {
    /// println!("reproduce with: {}", violation.to_json()["statement"]);
    /// # }
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "technique": self.technique,
            "table": self.table,
            "command": self.command.map(Command::attribute),
            "role": self.role,
            "principal": self.principal,
            "statement": self.statement,
            "expected": self.expected,
            "found": self.found,
            "meaning": self.meaning,
            "more": self.more,
        })
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table.as_deref().unwrap_or("the database"))?;
        if let Some(command) = self.command {
            write!(f, ", {}", command.attribute())?;
        }
        writeln!(f, ", by {}: {}", self.role, self.meaning)?;
        writeln!(f, "    technique: {}, as {}", self.technique, self.principal)?;
        writeln!(f, "    declared:  {}", self.expected)?;
        writeln!(f, "    found:     {}", self.found)?;
        write!(f, "    reproduce: {}", self.statement)?;
        if self.more > 0 {
            write!(f, "\n    and {} more statements with the same violation", self.more)?;
        }
        Ok(())
    }
}

pub(super) fn plain(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Denied => "permission denied".to_owned(),
        Outcome::Refused => "rejected by RLS".to_owned(),
        Outcome::NotSigned => "rejected because the context is not signed".to_owned(),
        Outcome::Broken => "rejected by a constraint".to_owned(),
        Outcome::Rows(rows) if rows.is_empty() => "no rows".to_owned(),
        Outcome::Rows(rows) => rows.iter().take(8).cloned().collect::<Vec<_>>().join(", "),
        Outcome::Failed(message) => message.clone(),
    }
}

/// Returns the meaning of an outcome that differs from the expected outcome.
pub(super) fn meaning(expected: &Expected, found: &Outcome, other_tenant: bool) -> &'static str {
    let denied = Expected::Is(Outcome::Denied);
    match found {
        _ if other_tenant => "rows of another tenant are accessible",
        Outcome::Rows(_) if *expected == denied => "undeclared privilege",
        Outcome::Rows(_) if *expected == Expected::Rejected => "a statement succeeds that must be rejected",
        Outcome::Rows(_) if *expected == Expected::Is(Outcome::NotSigned) => {
            "a function accepts a context that is not signed"
        }
        Outcome::Rows(rows) => match expected {
            Expected::Is(Outcome::Rows(wanted)) if rows.is_subset(wanted) => "declared rows are not accessible",
            Expected::Is(Outcome::Broken) => "a constraint accepts a statement that it must reject",
            Expected::Is(Outcome::Refused) => "RLS accepts a row that it must reject",
            _ => "more rows are accessible than declared",
        },
        Outcome::Denied => "declared privilege is missing",
        _ if *expected == denied => "undeclared privilege, although a policy or constraint rejects the statement",
        _ if *expected == Expected::Is(Outcome::NotSigned) => {
            "a function does not check the signature of the context first"
        }
        Outcome::NotSigned => "a signed context is rejected",
        Outcome::Refused => "RLS rejects an allowed statement",
        Outcome::Broken => "constraint rejects an allowed statement",
        Outcome::Failed(_) => "unexpected error",
    }
}
