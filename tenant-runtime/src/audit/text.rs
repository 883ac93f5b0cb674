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
            let Finding { severity, code, object, what, why, fix } = finding;
            let (object, what) = (one_line(object), one_line(what));
            writeln!(f, "{severity} {code}: {object}\n  {what}\n  why:  {why}")?;
            match fix.lines().count() {
                0 => {}
                1 => writeln!(f, "  fix: {}", one_line(fix.trim_start_matches("-- ")))?,
                _ if finding.is_manual() => writeln!(f, "  fix: manual steps, printed by `--format sql`")?,
                lines => writeln!(f, "  fix: {lines} lines of SQL, printed by `--format sql`")?,
            }
            writeln!(f)?;
        }
        let clean = if self.is_clean() { "clean: " } else { "" };
        let (facts, database, server) = (plural(self.facts, "fact"), &self.database, &self.server);
        writeln!(f, "{clean}{facts} compared in `{database}` on {server}; {}", self.counts())?;
        if self.is_clean() {
            writeln!(f, "fingerprint: {}", self.fingerprint)?;
        }
        if !self.is_clean() {
            writeln!(
                f,
                "next: run `audit --format sql`, read the fixes, run them as an administrator, and audit again"
            )?;
        }
        if let Some(first) = self.findings.first() {
            writeln!(f, "explain a code: gen-migrations explain {}", first.code)?;
        }
        Ok(())
    }
}

impl Report {
    /// Returns the fixes as SQL, each below a comment with its finding. Read them before running them.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) -> std::io::Result<()> {
    /// std::fs::write("fixes.sql", report.to_sql())?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut out = String::new();
        for Finding { code, object, what, fix, .. } in &self.findings {
            let head = one_line(&format!("{code} {object}: {what}"));
            let _ = writeln!(out, "-- {head}\n{fix}\n");
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

/// Replaces line breaks in names: text after a line break would no longer be part of the SQL comment, or would look
/// like a line of the report.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
