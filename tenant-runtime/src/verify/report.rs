//! The report of a proof: the matrix with what differs marked in it, and the statements that show the violations.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::violation::Violation;
use crate::{
    matrix::{Cell, Matrix, columns_of_text},
    model::schema::Command,
};

/// What stands beside a cell of which the database differs.
const MARK: &str = " ≠";

/// What came of a proof.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// What is declared.
    pub matrix: Matrix,
    /// What stands before a role's name in the database.
    pub(super) role_prefix: &'static str,
    /// What the server says that it is.
    pub server: String,
    /// How many rows were made up.
    pub rows: usize,
    /// How many statements were tried.
    pub probes: usize,
    /// How long it took.
    pub elapsed: Duration,
    /// What differs, one of each kind.
    pub violations: Vec<Violation>,
    /// Statements that the server gave up for want of time or of a lock, so that nothing is known about them.
    pub given_up: Vec<String>,
}

impl Report {
    /// Says whether the database did what is declared, and everything could be tried.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.given_up.is_empty()
    }

    /// Writes the report as JSON.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "clean": self.is_clean(),
            "server": self.server,
            "rows": self.rows,
            "probes": self.probes,
            "seconds": self.elapsed.as_secs_f64(),
            "declared": self.matrix.to_json(),
            "violations": self.violations.iter().map(Violation::to_json).collect::<Vec<_>>(),
            "given_up": self.given_up,
        })
    }

    fn differs(&self, table: usize, command: usize, role: usize) -> bool {
        let role = format!("{}{}", self.role_prefix, self.matrix.roles[role]);
        self.violations.iter().any(|difference| {
            difference.table.as_ref() == Some(&self.matrix.tables[table].table)
                && difference.command == Some(Command::ALL[command])
                && difference.role == role
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut show = |table, command, role, cell: &Cell| {
            let mark = if self.differs(table, command, role) { MARK } else { "" };
            format!("{cell}{mark}")
        };
        writeln!(f, "{}", columns_of_text(&self.matrix.lines(&mut show)))?;
        for line in self.matrix.legend() {
            writeln!(f, "  {line}")?;
        }
        if !self.violations.is_empty() {
            writeln!(f, "  {:9} the database does something else", MARK.trim())?;
        }
        for difference in &self.violations {
            writeln!(f, "\n{difference}")?;
        }
        for statement in &self.given_up {
            writeln!(f, "\nnot known, since the server gave it up: {statement}")?;
        }
        let server = self.server.split(" on ").next().unwrap_or_default();
        let tables = self.matrix.tables.len();
        writeln!(
            f,
            "\n{} statements tried as {} roles on {tables} {} of {server} in {:.2} s, with {} rows that were made up and are gone again",
            self.probes,
            self.matrix.roles.len(),
            if tables == 1 { "table" } else { "tables" },
            self.elapsed.as_secs_f64(),
            self.rows
        )?;
        match (self.violations.len(), self.given_up.len()) {
            (0, 0) => write!(f, "the database does what is declared"),
            (0, given_up) => write!(f, "no difference was found, but {given_up} statements were given up"),
            (1, _) => write!(f, "1 difference"),
            (violations, _) => write!(f, "{violations} violations"),
        }
    }
}
