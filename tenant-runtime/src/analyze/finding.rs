//! Findings: what is wrong with a declaration, where, and what to write instead.

use std::fmt;

use crate::model::def::{ColumnDef, TableDef};

/// One thing that is wrong, or doubtful, in the declarations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Whether generation goes on.
    pub severity: Severity,
    /// Says what is wrong.
    pub message: String,
    /// The struct, with file and line; empty where the finding is about all of them.
    pub place: String,
    /// Says what to do.
    pub help: String,
}

/// Says whether generation goes on after a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Nothing is generated.
    Error,
    /// The finding is shown and generation goes on.
    Warning,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        write!(f, "{severity}: {}", self.message)?;
        if !self.place.is_empty() {
            write!(f, "\n  --> {}", self.place)?;
        }
        write!(f, "\n  help: {}", self.help)
    }
}

/// All that the check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    /// Returns the findings in the order of the tables.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    /// Says whether any of them stops generation.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub(super) fn error(&mut self, place: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Error, place, message, help);
    }

    pub(super) fn warning(&mut self, place: impl Into<String>, message: impl Into<String>, help: impl Into<String>) {
        self.push(Severity::Warning, place, message, help);
    }

    fn push(
        &mut self,
        severity: Severity,
        place: impl Into<String>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.0.push(Finding { severity, message: message.into(), place: place.into(), help: help.into() });
    }
}

impl fmt::Display for Findings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, finding) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n\n")?;
            }
            finding.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for Findings {}

/// Names the struct and its line.
pub(super) fn place(def: &TableDef) -> String {
    format!("{}:{} (`{}`)", def.file, def.line, def.rust_name)
}

/// Names the struct, its line and the field.
pub(super) fn field_place(def: &TableDef, column: &ColumnDef) -> String {
    format!("{}:{} (`{}.{}`)", def.file, def.line, def.rust_name, column.field)
}
