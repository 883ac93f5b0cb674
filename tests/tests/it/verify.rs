//! `verify`: clean where the database enforces the declaration, for any declaration, and it leaves no rows behind.

use std::collections::BTreeMap;

use sqlx::Connection as _;
use tenant_runtime::{
    Models, TenantTable,
    matrix::Matrix,
    model::def::TableDef,
    models,
    roles::{Member, Viewer},
    verify::{VerifyError, VerifyOptions, verify},
};
use tenant_tests::{Database, TABLES, ask, connect, dedicated_server, run};
use uuid::Uuid;

use super::golden;

fn example() -> Models {
    models![tenant_examples].only(TABLES)
}

/// A model with a check constraint for which no value can be generated.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
struct Account {
    /// The key.
    id: Uuid,
    /// The organization.
    organization_id: Uuid,
    /// A number with two check digits.
    #[tenant(check = "mod(length(iban), 7) = 1 AND iban ~ '^DE[0-9]{20}$' AND substr(iban, 3, 2) = '89'")]
    iban: String,
    /// A number within the bounds of its check constraint.
    #[tenant(check = "percent BETWEEN 40 AND 60")]
    percent: i32,
    /// A column whose default violates the check constraint.
    #[tenant(check = "state IN ('open', 'closed')", default = "'open'")]
    state: String,
}

/// A table that the condition of another one reads.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
struct Rack {
    /// The key.
    id: Uuid,
    /// The organization.
    organization_id: Uuid,
    /// Whether books on it cannot be changed.
    locked: bool,
}

/// A table whose condition on updates reads the table that it references.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(using(update = "rack_id IN (SELECT r.id FROM app.racks AS r WHERE NOT r.locked)"))]
struct Book {
    /// The key.
    id: Uuid,
    /// The organization.
    organization_id: Uuid,
    /// The rack.
    #[tenant(references = Rack)]
    rack_id: Uuid,
    /// The title.
    title: String,
}

#[tokio::test]
async fn condition_with_a_subquery_beside_a_reference_verifies_clean() {
    let tables = vec![Rack::TABLE, Book::TABLE];
    assert_eq!(violations(vec![("books", tables)]).await, BTreeMap::new());
}

#[tokio::test]
async fn verify_of_the_example_is_clean_and_leaves_no_rows() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let counts = TABLES.map(|def| format!("SELECT count(*) AS n FROM {}", def.name)).join(" UNION ALL ");
    let count = format!("SELECT sum(n)::text FROM ({counts}) AS counts");
    let before = ask(&mut admin, &count).await;
    let report = verify(&database.admin_url(), &example(), &VerifyOptions::default()).await.expect("a report");
    assert!(report.is_clean(), "{report}");
    assert!(report.probes > 5_000, "{report}");
    assert_eq!(ask(&mut admin, &count).await, before);
}

#[tokio::test]
async fn cancelled_verify_leaves_no_rows() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let url = database.admin_url();
    let task = tokio::spawn(async move { verify(&url, &example(), &VerifyOptions::default()).await.map(drop) });
    // Other sessions cannot see its rows, but they can see its locks.
    let others = "SELECT count(*)::text FROM pg_locks AS l JOIN pg_database AS d ON d.oid = l.database
                  WHERE d.datname = current_database() AND l.mode = 'RowExclusiveLock' AND l.pid <> pg_backend_pid()
                      AND l.relation = 'app.employees'::regclass";
    while ask(&mut admin, others).await == "0" {
        assert!(!task.is_finished(), "it ended before its locks were read");
    }
    task.abort();
    let _ = task.await;
    while ask(&mut admin, others).await != "0" {}
    assert_eq!(ask(&mut admin, "SELECT count(*)::text FROM app.employees").await, "2");
}

#[tokio::test]
async fn golden_cases_verify_clean() {
    assert_eq!(violations(golden::cases()).await, BTreeMap::new());
}

#[tokio::test]
async fn golden_cases_with_all_system_commands_verify_clean() {
    let all: &[_] = &["select", "insert", "update", "delete"];
    let may = |def: &'static TableDef| {
        let system = if def.membership.is_some() || def.change_log { &all[..1] } else { all };
        &*Box::leak(Box::new(TableDef { system, ..*def }))
    };
    let cases = golden::cases().into_iter();
    let cases = cases.map(|(case, tables)| (case, tables.into_iter().map(may).collect()));
    assert_eq!(violations(cases.collect()).await, BTreeMap::new());
}

/// The golden cases in which a migrated database does not enforce its declaration.
async fn violations(cases: Vec<(&'static str, Vec<&'static TableDef>)>) -> BTreeMap<&'static str, String> {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut wrong = BTreeMap::new();
    for (case, tables) in cases {
        let migration = golden::migration(&golden::schema(&tables)).up;
        let options = VerifyOptions::default().after(format!("{}{migration}", golden::prerequisites(case)));
        match verify(&server.admin_url(), &golden::models(&tables), &options).await {
            Ok(report) if report.is_clean() => {}
            Ok(report) => drop(wrong.insert(case, report.to_string())),
            Err(error) => drop(wrong.insert(case, error.to_string())),
        }
    }
    wrong
}

#[tokio::test]
async fn verify_reports_missing_test_values_and_accepts_given_ones() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let tables = [Account::TABLE];
    let after = VerifyOptions::default().after(golden::migration(&golden::schema(&tables)).up);
    let models = golden::models(&tables);
    let error = verify(&server.admin_url(), &models, &after).await.expect_err("no account").to_string();
    assert!(error.contains("cannot generate a test row of `app.accounts`") && error.contains("`iban`"), "{error}");
    let given = after.values_from_json(r#"{"app.accounts": {"iban": ["DE89370400440532013000"]}}"#).expect("values");
    let report = verify(&server.admin_url(), &models, &given).await.expect("a report");
    assert!(report.is_clean(), "{report}");
    let nonsense = VerifyOptions::default().values_from_json("[]").expect_err("no table").to_string();
    assert!(nonsense.contains("the expected form is"), "{nonsense}");
}

#[tokio::test]
async fn verify_without_superuser_or_migrations_is_an_error() {
    let database = Database::create().await;
    let refused = verify(&database.app_url(), &example(), &VerifyOptions::default()).await.expect_err("no superuser");
    assert!(matches!(&refused, VerifyError::NotSuperuser { user } if user == "app_service"), "{refused}");
    let empty = Database::empty().await;
    let missing = verify(&empty.admin_url(), &example(), &VerifyOptions::default()).await.expect_err("no table");
    assert!(matches!(&missing, VerifyError::NotMigrated { table } if table.starts_with("app.")), "{missing}");
}

#[tokio::test]
async fn verify_fails_on_a_held_lock_instead_of_waiting() {
    let database = Database::create().await;
    let mut other = connect(&database.admin_url()).await;
    let mut holder = other.begin().await.expect("begun");
    run(&mut holder, "LOCK TABLE app.events IN ACCESS EXCLUSIVE MODE").await.expect("locked");
    let error = verify(&database.admin_url(), &example(), &VerifyOptions::default()).await.expect_err("it is locked");
    assert!(error.to_string().contains("lock timeout"), "{error}");
}

#[test]
fn matrix_renders_as_text_json_and_markdown() {
    let matrix = Matrix::declared(&example());
    let text = matrix.to_string();
    let line =
        |start: &str| text.lines().find(|line| line.trim_start().starts_with(start)).unwrap_or_default().to_owned();
    let words = |text: String| {
        text.split("  ").map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        words(line("app.employees")),
        ["app.employees", "select", "tenant, not salary", "tenant, not salary", "tenant", "-"]
    );
    assert_eq!(words(line("app.events")), ["app.events", "select", "-", "tenant", "tenant", "every"]);
    assert!(text.contains("every     rows of all tenants, for cross-tenant jobs with a recorded reason"), "{text}");
    let json = matrix.to_json();
    assert_eq!(json["tables"]["app.documents"]["delete"]["member"]["rows"], "own");
    assert_eq!(json["tables"]["app.tasks"]["update"]["system"]["rows"], "every");
    assert_eq!(json["tables"]["app.tasks"]["delete"]["system"]["rows"], "-");
    let markdown = matrix.to_markdown();
    assert!(markdown.contains("| app.projects | delete | - | - | tenant | - |"), "{markdown}");
    assert!(!Matrix::declared(&golden::models(&[Account::TABLE])).to_string().contains("system"));
}

#[tokio::test]
async fn verify_command_exits_with_1_on_a_violation() {
    let database = Database::create().await;
    let url = database.admin_url();
    let verify_command = |arguments: &[&str]| {
        let mut command = std::process::Command::new(super::command_line::program());
        let output = command.arg("verify").args(arguments).args(["--database-url", &url]).output().expect("it runs");
        (
            output.status.code(),
            String::from_utf8(output.stdout).expect("text"),
            String::from_utf8(output.stderr).expect("text"),
        )
    };
    let (code, out, _) = verify_command(&[]);
    assert!(code == Some(0) && out.trim_end().ends_with("the database enforces the declared permissions"), "{out}");
    run(&mut database.admin().await, "GRANT SELECT (salary) ON app.employees TO app_viewer").await.expect("granted");
    let (code, out, error) = verify_command(&["--format", "json"]);
    assert!(
        code == Some(1)
            && error.contains("verification failed: the database does not enforce the declared permissions"),
        "{error}"
    );
    for words in ["\"clean\": false", "\"table\": \"app.employees\"", "\"role\": \"app_viewer\"", "SELECT salary"] {
        assert!(out.contains(words), "{words}: {out}");
    }
    let (code, _, error) = verify_command(&["--data", "/nowhere.json"]);
    assert!(code == Some(1) && error.contains("cannot read /nowhere.json"), "{error}");
}
