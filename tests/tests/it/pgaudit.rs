//! pgaudit: declared classes are logged for every session, the app cannot disable it, and the audit reports drift.
//!
//! Where the server lacks the library, the tests that need it print SKIPPED and pass; `.ci/run` installs it if possible.

use std::fs;

use sqlx::PgConnection;
use tenant_runtime::{
    analyze::check,
    audit::{Report, audit},
    model::{def::TenancyDef, schema::Schema},
    plan::plan,
    server::{Server, ServerOptions},
    sql,
};
use tenant_tests::{ask, connect, dedicated_server, refusal, run, server_options};

use super::{
    audit::codes,
    sample_declarations::{SHIPPED, leak, of},
};

/// The schema of a tenancy with pgaudit.
fn schema(pgaudit: Option<&'static str>) -> Schema {
    let tables = leak(of(TenancyDef { pgaudit, ..SHIPPED }));
    check(&tenant_runtime::models![].only(tables)).expect("nothing is wrong").schema
}

/// Applies the migration between two schemas, as sqlx does.
async fn migrate(connection: &mut PgConnection, before: &Schema, after: &Schema) -> sqlx::Result<()> {
    let plan = plan(before, after, &Default::default()).expect("a plan");
    for migration in sql::migrations(&plan) {
        if let Err(error) = run(connection, &format!("BEGIN; {}; COMMIT", migration.up)).await {
            run(connection, "ROLLBACK").await.expect("undone");
            return Err(error);
        }
    }
    Ok(())
}

/// A database whose owner is not a superuser.
async fn database(server: &Server) -> (PgConnection, PgConnection) {
    let mut postgres = connect(&server.admin_url()).await;
    run(&mut postgres, "CREATE ROLE boss LOGIN CREATEROLE").await.expect("made");
    run(&mut postgres, "CREATE DATABASE acme OWNER boss").await.expect("made");
    (connect(&server.url("boss", "acme")).await, connect(&server.url("postgres", "acme")).await)
}

/// A server that loads pgaudit.
async fn server_with_pgaudit() -> Option<Server> {
    let mut options: ServerOptions = server_options();
    options.settings.push(("shared_preload_libraries".into(), "pgaudit".into()));
    match tokio::task::spawn_blocking(move || Server::start(&options)).await.expect("it ends") {
        Ok(server) => Some(server),
        Err(error) if error.to_string().contains("pgaudit") => {
            eprintln!(
                "SKIPPED: this server cannot load pgaudit, such as Debian's package postgresql-15-pgaudit brings it"
            );
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn report(connection: &mut PgConnection, schema: &Schema) -> Report {
    audit(connection, schema).await.expect("an audit")
}

#[tokio::test]
async fn pgaudit_logs_declared_classes_and_the_app_cannot_disable_it() {
    let Some(server) = server_with_pgaudit().await else { return };
    let (mut boss, mut postgres) = database(&server).await;
    let declared = schema(Some("ddl, role,write"));
    let refused = migrate(&mut boss, &Schema::default(), &declared).await.expect_err("allowed for a superuser only");
    let hint =
        refused.as_database_error().and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>());
    let hint = hint.and_then(|error| error.hint()).expect("a hint").to_owned();
    let help = hint.strip_prefix("As a superuser, run: ").expect(&hint);
    run(&mut postgres, help).await.expect("as the hint says");
    migrate(&mut boss, &Schema::default(), &declared).await.expect("the owner has the privilege now");
    let mut app = connect(&server.url("app_service", "acme")).await;
    let attempts = [
        "SET pgaudit.log = 'none'",
        "SELECT set_config('pgaudit.log', 'none', false)",
        "ALTER ROLE app_service SET pgaudit.log = 'none'",
        "ALTER DATABASE acme RESET pgaudit.log",
    ];
    for sql in attempts {
        assert_eq!(refusal(run(&mut app, sql).await.expect_err(sql)).0, "42501", "{sql}");
    }
    run(&mut app, "ALTER ROLE app_service RESET ALL; RESET ALL").await.expect("a login resets its settings");
    let org = "00000000-0000-0000-0000-000000000001";
    let writes = format!(
        "BEGIN; SET LOCAL ROLE app_member; SET LOCAL app.organization_id = '{org}';
         INSERT INTO app.projects (name, organization_id) VALUES ('x', '{org}'); COMMIT"
    );
    run(&mut app, &writes).await.expect("a member inserts");
    // A setting takes effect for new sessions.
    let mut boss = connect(&server.url("boss", "acme")).await;
    run(&mut boss, "CREATE ROLE eve; SELECT count(*) FROM app.projects").await.expect("made");
    let log = fs::read_to_string(server.socket_dir().join("log")).expect("the log");
    let logged = |text: &str| log.lines().any(|line| line.contains("AUDIT: SESSION") && line.contains(text));
    assert!(logged("WRITE,INSERT,") && logged("ROLE,CREATE ROLE,") && !logged("READ,SELECT"), "{log}");
}

#[tokio::test]
async fn pgaudit_setting_drift_is_reported_with_a_fix() {
    let Some(server) = server_with_pgaudit().await else { return };
    let (_boss, mut postgres) = database(&server).await;
    run(&mut postgres, "ALTER ROLE boss NOCREATEROLE; ALTER DATABASE acme OWNER TO postgres").await.expect("done");
    let [nothing, all, less] = [schema(None), schema(Some("all, -read")), schema(Some("ddl"))];
    migrate(&mut postgres, &Schema::default(), &all).await.expect("applied");
    let drifts = [
        "ALTER DATABASE acme RESET pgaudit.log",
        "ALTER DATABASE acme SET pgaudit.log = 'none'",
        "ALTER ROLE app_service SET pgaudit.log = 'none'",
        "ALTER ROLE app_admin IN DATABASE acme SET pgaudit.log_parameter = on",
    ];
    for drift in drifts {
        assert_eq!(codes(&report(&mut postgres, &all).await), [""; 0], "before {drift}");
        run(&mut postgres, drift).await.expect(drift);
        let found = report(&mut postgres, &all).await;
        assert_eq!(codes(&found), ["TA125"], "{drift}: {found}");
        for finding in &found.findings {
            run(&mut postgres, &finding.fix).await.expect(&finding.fix);
        }
    }
    migrate(&mut postgres, &all, &less).await.expect("applied");
    let changed = codes(&report(&mut postgres, &less).await);
    migrate(&mut postgres, &less, &nothing).await.expect("applied");
    let set = "SELECT count(*)::text FROM pg_db_role_setting WHERE setrole = 0";
    // Without a declaration, pgaudit settings are the operator's.
    run(&mut postgres, "ALTER DATABASE postgres SET pgaudit.log = 'all'").await.expect("set");
    let left = (ask(&mut postgres, set).await, codes(&report(&mut postgres, &nothing).await));
    assert_eq!((changed, left), (vec![], ("1".to_owned(), vec![])));
}

#[tokio::test]
async fn server_without_pgaudit_migrates_and_audit_notes_it() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let (mut boss, mut postgres) = database(&server).await;
    let declared = schema(Some("ddl"));
    migrate(&mut boss, &Schema::default(), &declared).await.expect("there is nothing to set");
    let found = report(&mut boss, &declared).await;
    // A superuser can set it anyway, for a later start with the library.
    run(&mut postgres, "ALTER DATABASE acme SET pgaudit.log = 'ddl'").await.expect("set");
    let still = report(&mut boss, &declared).await;
    assert!(found.is_clean() && codes(&found) == ["TA126"], "{found}");
    assert!(still.is_clean() && codes(&still) == ["TA126"], "{still}");
    let told = found.findings.iter().find(|finding| finding.code == "TA126").map(|finding| finding.what.as_str());
    assert_eq!(told, Some("pgaudit is declared to log `ddl`, but the server does not load it"));
}
