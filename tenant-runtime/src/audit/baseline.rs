//! The baseline: findings that a team has accepted, each with a reason.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{
    finding::{self, Finding},
    report::{Accepted, Report},
};

/// Findings that were accepted, as a team keeps them in a file.
///
/// ```
/// # use tenant_runtime::audit::Baseline;
/// let baseline = Baseline::parse(
///     r#"[{
///         "code": "TA209",
///         "object": "login backup",
///         "found": "it has the attribute BYPASSRLS",
///         "reason": "It takes the nightly dump."
///     }]"#,
/// );
/// assert!(baseline.is_ok());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Baseline {
    entries: Vec<Entry>,
}

/// One accepted finding. What was found stands in it, so that something else at the same place is not accepted as well.
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

/// Says why a text is no baseline.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// It is not the JSON that it should be.
    #[error(
        "{0}\n  help: it is a list of objects with `code`, `object`, `found` and `reason`, as `audit --format baseline` writes it"
    )]
    Malformed(serde_json::Error),
    /// An entry says not why.
    #[error(
        "{code} of `{object}` is accepted without a reason\n  help: say in `reason` why, for whoever reads it in a year"
    )]
    NoReason {
        /// The code.
        code: String,
        /// What it is about.
        object: String,
    },
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    ///
    /// When it is no list of accepted findings, or one has no reason.
    pub fn parse(text: &str) -> Result<Self, BaselineError> {
        let entries: Vec<Entry> = serde_json::from_str(text).map_err(BaselineError::Malformed)?;
        match entries.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(Entry { code, object, .. }) => {
                Err(BaselineError::NoReason { code: code.clone(), object: object.clone() })
            }
            None => Ok(Self { entries }),
        }
    }

    /// Writes a baseline that would accept what a report found, for a person to give the reasons.
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
    /// Takes out what was accepted. An entry that matches nothing is a finding: what it accepted may come back unseen.
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
            let what = format!("the baseline accepts {} here, and it is not found", entry.code);
            Finding::new(&finding::STALE, &entry.object, what, "-- Take the entry out of the baseline.".to_owned())
        }));
        self.findings.sort();
        self
    }
}
