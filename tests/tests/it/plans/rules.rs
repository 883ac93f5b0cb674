//! The rules that a plan must meet, checked on the plan's nodes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use tenant_tests::run;

use super::{
    fixture::{Form, PARALLEL},
    log::{Call, Statement},
};

/// Tables with more rows than this must be read through an index.
const LARGE_TABLE: f32 = 1000.0;

/// The functions with which the policies check the context.
const CHECKS: [&str; 2] = ["authorized_tenant_id()", "is_system_context()"];

/// What a plan must meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// A large table is read through an index that begins with the tenant column, or by a unique key.
    TenantIndex,
    /// No function of the policies is called for each row.
    NoCallPerRow,
    /// Each setting and each function of the policies is evaluated at most once for each use of a table.
    OncePerUse,
    /// Only the tenant's partition is read.
    Pruning,
    /// A statement that runs in parallel without policies also does so with them.
    Parallel,
}

/// A plan that does not meet a rule.
#[derive(Debug)]
pub(super) struct Violation {
    pub(super) rule: Rule,
    pub(super) call: String,
    pub(super) form: Form,
    pub(super) what: String,
}

/// An index: its columns, and whether it is unique.
struct Index {
    columns: Vec<String>,
    unique: bool,
}

/// What the rules need to know about the tables.
pub(super) struct Catalog {
    /// The tenant columns of the large tables; `None` for tables without one.
    large: BTreeMap<String, Option<&'static str>>,
    partitions: BTreeSet<String>,
    indexes: BTreeMap<String, Index>,
}

impl Catalog {
    pub(super) async fn read(admin: &mut PgConnection) -> Self {
        let tables = "SELECT c.relname::text, c.reltuples, c.relispartition,
                EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = c.oid AND a.attname = 'organization_id')
            FROM pg_class AS c WHERE c.relnamespace = 'app'::regnamespace AND c.relkind IN ('r', 'p')";
        let (mut large, mut partitions) = (BTreeMap::new(), BTreeSet::new());
        for row in sqlx::query(tables).fetch_all(&mut *admin).await.expect("the tables") {
            let name: String = row.get(0);
            let column = match (name.as_str(), row.get(3)) {
                ("organizations", _) => Some("id"),
                (_, true) => Some("organization_id"),
                _ => None,
            };
            if row.get::<f32, _>(1) > LARGE_TABLE {
                large.insert(name.clone(), column);
            }
            if row.get(2) {
                partitions.insert(name);
            }
        }
        let indexes = "SELECT i.indexrelid::regclass::text, i.indisunique, ARRAY(SELECT a.attname::text
                FROM pg_attribute AS a WHERE a.attrelid = i.indexrelid ORDER BY a.attnum)
            FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indrelid WHERE c.relnamespace = 'app'::regnamespace";
        let rows = sqlx::query(indexes).fetch_all(&mut *admin).await.expect("the indexes");
        let entry = |row: sqlx::postgres::PgRow| {
            let name: String = row.get(0);
            (name.trim_start_matches("app.").to_owned(), Index { columns: row.get(2), unique: row.get(1) })
        };
        Self { large, partitions, indexes: rows.into_iter().map(entry).collect() }
    }

    /// Returns the violations of all rules but [`Rule::Parallel`] by a call's statements.
    pub(super) fn check(&self, call: &Call) -> Vec<Violation> {
        let mut found = Vec::new();
        let mut checks = 0;
        for statement in &call.statements {
            let nodes = nodes(&statement.plan);
            let mut report = |rule, what: Vec<String>| {
                let violation = |what| Violation { rule, call: call.name.clone(), form: call.form, what };
                found.extend(what.into_iter().map(violation));
            };
            report(Rule::TenantIndex, nodes.iter().filter_map(|node| self.unindexed(node, &nodes)).collect());
            report(Rule::NoCallPerRow, nodes.iter().flat_map(|node| calls_per_row(node, statement)).collect());
            report(Rule::Pruning, self.unpruned(&nodes));
            if statement.inside.is_empty() {
                report(Rule::OncePerUse, repeated(&nodes, checks));
                checks = 0;
            } else if CHECKS.iter().any(|function| statement.inside.contains(function)) {
                checks += 1;
            }
        }
        found
    }

    /// Describes a scan of a large table without a suitable index.
    fn unindexed(&self, node: &Node<'_>, nodes: &[Node<'_>]) -> Option<String> {
        let table = node.text("Relation Name");
        let tenant = self.large.get(table).filter(|_| node.is_scan() && node.loops() > 0.0)?;
        let scans: Vec<&Node<'_>> = match node.kind() {
            "Bitmap Heap Scan" => nodes.iter().filter(|below| below.is_bitmap_of(node)).collect(),
            _ => vec![node],
        };
        let suitable = |scan: &&Node<'_>| {
            let condition = scan.text("Index Cond");
            let compares = |column: &str| condition.contains(&format!("{column} = "));
            let Some(index) = self.indexes.get(scan.text("Index Name")) else { return false };
            match tenant {
                Some(tenant) if index.columns[0] == *tenant => compares(tenant),
                Some(_) => index.unique && index.columns.iter().all(|column| compares(column)),
                None => compares(&index.columns[0]),
            }
        };
        if scans.iter().any(suitable) {
            return None;
        }
        let index = scans.first().map_or("", |scan| scan.text("Index Name"));
        Some(format!("{} of {table} {index}, {} rows filtered out", node.kind(), node.number("Rows Removed by Filter")))
    }

    /// Describes the partitions that were read, if there are several.
    fn unpruned(&self, nodes: &[Node<'_>]) -> Vec<String> {
        let read =
            nodes.iter().filter(|node| node.is_scan() && node.loops() > 0.0).map(|node| node.text("Relation Name"));
        let read: BTreeSet<&str> = read.filter(|table| self.partitions.contains(*table)).collect();
        if read.len() > 1 { vec![format!("reads {read:?}")] } else { Vec::new() }
    }
}

/// Describes the functions that a node calls for each row.
fn calls_per_row(node: &Node<'_>, statement: &Statement) -> Vec<String> {
    let rows = node.loops() * node.number("Actual Rows").max(1.0) + node.number("Rows Removed by Filter");
    let expressions = node.value.as_object().into_iter().flatten().filter(|(key, value)| {
        let text = value.to_string();
        // A sub-select without a table has one row, and a function's own statement may call functions for its only row.
        let once = rows <= 1.0 && (!statement.inside.is_empty() || node.kind() == "Result");
        let is_expression = *key == "Output" || key.ends_with("Filter") || key.ends_with("Cond");
        // These are evaluated once each time that the node runs.
        let once_each_time = match key.as_str() {
            "One-Time Filter" => node.loops() <= 1.0,
            "Index Cond" => node.loops() <= 1.0 && !statement.inside.is_empty(),
            _ => false,
        };
        is_expression && !once && !once_each_time && is_call(&text)
    });
    expressions
        .map(|(key, value)| format!("{key} of {} {}: {value}", node.kind(), node.text("Relation Name")))
        .collect()
}

/// Whether an expression reads a setting or calls a function of the policies.
fn is_call(expression: &str) -> bool {
    expression.contains("app_auth.") || expression.contains("current_setting(")
}

/// Describes what a statement evaluates more often than it uses tables. `checks` is the number of logged calls of
/// the functions that check the context.
fn repeated(nodes: &[Node<'_>], checks: usize) -> Vec<String> {
    let scans = nodes.iter().filter(|node| node.is_scan() && node.text("Schema") == "app").count();
    let new_rows = |node: &Node<'_>| match (node.text("Operation"), node.text("Conflict Resolution")) {
        // The new row, the existing row, and the changed row.
        ("Insert", "UPDATE") => 3,
        ("Insert" | "Update", _) => 1,
        _ => 0,
    };
    let uses = scans + nodes.iter().map(new_rows).sum::<usize>();
    let mut evaluated: BTreeMap<String, f64> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.text("Parent Relationship") == "InitPlan") {
        let output = node.value["Output"].to_string();
        if is_call(&output) {
            *evaluated.entry(output).or_default() += node.loops();
        }
    }
    let mut found: Vec<String> = Vec::new();
    for (output, times) in evaluated {
        if times > uses as f64 {
            found.push(format!("{times} evaluations of {output}, {uses} uses of tables"));
        }
    }
    if checks > uses {
        found.push(format!("{checks} checks of the context, {uses} uses of tables"));
    }
    found
}

/// Returns the statements of a call that would run in parallel without policies, but do not with them.
pub(super) async fn check_parallel(call: &Call, superuser: &mut PgConnection) -> Vec<Violation> {
    for setting in PARALLEL {
        run(superuser, &format!("SET {setting}")).await.expect(setting);
    }
    let is_gather = |plan: &Value| nodes(plan).iter().any(|node| node.kind().starts_with("Gather"));
    let mut found = Vec::new();
    for statement in call.statements.iter().filter(|statement| statement.inside.is_empty()) {
        // The statement is the last one of the message.
        let Some((_, sql)) = statement.sql.split_once("AS pg_catalog.int4); ") else { continue };
        if nodes(&statement.plan).iter().all(|node| node.text("Schema") != "app") {
            continue;
        }
        let explain = AssertSqlSafe(format!("EXPLAIN (FORMAT JSON) {sql}"));
        let plans: sqlx::types::Json<Value> =
            sqlx::query_scalar(explain).fetch_one(&mut *superuser).await.expect("a superuser can explain");
        if is_gather(&plans[0]["Plan"]) && !is_gather(&statement.plan) {
            let what = format!("not in parallel: {sql}");
            found.push(Violation { rule: Rule::Parallel, call: call.name.clone(), form: call.form, what });
        }
    }
    found
}

/// A node of a plan.
struct Node<'p> {
    value: &'p Value,
    /// The address of the nearest bitmap heap scan above.
    heap: Option<*const Value>,
}

impl Node<'_> {
    fn text(&self, key: &str) -> &str {
        self.value[key].as_str().unwrap_or_default()
    }

    fn number(&self, key: &str) -> f64 {
        self.value[key].as_f64().unwrap_or_default()
    }

    fn kind(&self) -> &str {
        self.text("Node Type")
    }

    fn loops(&self) -> f64 {
        self.number("Actual Loops")
    }

    /// Whether the node reads a table.
    fn is_scan(&self) -> bool {
        self.kind().ends_with("Scan") && !self.text("Relation Name").is_empty()
    }

    fn is_bitmap_of(&self, heap: &Node<'_>) -> bool {
        self.kind() == "Bitmap Index Scan" && self.heap == Some(std::ptr::from_ref(heap.value))
    }
}

/// Returns all nodes of a plan.
fn nodes(plan: &Value) -> Vec<Node<'_>> {
    fn add<'p>(value: &'p Value, above: Option<&Node<'p>>, found: &mut Vec<Node<'p>>) {
        let heap = match above {
            Some(above) if above.kind() == "Bitmap Heap Scan" => Some(std::ptr::from_ref(above.value)),
            _ => above.and_then(|above| above.heap),
        };
        let node = Node { value, heap };
        for below in value["Plans"].as_array().into_iter().flatten() {
            add(below, Some(&node), found);
        }
        found.push(node);
    }
    let mut found = Vec::new();
    add(plan, None, &mut found);
    found
}
