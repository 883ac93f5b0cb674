//! Changes that a plan refuses.

use std::fmt;

/// An unsupported change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The change and the cause.
    pub what: String,
    /// The next step.
    pub help: String,
}

/// All unsupported changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals(pub Vec<Refusal>);

impl std::error::Error for Refusals {}

impl fmt::Display for Refusals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> =
            self.0.iter().map(|Refusal { what, help }| format!("error: {what}\n  help: {help}")).collect();
        f.write_str(&texts.join("\n\n"))
    }
}
