//! The plans in the server's log, by the repository call that caused them.

use serde_json::Value;

use super::fixture::{Fixture, Form};

/// A statement that the server ran, with its plan.
#[derive(Debug)]
pub(super) struct Statement {
    /// The text.
    pub(super) sql: String,
    /// The topmost node of the plan.
    pub(super) plan: Value,
    /// The function or trigger that ran the statement; empty for a statement of the app.
    pub(super) inside: String,
}

/// A repository call, and the statements that it caused.
#[derive(Debug)]
pub(super) struct Call {
    /// The method and the size of the tenant.
    pub(super) name: String,
    pub(super) form: Form,
    pub(super) statements: Vec<Statement>,
}

/// Records calls one after another.
pub(super) struct Recorder<'f> {
    fixture: &'f Fixture,
    form: Form,
    size: &'static str,
    only: Option<&'static str>,
    read: u64,
    pub(super) calls: Vec<Call>,
}

impl<'f> Recorder<'f> {
    /// Starts to record; `only` is the start of the names of the calls to run.
    pub(super) fn new(fixture: &'f Fixture, form: Form, only: Option<&'static str>) -> Self {
        Self { fixture, form, size: "", only, read: fixture.log(0).len() as u64, calls: Vec::new() }
    }

    /// Sets the size of the tenant of the next calls.
    pub(super) fn of(&mut self, size: &'static str) {
        self.size = size;
    }

    /// Whether a call is among the calls to run.
    pub(super) fn wants(&self, name: &str) -> bool {
        self.only.is_none_or(|only| name.starts_with(only))
    }

    /// Runs a call and keeps the plans that the server logged meanwhile.
    pub(super) async fn call<T>(&mut self, name: &str, call: impl Future<Output = tenant_runtime::Result<T>>) -> T {
        let result = call.await.unwrap_or_else(|error| panic!("{name}, {} tenant: {error}", self.size));
        // The server writes the plan before it answers.
        let bytes = self.fixture.log(self.read);
        self.read += bytes.len() as u64;
        let name = format!("{name}, {} tenant", self.size);
        let statements = parse(&String::from_utf8_lossy(&bytes));
        assert!(!statements.is_empty(), "{name}: the server logged no plan");
        self.calls.push(Call { name, form: self.form, statements });
        result
    }
}

/// Reads the plans in a part of the log. Further lines of a message begin with a tab.
fn parse(log: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    let mut lines = log.lines().peekable();
    while let Some(line) = lines.next() {
        if !(line.starts_with("LOG:  duration: ") && line.ends_with("plan:")) {
            continue;
        }
        let mut json = String::new();
        while let Some(line) = lines.next_if(|line| line.starts_with('\t')) {
            json.push_str(line.trim_start_matches('\t'));
            json.push('\n');
        }
        let mut entry: Value = serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
        let mut inside = lines.next_if(|line| line.starts_with("CONTEXT:  ")).unwrap_or_default().to_owned();
        while let Some(line) = lines.next_if(|line| !inside.is_empty() && line.starts_with('\t')) {
            inside.push_str(line);
        }
        let sql = entry["Query Text"].as_str().unwrap_or_default().to_owned();
        statements.push(Statement { sql, plan: entry["Plan"].take(), inside });
    }
    statements
}
