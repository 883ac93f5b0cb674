//! Findings: errors and warnings about declarations, each with its place and a help message.

use std::fmt;

use crate::model::def::{ColumnDef, TableDef};

/// An error or a warning about the declarations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The severity.
    pub severity: Severity,
    /// The problem.
    pub message: String,
    /// The file, line and struct; empty if the finding is about all structs.
    pub place: String,
    /// How to fix the problem.
    pub help: String,
}

/// The severity of a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// An error: nothing is generated.
    Error,
    /// A warning: generation continues.
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

/// The findings of a check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings(pub(crate) Vec<Finding>);

impl Findings {
    /// Returns the findings, in the order of the tables.
    #[must_use]
    pub fn as_slice(&self) -> &[Finding] {
        &self.0
    }

    /// Returns whether any finding is an error.
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

/// Returns the place of a struct.
pub(super) fn place(def: &TableDef) -> String {
    format!("{}:{} (`{}`)", def.file, def.line, def.rust_name)
}

/// Returns the place of a field.
pub(super) fn field_place(def: &TableDef, column: &ColumnDef) -> String {
    format!("{}:{} (`{}.{}`)", def.file, def.line, def.rust_name, column.field)
}
