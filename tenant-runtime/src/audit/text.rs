//! The report as text, and its fixes as SQL.

use std::fmt::{self, Write as _};

use super::{
    finding::{Finding, Severity},
    report::Report,
};

/// Prints the findings by severity, each with its reason and its fix; then a summary, and the command that explains a
/// code.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding { severity, code, object, what, why, fix, caution } = finding;
            let (object, what) = (one_line(object), one_line(what));
            writeln!(f, "{severity} {code}: {object}\n  {what}\n  why: {why}")?;
            match fix.lines().count() {
                0 => {}
                1 => writeln!(f, "  fix: {}", one_line(fix.trim_start_matches("-- ")))?,
                _ if finding.is_manual() => writeln!(f, "  fix: manual steps, printed by `--format sql`")?,
                lines => writeln!(f, "  fix: {lines} lines of SQL, printed by `--format sql`")?,
            }
            if let Some(caution) = caution {
                writeln!(f, "  caution: {}", one_line(caution))?;
            }
            writeln!(f)?;
        }
        let clean = if self.is_clean() { "clean: " } else { "" };
        let (facts, database, server) = (properties(self.facts), &self.database, &self.server);
        writeln!(f, "{clean}{facts} compared in database `{database}` on {server}; {}", self.counts())?;
        if self.is_clean() {
            writeln!(f, "fingerprint: {}", self.fingerprint)?;
        }
        if !self.is_clean() {
            writeln!(
                f,
                "next: run `gen-migrations audit --format sql`, read the fixes, run them as an administrator, and audit again"
            )?;
        }
        if let Some(first) = self.findings.first() {
            writeln!(f, "explain a code: `gen-migrations explain {}`", first.code)?;
        }
        Ok(())
    }
}

impl Report {
    /// Returns the fixes as SQL, each below a comment with its finding. Review the fixes before running them.
    ///
    /// A fix that deletes data or takes privileges from an administrator, and the fix of a note, are commented out.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) -> std::io::Result<()> {
    /// std::fs::write("fixes.sql", report.to_sql())?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut out = String::new();
        for finding in &self.findings {
            let Finding { severity, code, object, what, fix, caution, .. } = finding;
            let head = one_line(&format!("{code} {object}: {what}"));
            let reason = match (caution, severity) {
                (Some(caution), _) => Some(one_line(caution)),
                (None, Severity::Note) => Some("fixing a note is optional".to_owned()),
                (None, Severity::Error | Severity::Warning) => None,
            };
            let _ = match reason.filter(|_| !finding.is_manual()) {
                Some(reason) => writeln!(out, "-- {head}\n-- Commented out: {reason}.\n{}\n", commented_out(fix)),
                None => writeln!(out, "-- {head}\n{fix}\n"),
            };
        }
        out
    }

    /// Returns the number of findings by severity, such as `2 errors, 1 note`.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) {
    /// println!("{}: {}", report.database, report.counts());
    /// # }
    /// ```
    #[must_use]
    pub fn counts(&self) -> String {
        let of = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let found = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
            .map(|(severity, word)| (of(severity), word));
        let found = found.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| plural(count, word));
        let accepted = (!self.accepted.is_empty()).then(|| format!("{} accepted", self.accepted.len()));
        let parts: Vec<_> = found.chain(accepted).collect();
        if parts.is_empty() { "no findings".to_owned() } else { parts.join(", ") }
    }
}

/// Writes SQL as comments. The text after a line break in a name gets the comment marker too, so
/// that no part of the name runs.
fn commented_out(sql: &str) -> String {
    sql.split(['\n', '\r']).map(|line| format!("-- {line}")).collect::<Vec<_>>().join("\n")
}

fn properties(count: usize) -> String {
    if count == 1 { "1 property".to_owned() } else { format!("{count} properties") }
}

/// Replaces line breaks in names: the text after a line break would be outside the SQL comment, or
/// look like a line of the report.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
