//! The statement classes that pgaudit writes to the server log.

use std::fmt;

/// Statement classes, in the form of the setting `pgaudit.log`: `ddl, role, write`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogClasses(String);

/// The classes of pgaudit. A `-` before a class excludes it from the preceding classes.
const CLASSES: [&str; 8] = ["all", "ddl", "function", "misc", "misc_set", "read", "role", "write"];

impl LogClasses {
    /// Parses comma-separated classes; returns the first unknown class as an error.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let classes: Vec<_> = text.split(',').map(str::trim).collect();
        let unknown = classes.iter().find(|class| !CLASSES.contains(&class.strip_prefix('-').unwrap_or(class)));
        match unknown {
            Some(class) => Err((*class).to_owned()),
            None => Ok(Self(classes.join(", "))),
        }
    }

    /// Returns the value of the setting.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for LogClasses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
