//! Planner statistics: the estimates of EXPLAIN reveal values of other tenants' rows, but not in sensitive columns.

use sqlx::{AssertSqlSafe, PgConnection};
use tenant_runtime::{
    TenantTable as _,
    audit::{Finding, audit},
};
use tenant_tests::{ask, connect, dedicated_server, run, set_context_sql};
use uuid::Uuid;

use super::{
    golden,
    migration_golden::{StartedCase, start_case},
};

/// The value of the other tenant's rows.
const SECRET: &str = "leukemia";

/// Inserts a thousand patients of two tenants; the values of the second tenant are all the same. Returns the first tenant.
async fn two_tenants(superuser: &mut PgConnection, tenant_column: &str, other_column: &str) -> Uuid {
    let [own, other] = [Uuid::new_v4(), Uuid::new_v4()];
    let rows = format!(
        "INSERT INTO app.patients ({tenant_column}, diagnosis, {other_column})
             SELECT '{own}', 'cold ' || n, 'x' FROM generate_series(1, 200) AS n;
         INSERT INTO app.patients ({tenant_column}, diagnosis, {other_column})
             SELECT '{other}', '{SECRET}', 'x' FROM generate_series(1, 800)"
    );
    run(superuser, &rows).await.expect("a superuser can");
    own
}

/// Returns the number of rows that the planner expects.
async fn estimate(app: &mut PgConnection, condition: &str) -> u64 {
    let explain = format!("EXPLAIN SELECT FROM app.patients WHERE {condition}");
    let plan: Vec<String> =
        sqlx::query_scalar(AssertSqlSafe(explain)).fetch_all(app).await.expect("the role can explain");
    let (_, rows) = plan[0].split_once("rows=").expect("an estimate");
    rows.split(' ').next().expect("a number").parse().expect("a number")
}

/// Reads the other tenant's value letter by letter: each next letter is the one for which the planner expects most rows.
/// Ends when the planner expects the same number for each letter.
async fn letter_by_letter(app: &mut PgConnection) -> String {
    let mut known = String::new();
    while known.len() < 20 {
        let mut estimates = Vec::new();
        for letter in b'a'..=b'y' {
            let (from, to) = (char::from(letter), char::from(letter + 1));
            let condition = format!("diagnosis >= '{known}{from}' AND diagnosis < '{known}{to}'");
            estimates.push((estimate(app, &condition).await, from));
        }
        let (least, most) = (estimates.iter().min().expect("letters"), estimates.iter().max().expect("letters"));
        if least.0 == most.0 {
            break;
        }
        known.push(most.1);
    }
    known
}

/// Returns whether the planner expects a different number of rows for the other tenant's value than for another value.
async fn equality_tells(app: &mut PgConnection) -> bool {
    estimate(app, &format!("diagnosis = '{SECRET}'")).await != estimate(app, "diagnosis = 'a guess'").await
}

/// Counts the statistics of a column of a table and of its partitions.
async fn statistics(superuser: &mut PgConnection, table: &str, column: &str) -> String {
    let sql = format!(
        "SELECT count(*)::text FROM pg_statistic JOIN pg_attribute ON attrelid = starelid AND attnum = staattnum
         WHERE attname = '{column}' AND (attrelid = 'app.{table}'::regclass
             OR attrelid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'app.{table}'::regclass))"
    );
    ask(superuser, &sql).await
}

async fn analyze(superuser: &mut PgConnection) {
    run(superuser, "ANALYZE").await.expect("a superuser can");
}

/// Starts the case in which `diagnosis` becomes sensitive, with rows and statistics.
async fn started() -> (StartedCase, PgConnection) {
    let mut case = start_case("sensitive_columns").await;
    let own = two_tenants(&mut case.superuser, "org", "ward").await;
    let readings = "INSERT INTO app.readings (id, org, patient, value) SELECT id, org, id, 7 FROM app.patients";
    run(&mut case.superuser, readings).await.expect("a superuser can");
    analyze(&mut case.superuser).await;
    let mut app = connect(&case.server.url("app_service", "evolve_sensitive_columns")).await;
    run(&mut app, &set_context_sql("app_viewer", own, Uuid::new_v4())).await.expect("the login can become the role");
    (case, app)
}

#[tokio::test]
async fn estimates_reveal_values_of_other_tenants_until_the_column_is_sensitive() {
    let (mut case, mut app) = started().await;
    let visible = format!("SELECT count(*)::text FROM app.patients WHERE diagnosis = '{SECRET}'");
    assert_eq!(ask(&mut app, &visible).await, "0");
    // The positive control: without `sensitive`, the attack succeeds.
    assert_eq!((letter_by_letter(&mut app).await.as_str(), equality_tells(&mut app).await), (SECRET, true));
    // Of the partitioned table and of each partition with rows.
    assert_ne!(statistics(&mut case.superuser, "readings", "value").await, "0");
    let files = "SELECT concat(pg_relation_filenode('app.patients'), ' ', pg_relation_filenode('app.readings_p0'))";
    let written = ask(&mut case.superuser, files).await;
    assert_eq!(case.migrate(0).await, None);
    assert_eq!(ask(&mut case.superuser, files).await, written, "no table is rewritten");
    // The old statistics are gone, and ANALYZE collects none again.
    for _ in 0..2 {
        assert_eq!((letter_by_letter(&mut app).await.as_str(), equality_tells(&mut app).await), ("", false));
        for (table, column, count) in
            [("patients", "diagnosis", "0"), ("patients", "insurer", "0"), ("readings", "value", "0")]
        {
            assert_eq!(statistics(&mut case.superuser, table, column).await, count, "{table}.{column}");
        }
        analyze(&mut case.superuser).await;
    }
    assert_eq!(statistics(&mut case.superuser, "patients", "ward").await, "1", "no longer sensitive");
    case.revert().await;
    assert_eq!(statistics(&mut case.superuser, "patients", "ward").await, "0", "sensitive again");
    analyze(&mut case.superuser).await;
    assert_eq!((letter_by_letter(&mut app).await.as_str(), equality_tells(&mut app).await), (SECRET, true));
}

#[tokio::test]
async fn sensitive_column_has_no_statistics_from_creation_on() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    let schema =
        golden::schema(&[golden::sensitive_columns::Patient::TABLE, golden::sensitive_columns::Reading::TABLE]);
    run(&mut admin, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("applied");
    let own = two_tenants(&mut admin, "organization_id", "name").await;
    let readings =
        "INSERT INTO app.readings (id, organization_id, value) SELECT id, organization_id, 7 FROM app.patients";
    run(&mut admin, readings).await.expect("a superuser can");
    analyze(&mut admin).await;
    let mut app = connect(&server.url("app_service", "postgres")).await;
    run(&mut app, &set_context_sql("app_viewer", own, Uuid::new_v4())).await.expect("the login can become the role");
    assert_eq!((letter_by_letter(&mut app).await.as_str(), equality_tells(&mut app).await), ("", false));
    for (table, column, count) in [
        ("patients", "diagnosis", "0"),
        ("patients", "insurance_number", "0"),
        ("patients", "name", "1"),
        ("readings", "value", "0"),
    ] {
        assert_eq!(statistics(&mut admin, table, column).await, count, "{table}.{column}");
    }
}

/// Audits the database; the test's administrator causes findings about roles, which do not matter here.
async fn column_findings(case: &mut StartedCase) -> Vec<Finding> {
    let report = audit(&mut case.superuser, &case.after).await.expect("an audit");
    report.findings.into_iter().filter(|finding| finding.object.starts_with("column ")).collect()
}

#[tokio::test]
async fn audit_reports_statistics_of_sensitive_columns_and_its_fix_removes_them() {
    let (mut case, mut app) = started().await;
    assert_eq!(case.migrate(0).await, None);
    // A target other than 0 is tuning, not drift.
    run(&mut case.superuser, "ALTER TABLE app.patients ALTER COLUMN ward SET STATISTICS 500")
        .await
        .expect("a superuser can");
    assert_eq!(column_findings(&mut case).await, []);
    for (drift, object, what) in [
        (
            "ALTER TABLE app.readings_p1 ALTER COLUMN value SET STATISTICS 50",
            "column value of app.readings",
            "PostgreSQL collects statistics of the values, which plans reveal, but the column is declared sensitive",
        ),
        (
            "ALTER TABLE app.patients ALTER COLUMN diagnosis SET STATISTICS -1",
            "column diagnosis of app.patients",
            "PostgreSQL collects statistics of the values, which plans reveal, but the column is declared sensitive",
        ),
        (
            "CREATE STATISTICS public.told ON (lower(diagnosis)) FROM app.patients",
            "column diagnosis of app.patients",
            "expression statistics are `public.told`, but are not declared",
        ),
    ] {
        run(&mut case.superuser, drift).await.expect(drift);
        analyze(&mut case.superuser).await;
        let findings = column_findings(&mut case).await;
        let [finding] = findings.as_slice() else { panic!("{drift}: {findings:?}") };
        assert_eq!((finding.code, finding.object.as_str(), finding.what.as_str()), ("TA107", object, what));
        run(&mut case.superuser, &finding.fix).await.unwrap_or_else(|error| panic!("{}: {error}", finding.fix));
        assert_eq!(column_findings(&mut case).await, [], "{drift}");
        for (table, column) in [("patients", "diagnosis"), ("readings", "value")] {
            assert_eq!(statistics(&mut case.superuser, table, column).await, "0", "{table}.{column} after {drift}");
        }
        assert_eq!((letter_by_letter(&mut app).await.as_str(), equality_tells(&mut app).await), ("", false), "{drift}");
    }
}

#[tokio::test]
async fn fixes_re_create_sensitive_columns_and_partitions_without_statistics() {
    let (mut case, _) = started().await;
    assert_eq!(case.migrate(0).await, None);
    let lost = "ALTER TABLE app.patients DROP COLUMN insurer; DROP TABLE app.readings_p1";
    run(&mut case.superuser, lost).await.expect("a superuser can");
    let report = audit(&mut case.superuser, &case.after).await.expect("an audit");
    let missing = report.findings.iter().filter(|finding| finding.what == "it is declared but missing in the database");
    let missing: Vec<_> = missing.map(|finding| (finding.object.as_str(), finding.fix.as_str())).collect();
    assert_eq!(missing.len(), 2, "{report}");
    for (object, fix) in missing {
        assert!(fix.contains(" SET STATISTICS 0;"), "{object}: {fix}");
        run(&mut case.superuser, fix).await.unwrap_or_else(|error| panic!("{fix}: {error}"));
    }
    assert_eq!(column_findings(&mut case).await, []);
}

#[tokio::test]
async fn view_on_a_column_that_becomes_sensitive_stops_the_migration_and_the_note_names_the_way_out() {
    let (mut case, mut app) = started().await;
    let views = "CREATE VIEW public.told AS SELECT diagnosis FROM app.patients;
                 CREATE VIEW public.read AS SELECT value FROM app.readings";
    run(&mut case.superuser, views).await.expect("a superuser can");
    assert_eq!(case.migrate(0).await, Some((0, "0A000".to_owned())));
    // The way out that the note names: without the statements, and with those of a superuser.
    let up = case.migrations[0].up.clone();
    let is_removal = |line: &&str| line.starts_with("ALTER TABLE") && line.contains(" TYPE ");
    assert_eq!(up.lines().filter(is_removal).count(), 2);
    case.migrations[0].up = up.lines().filter(|line| !is_removal(line)).collect::<Vec<_>>().join("\n");
    assert_eq!(case.migrate(0).await, None);
    let deletions: Vec<&str> =
        up.lines().filter_map(|line| Some(&line[line.find("DELETE FROM pg_statistic")?..])).collect();
    assert_eq!((deletions.len(), letter_by_letter(&mut app).await.as_str()), (2, SECRET));
    for deletion in deletions {
        run(&mut case.superuser, deletion).await.expect(deletion);
    }
    assert_eq!((letter_by_letter(&mut app).await.as_str(), equality_tells(&mut app).await), ("", false));
    assert_eq!(statistics(&mut case.superuser, "readings", "value").await, "0");
}
