//! The report as SARIF 2.1.0, for code hosts and editors.

use serde_json::{Value, json};

use super::{
    finding::{Finding, RULES},
    report::Report,
};

impl Report {
    /// Returns the report as SARIF 2.1.0.
    ///
    /// ```no_run
    /// # fn f(report: &tenant_runtime::audit::Report) -> std::io::Result<()> {
    /// std::fs::write("audit.sarif", report.to_sarif())?;
    /// # Ok(()) }
    /// ```
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
        let caution = finding.caution.as_ref().map_or_else(String::new, |caution| format!(" (caution: {caution})"));
        let fix = if finding.fix.is_empty() { String::new() } else { format!("\n\nFix{caution}:\n{}", finding.fix) };
        let locations = json!([{
            "logicalLocations": [{ "fullyQualifiedName": format!("{}: {}", self.database, finding.object), "kind": "resource" }],
        }]);
        let mut result = json!({
            "ruleId": finding.code,
            "level": finding.severity,
            "message": { "text": format!("{}: {}. {}{fix}", finding.object, finding.what, finding.why) },
            "locations": locations,
            "partialFingerprints": { "finding/v1": format!("{}/{}/{}", finding.code, finding.object, finding.what) },
        });
        if let Some(reason) = accepted {
            result["suppressions"] = json!([{ "kind": "external", "justification": reason }]);
        }
        result
    }
}
