//! The baseline: accepted findings, each with a reason.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    finding::{self, Finding},
    report::{Accepted, Report},
};

/// Accepted findings, which a team keeps in a file.
///
/// ```
/// # use tenant_runtime::audit::Baseline;
/// let baseline = Baseline::parse(
///     r#"[{
///         "code": "TA209",
///         "object": "login backup",
///         "found": "it has the attribute BYPASSRLS",
///         "reason": "It runs the nightly pg_dump."
///     }]"#,
/// );
/// assert!(baseline.is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    entries: Vec<Entry>,
}

/// An accepted finding. It includes the finding's text, so that a different finding on the same object is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    code: String,
    object: String,
    found: String,
    reason: String,
}

impl Entry {
    fn is(&self, finding: &Finding) -> bool {
        (self.code.as_str(), &self.object, &self.found) == (finding.code, &finding.object, &finding.what)
    }
}

/// The reason why a string is not a valid baseline.
///
/// ```
/// use tenant_runtime::audit::{Baseline, BaselineError};
///
/// let text = r#"[{ "code": "TA209", "object": "login backup", "found": "…", "reason": "" }]"#;
/// assert!(matches!(Baseline::parse(text), Err(BaselineError::NoReason { .. })));
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The string is not JSON, or not an array of entries.
    #[error(
        "{0}\n  help: the baseline is a JSON array of objects with `code`, `object`, `found` and `reason`; `gen-migrations audit --format baseline` writes one"
    )]
    Malformed(serde_json::Error),
    /// An entry has no reason.
    #[error("the baseline accepts {code} of `{object}` without a reason\n  help: state the reason in `reason`")]
    NoReason {
        /// The code.
        code: String,
        /// The object.
        object: String,
    },
}

impl Baseline {
    /// Parses a baseline.
    ///
    /// # Errors
    ///
    /// - [`BaselineError::Malformed`]: the string is not a JSON array of entries.
    /// - [`BaselineError::NoReason`]: an entry has an empty reason.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let entries: Vec<Entry> = serde_json::from_str(text).map_err(BaselineError::Malformed)?;
        match entries.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(Entry { code, object, .. }) => {
                Err(BaselineError::NoReason { code: code.clone(), object: object.clone() })
            }
            None => Ok(Self { entries }),
        }
    }

    /// Returns a JSON baseline that accepts a report's findings once the reasons are filled in.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) -> std::io::Result<()> {
    /// std::fs::write("audit-baseline.json", tenant_runtime::audit::Baseline::of(report))?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn of(report: &Report) -> String {
        let entries = report.failing().map(|finding| Entry {
            code: finding.code.to_owned(),
            object: finding.object.clone(),
            found: finding.what.clone(),
            reason: String::new(),
        });
        let entries: Vec<_> = entries.collect();
        serde_json::to_string_pretty(&entries).unwrap_or_default()
    }
}

impl Report {
    /// Moves accepted findings from [`findings`](Self::findings) to [`accepted`](Self::accepted).
    ///
    /// An entry that matches no finding becomes a finding (TA124): if the entry stayed, the
    /// accepted finding could return unreported.
    ///
    /// ```no_run
    /// # fn f(report: tenant_runtime::audit::Report) -> Result<(), Box<dyn std::error::Error>> {
    /// use tenant_runtime::audit::Baseline;
    ///
    /// let report = report.accepting(&Baseline::parse(&std::fs::read_to_string("audit-baseline.json")?)?);
    /// assert!(report.is_clean(), "{report}");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn accepting(mut self, baseline: &Baseline) -> Self {
        let mut used = BTreeSet::new();
        let findings = std::mem::take(&mut self.findings);
        for finding in findings {
            match baseline.entries.iter().position(|entry| entry.is(&finding)) {
                Some(at) => {
                    used.insert(at);
                    let reason = baseline.entries[at].reason.clone();
                    self.accepted.push(Accepted { finding, reason });
                }
                None => self.findings.push(finding),
            }
        }
        let unused = baseline.entries.iter().enumerate().filter(|(at, _)| !used.contains(at));
        self.findings.extend(unused.map(|(_, entry)| {
            let what =
                format!("the baseline accepts {} for this object, but the audit reported no such finding", entry.code);
            Finding::new(&finding::STALE, &entry.object, what, "-- Remove the entry from the baseline.".to_owned())
        }));
        self.findings.sort();
        self
    }
}
