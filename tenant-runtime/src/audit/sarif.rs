//! The report as SARIF 2.1.0, which code hosts and editors read.

use serde_json::{Value, json};

use super::{
    finding::{Finding, RULES},
    report::Report,
};

impl Report {
    /// Writes the report as SARIF.
    #[must_use]
    pub fn to_sarif(&self) -> String {
        let rules: Vec<_> = RULES
            .iter()
            .map(|rule| {
                json!({
                    "id": rule.code,
                    "name": rule.title,
                    "shortDescription": { "text": rule.title },
                    "fullDescription": { "text": rule.why },
                    "defaultConfiguration": { "level": rule.severity },
                })
            })
            .collect();
        let found = self.findings.iter().map(|finding| self.result(finding, None));
        let accepted = self.accepted.iter().map(|accepted| self.result(&accepted.finding, Some(&accepted.reason)));
        let results: Vec<_> = found.chain(accepted).collect();
        let sarif = json!({
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{
                "tool": { "driver": { "name": "gen-migrations audit", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
                "results": results,
            }],
        });
        format!("{sarif:#}")
    }

    fn result(&self, finding: &Finding, accepted: Option<&str>) -> Value {
        let fix = if finding.fix.is_empty() { String::new() } else { format!("\n\nTo fix it:\n{}", finding.fix) };
        let place = json!([{
            "logicalLocations": [{ "fullyQualifiedName": format!("{}: {}", self.database, finding.object), "kind": "resource" }],
        }]);
        let mut result = json!({
            "ruleId": finding.code,
            "level": finding.severity,
            "message": { "text": format!("{}: {}. {}{fix}", finding.object, finding.what, finding.why) },
            "locations": place,
            "partialFingerprints": { "finding/v1": format!("{}/{}/{}", finding.code, finding.object, finding.what) },
        });
        if let Some(reason) = accepted {
            result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
        }
        result
    }
}
