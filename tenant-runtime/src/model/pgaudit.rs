//! What pgaudit writes to the server's log: classes of statements.

use std::fmt;

/// Classes of statements that pgaudit logs, as its setting has them: `ddl, role, write`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogClasses(String);

/// The classes that there are; one with a `-` before it is left out of those that stand before.
const CLASSES: [&str; 8] = ["all", "ddl", "function", "misc", "misc_set", "read", "role", "write"];

impl LogClasses {
    /// Reads classes with commas between them, or returns the one that pgaudit does not know.
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
