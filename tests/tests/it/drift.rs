//! Drift: each kind of manual change is reported by its code, and the fix of the finding resolves it.

use sqlx::PgConnection;
use tenant_runtime::{
    audit::{Report, Severity, audit},
    migrate::folder::Folder,
};
use tenant_tests::{ask, connect, dedicated_server, example_migrations_dir, migrate, run};

use super::{
    audit::codes,
    drift_cases::{DRIFTS, Drift},
};

#[tokio::test]
async fn drift_is_reported_by_code_and_resolved_by_its_fix() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    migrate(&server.admin_url()).await;
    let schema = Folder::new(example_migrations_dir()).schema().expect("the example's snapshot");
    let mut admin = connect(&server.admin_url()).await;
    let mut wrong = Vec::new();
    let major = server.version().major;
    for Drift { codes: wanted, sql, after, .. } in DRIFTS.iter().filter(|drift| drift.since <= major) {
        run(&mut admin, sql).await.unwrap_or_else(|error| panic!("{sql}: {error}"));
        let report = audit(&mut admin, &schema).await.expect("an audit");
        let mut told = codes(&report);
        told.dedup();
        println!("{:14} {}", told.join(" "), sql.split_whitespace().collect::<Vec<_>>().join(" "));
        if told != *wanted {
            wrong.push(format!("{sql}\n  is reported as {told:?}, expected {wanted:?}:{}", list(&report)));
        }
        fix(&mut admin, sql, &report, &mut wrong).await;
        if sql.contains("ALTER EXTENSION") {
            // The fix of an object that an extension hides makes it visible; the next audit reports it.
            let visible = audit(&mut admin, &schema).await.expect("an audit");
            fix(&mut admin, sql, &visible, &mut wrong).await;
        }
        run(&mut admin, after).await.unwrap_or_else(|error| panic!("{after}: {error}"));
        let left = audit(&mut admin, &schema).await.expect("an audit");
        if !left.is_clean() {
            wrong.push(format!("{sql}\n  is not fixed:{}", list(&left)));
            break;
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Runs the fixes of a report.
async fn fix(admin: &mut PgConnection, sql: &str, report: &Report, wrong: &mut Vec<String>) {
    for finding in &report.findings {
        if finding.is_manual() && finding.severity != Severity::Note {
            wrong.push(format!("{sql}\n  is reported without a fix:{}", list(report)));
        }
        if let Err(error) = run(admin, &finding.fix).await {
            wrong.push(format!("{sql}\n  is not fixed by `{}`: {error}", finding.fix));
            run(admin, "ROLLBACK; RESET ROLE").await.expect("undone");
        }
    }
}

/// Layouts of a table's partitions that require manual steps, since rows have to be moved.
const LAYOUTS: [&str; 5] = [
    // The same, with another number of partitions.
    "ALTER TABLE app.events DETACH PARTITION app.events_p0; ALTER TABLE app.events DETACH PARTITION app.events_p2;
     INSERT INTO app.events_p0 SELECT * FROM app.events_p2; DROP TABLE app.events_p2;
     ALTER TABLE app.events ATTACH PARTITION app.events_p0 FOR VALUES WITH (MODULUS 2, REMAINDER 0)",
    // Not partitioned, partitioned by another column, and by another method.
    "CREATE TABLE app.other (LIKE app.events INCLUDING ALL); INSERT INTO app.other SELECT * FROM app.events;
     DROP TABLE app.events; ALTER TABLE app.other RENAME TO events",
    "CREATE TABLE app.other (LIKE app.events INCLUDING DEFAULTS) PARTITION BY HASH (id);
     CREATE TABLE app.one PARTITION OF app.other FOR VALUES WITH (MODULUS 1, REMAINDER 0);
     INSERT INTO app.other SELECT * FROM app.events; DROP TABLE app.events; ALTER TABLE app.other RENAME TO events",
    "CREATE TABLE app.other (LIKE app.events INCLUDING DEFAULTS) PARTITION BY LIST (what);
     CREATE TABLE app.events_p9 PARTITION OF app.other DEFAULT; INSERT INTO app.other SELECT * FROM app.events;
     DROP TABLE app.events; ALTER TABLE app.other RENAME TO events",
    // A partition that is itself partitioned.
    "ALTER TABLE app.events DETACH PARTITION app.events_p3;
     CREATE TABLE app.other PARTITION OF app.events FOR VALUES WITH (MODULUS 4, REMAINDER 3) PARTITION BY HASH (id);
     CREATE TABLE app.events_p3_0 PARTITION OF app.other FOR VALUES WITH (MODULUS 1, REMAINDER 0);
     INSERT INTO app.other SELECT * FROM app.events_p3; DROP TABLE app.events_p3; ALTER TABLE app.other RENAME TO events_p3",
];

#[tokio::test]
async fn partition_layout_drift_is_fixed_in_steps_without_losing_rows() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    migrate(&server.admin_url()).await;
    let schema = Folder::new(example_migrations_dir()).schema().expect("the example's snapshot");
    let mut admin = connect(&server.admin_url()).await;
    let rows = "INSERT INTO app.organizations (name) SELECT 'o' || n FROM generate_series(1, 20) AS n;
        INSERT INTO app.events (organization_id, what) SELECT id, 'x' FROM app.organizations";
    run(&mut admin, rows).await.expect("inserted");
    for sql in LAYOUTS {
        run(&mut admin, sql).await.expect(sql);
        let found = audit(&mut admin, &schema).await.expect("an audit");
        let by_hand: Vec<_> =
            found.findings.iter().filter(|finding| finding.fix.starts_with("-- The rows have to be moved")).collect();
        assert!(by_hand.len() == 1 && by_hand[0].is_manual(), "{sql}{}", list(&found));
        assert!(found.to_string().contains("fix: manual steps, printed by `--format sql`"), "{found}");
        for step in by_hand[0].fix.lines().map(|line| line.trim_start_matches(['-', ' '])) {
            let audits = [("2.", "table "), ("4.", "")].into_iter().find(|(number, _)| step.starts_with(number));
            let fixes = match audits {
                Some((_, of)) => {
                    let again = audit(&mut admin, &schema).await.expect("an audit").findings;
                    again
                        .into_iter()
                        .filter(|finding| finding.object.starts_with(of))
                        .map(|finding| finding.fix)
                        .collect()
                }
                None if step.ends_with(';') => vec![step.to_owned()],
                None => vec![],
            };
            for fix in fixes {
                run(&mut admin, &fix).await.unwrap_or_else(|error| panic!("{sql}\n{step}: {fix}: {error}"));
            }
        }
        let left = audit(&mut admin, &schema).await.expect("an audit");
        assert!(left.is_clean(), "{sql}{}", list(&left));
        assert_eq!(ask(&mut admin, "SELECT count(*)::text FROM app.events").await, "20", "{sql}");
    }
}

fn list(report: &Report) -> String {
    let lines = report
        .findings
        .iter()
        .map(|finding| format!("\n    {} {}: {}: {}", finding.code, finding.object, finding.what, finding.fix));
    lines.collect()
}
