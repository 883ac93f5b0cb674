//! The report of a verification: the permission matrix with marked violations, and the statements that reproduce them.

use std::{fmt, time::Duration};

use serde_json::{Value, json};

use super::violation::Violation;
use crate::{
    matrix::{Cell, Matrix, columns_of_text},
    model::schema::Command,
};

/// Marks a cell of the matrix with a violation.
const MARK: &str = " ≠";

/// The result of a verification.
///
/// Its JSON form has the keys `clean`, `server`, `rows`, `probes`, `seconds`, `declared`, `violations` and `given_up`.
///
/// ```no_run
/// # fn f(report: &tenant_runtime::verify::Report) {
/// println!("{} statements on {} test rows of {}", report.probes, report.rows, report.server);
/// println!("{} violations, {} without an outcome", report.violations.len(), report.given_up.len());
/// # }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Report {
    /// The declared permissions.
    pub matrix: Matrix,
    /// The prefix of database roles.
    pub(super) role_prefix: &'static str,
    /// The server's version string, as returned by `version()`.
    pub server: String,
    /// The number of generated test rows.
    pub rows: usize,
    /// The number of statements that were run.
    pub probes: usize,
    /// The duration.
    pub elapsed: Duration,
    /// The violations, one for each kind.
    pub violations: Vec<Violation>,
    /// The statements without an outcome, because of a timeout. With any of these, the verification is incomplete.
    pub given_up: Vec<String>,
}

impl Report {
    /// Returns whether there are no violations and every statement had an outcome.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::verify::Report) {
    /// assert!(report.is_clean(), "{report}");
    /// # }
    /// ```
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty() && self.given_up.is_empty()
    }

    /// Returns the report as JSON.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::verify::Report) {
    /// assert!(report.is_clean(), "{:#}", report.to_json());
    /// # }
    /// ```
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

    fn has_violation(&self, table: usize, command: usize, role: usize) -> bool {
        let role = format!("{}{}", self.role_prefix, self.matrix.roles[role]);
        self.violations.iter().any(|violation| {
            violation.table.as_ref() == Some(&self.matrix.tables[table].table)
                && violation.command == Some(Command::ALL[command])
                && violation.role == role
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut show = |table, command, role, cell: &Cell| {
            let mark = if self.has_violation(table, command, role) { MARK } else { "" };
            format!("{cell}{mark}")
        };
        writeln!(f, "{}", columns_of_text(&self.matrix.lines(&mut show)))?;
        for line in self.matrix.legend() {
            writeln!(f, "  {line}")?;
        }
        if !self.violations.is_empty() {
            writeln!(f, "  {:9} the database differs from the declaration", MARK.trim())?;
        }
        for violation in &self.violations {
            writeln!(f, "\n{violation}")?;
        }
        for statement in &self.given_up {
            writeln!(f, "\nno outcome because of a timeout: {statement}")?;
        }
        let server = self.server.split(" on ").next().unwrap_or_default();
        let tables = self.matrix.tables.len();
        writeln!(
            f,
            "\n{} statements as {} roles on {tables} {} of {server} in {:.2} s, with {} test rows (rolled back)",
            self.probes,
            self.matrix.roles.len(),
            if tables == 1 { "table" } else { "tables" },
            self.elapsed.as_secs_f64(),
            self.rows
        )?;
        match (self.violations.len(), self.given_up.len()) {
            (0, 0) => write!(f, "the database enforces the declared permissions"),
            (0, given_up) => write!(f, "no violation was found, but {given_up} statements had no outcome"),
            (1, _) => write!(f, "1 violation"),
            (violations, _) => write!(f, "{violations} violations"),
        }
    }
}
