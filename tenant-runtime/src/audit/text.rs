//! The report for a person: as text to read, and as SQL to run.

use std::fmt::{self, Write as _};

use super::{
    finding::{Finding, Severity},
    report::Report,
};

/// The findings, the worst first, each with why it matters and what mends it; then what was audited, and how to read more of a code.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let Finding { severity, code, object, what, why, fix } = finding;
            let (object, what) = (one_line(object), one_line(what));
            writeln!(f, "{severity} {code}: {object}\n  {what}\n  why:  {why}")?;
            match fix.lines().count() {
                0 => {}
                1 => writeln!(f, "  fix: {}", one_line(fix.trim_start_matches("-- ")))?,
                _ if finding.takes_a_person() => writeln!(f, "  fix: by hand, in steps that `--format sql` says")?,
                lines => writeln!(f, "  fix: {lines} lines of SQL, which `--format sql` writes")?,
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
                "next: `--format sql` writes what mends it; read that, run it as an administrator, and audit again"
            )?;
        }
        if let Some(first) = self.findings.first() {
            writeln!(f, "explain a code: gen-migrations explain {}", first.code)?;
        }
        Ok(())
    }
}

impl Report {
    /// Writes what mends the findings as SQL, each under what it mends; for a person to read first.
    #[must_use]
    pub fn to_sql(&self) -> String {
        let mut out = String::new();
        for Finding { code, object, what, fix, .. } in &self.findings {
            let head = one_line(&format!("{code} {object}: {what}"));
            let _ = writeln!(out, "-- {head}\n{fix}\n");
        }
        out
    }

    /// Says how much was found of which severity, such as `2 errors, 1 note`.
    #[must_use]
    pub fn counts(&self) -> String {
        let of = |severity| self.findings.iter().filter(|finding| finding.severity == severity).count();
        let found = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")]
            .map(|(severity, word)| (of(severity), word));
        let found = found.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| plural(count, word));
        let accepted = (!self.accepted.is_empty()).then(|| format!("{} accepted", self.accepted.len()));
        let parts: Vec<_> = found.chain(accepted).collect();
        if parts.is_empty() { "nothing was found".to_owned() } else { parts.join(", ") }
    }
}

/// A name may hold a line break: what follows on it would be no comment any more, or pose as a line of the report.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
