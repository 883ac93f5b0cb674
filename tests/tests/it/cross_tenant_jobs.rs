//! Cross-tenant jobs: a separate login, a reason that is recorded first, and transactions limited to one tenant.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use sqlx::AssertSqlSafe;
use tenant_examples::{Comment, Event, NewEvent, Organization, Task, TaskChanges};
use tenant_runtime::{
    Error, Repository as _, SystemCtx, SystemDb, TenantDb,
    roles::{Member, Organizations},
};
use tenant_tests::{Database, ask, connect, refusal, run};

async fn jobs(database: &Database) -> SystemDb<Organizations> {
    SystemDb::connect(&database.url_of("app_jobs")).await.expect("the login of jobs connects")
}

async fn because(database: &Database) -> SystemCtx<Organizations> {
    jobs(database).await.begin_access("a test of jobs").await.expect("a reason")
}

fn event(what: &str) -> NewEvent {
    NewEvent { what: what.to_owned(), id: None, at: None }
}

// Login and role -----------------------------------------------------------------------------------------------------

#[tokio::test]
async fn app_login_and_job_login_cannot_become_each_others_roles() {
    let database = Database::create().await;
    let mut seen = Vec::new();
    for (login, roles) in [
        ("app_service", &["app_system", "app_jobs", "app_schema_owner", "app_function_owner"][..]),
        (
            "app_jobs",
            &[
                "app_viewer",
                "app_member",
                "app_admin",
                "app_no_tenant",
                "app_service",
                "app_schema_owner",
                "app_function_owner",
            ],
        ),
    ] {
        let mut session = connect(&database.url_of(login)).await;
        for role in roles {
            let refused = run(&mut session, &format!("SET ROLE {role}")).await.map_err(refusal);
            if !matches!(&refused, Err((code, _)) if code == "42501") {
                seen.push(format!("{login} as {role}: {refused:?}"));
            }
        }
    }
    assert_eq!(seen, Vec::<String>::new());
}

#[tokio::test]
async fn login_with_both_app_and_system_roles_is_rejected() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let of = ask(&mut admin, "SELECT current_database()::text").await;
    for sql in [
        "CREATE ROLE login_of_both LOGIN NOINHERIT".to_owned(),
        "GRANT app_system, app_viewer TO login_of_both".to_owned(),
        format!("GRANT CONNECT ON DATABASE {of} TO login_of_both"),
    ] {
        run(&mut admin, &sql).await.expect("a superuser can");
    }
    let app = TenantDb::connect(&database.url_of("login_of_both")).await;
    let jobs = SystemDb::<Organizations>::connect(&database.url_of("login_of_both")).await;
    run(&mut admin, "DROP OWNED BY login_of_both; DROP ROLE login_of_both").await.expect("gone");
    for (findings, role) in [(app.err(), "app_system"), (jobs.err(), "app_viewer")] {
        let Some(Error::UnsafeLogin { findings, .. }) = findings else {
            panic!("the login was accepted: {findings:?}")
        };
        let mends = format!("run `REVOKE {role} FROM login_of_both`");
        assert!(findings.len() == 1 && findings[0].ends_with(&mends), "{findings:?}");
    }
}

#[tokio::test]
async fn job_connection_accepts_connect_options() {
    let database = Database::create().await;
    let url = database.url_of("app_jobs");
    let connect = |options| SystemDb::<Organizations>::connect_with(&url, options);
    let options = || TenantDb::options().statement_timeout(Duration::from_millis(300)).prepared_statements(false);
    let drifted = connect(options().fingerprint("of another database")).await.err();
    let jobs = connect(options()).await.expect("connects");
    let mut tx = jobs.begin_access("a test of jobs").await.expect("a reason").begin().await.expect("begins");
    sqlx::query("SELECT $1").bind("x").execute(&mut tx).await.expect("runs");
    let prepared = sqlx::query_scalar("SELECT count(*) FROM pg_catalog.pg_prepared_statements");
    let prepared: i64 = prepared.fetch_one(&mut tx).await.expect("reads");
    let slow = sqlx::query("SELECT pg_sleep(60)").execute(&mut tx).await.map_err(Error::from);
    assert!(matches!(drifted, Some(Error::FingerprintMismatch { .. })), "{drifted:?}");
    assert!(matches!(slow, Err(Error::TimedOut { .. })), "{slow:?}");
    assert_eq!(prepared, 0);
}

// Reason -------------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn begin_access_records_reason_and_login_first() {
    let database = Database::create().await;
    let jobs = jobs(&database).await;
    for short in ["", " \n\t", "a ticket!", "  a ticket!\n", "           "] {
        let refused = jobs.begin_access(short).await.map(drop);
        assert!(matches!(refused, Err(Error::ReasonTooShort { min_length: 10 })), "{short:?}: {refused:?}");
    }
    let system = jobs.begin_access("ticket 4711: counting").await.expect("a reason");
    let record = format!(
        "SELECT concat_ws(' | ', reason, db_user, at <= now()) FROM app.system_access_log WHERE id = '{}'",
        system.record()
    );
    let mut admin = database.admin().await;
    assert_eq!(ask(&mut admin, &record).await, "ticket 4711: counting | app_jobs | t");
    assert_eq!(ask(&mut admin, "SELECT count(*)::text FROM app.system_access_log").await, "1");
}

#[tokio::test]
async fn system_role_sees_no_rows_without_an_access_record_of_its_login() {
    let database = Database::create().await;
    let own = because(&database).await.record();
    let mut admin = database.admin().await;
    let of_another =
        ask(&mut admin, "INSERT INTO app.system_access_log (reason) VALUES ('x') RETURNING id::text").await;
    let mut session = connect(&database.url_of("app_jobs")).await;
    run(&mut session, "SET ROLE app_system").await.expect("allowed");
    let count = "SELECT count(*)::text FROM app.tasks";
    let mut seen = vec![ask(&mut session, count).await];
    for record in [String::new(), uuid::Uuid::new_v4().to_string(), of_another, own.to_string()] {
        run(&mut session, &format!("SET app.system_access = '{record}'")).await.expect("a setting");
        seen.push(ask(&mut session, count).await);
        let changed = run(&mut session, "UPDATE app.tasks SET title = title").await.expect("allowed, without effect");
        assert_eq!(changed.to_string(), *seen.last().expect("one"));
    }
    assert_eq!(seen, ["0", "0", "0", "0", "2"]);
}

#[tokio::test]
async fn uncommitted_access_record_grants_nothing() {
    let database = Database::create().await;
    let mut session = connect(&database.url_of("app_jobs")).await;
    run(&mut session, "BEGIN; SET LOCAL ROLE app_system").await.expect("the login of jobs can");
    let record = ask(&mut session, "SELECT app_auth.begin_system_access('a look at everything')::text").await;
    let name = format!("SET LOCAL app.system_access = '{record}'");
    let count = "SELECT count(*)::text FROM app.organizations";
    run(&mut session, &name).await.expect("a setting");
    let uncommitted = ask(&mut session, count).await;
    run(&mut session, "COMMIT; BEGIN; SET LOCAL ROLE app_system").await.expect("committed");
    run(&mut session, &name).await.expect("a setting");
    assert_eq!((uncommitted, ask(&mut session, count).await), ("0".to_owned(), "2".to_owned()));
}

/// Changes the age of the only access record.
async fn age(database: &Database, interval: &str) {
    let aged = format!("UPDATE app.system_access_log SET at = now() - interval '{interval}'");
    assert_eq!(run(&mut database.admin().await, &aged).await.expect("a superuser can"), 1);
}

#[tokio::test]
async fn short_reason_is_refused_by_the_database() {
    let database = Database::create().await;
    let mut session = connect(&database.url_of("app_jobs")).await;
    run(&mut session, "SET ROLE app_system").await.expect("the login of jobs can");
    for short in ["''", "'x'", "'a ticket!'", "' \t a ticket!\n '", "E'\\t\\n\\x0B\\f\\r         '", "NULL"] {
        let refused = run(&mut session, &format!("SELECT app_auth.begin_system_access({short})")).await;
        let refused = refused.map_err(Error::from);
        assert!(matches!(refused, Err(Error::ReasonTooShort { min_length: 10 })), "{short}: {refused:?}");
    }
    run(&mut session, "SELECT app_auth.begin_system_access('vv ä 345vv')").await.expect("ten characters");
    assert_eq!(ask(&mut database.admin().await, "SELECT count(*)::text FROM app.system_access_log").await, "1");
}

#[tokio::test]
async fn expired_access_record_gives_no_access() {
    let database = Database::create().await;
    let jobs = jobs(&database).await;
    let system = jobs.begin_access("a test of jobs").await.expect("a reason");
    age(&database, "7 hours 59 minutes").await;
    let mut tx = system.begin().await.expect("begins");
    let count = "SELECT count(*) FROM app.tasks";
    assert_eq!(sqlx::query_scalar::<_, i64>(count).fetch_one(&mut tx).await.expect("it is still valid"), 2);
    // The record expires within the transaction.
    age(&database, "8 hours").await;
    let expired = sqlx::query(count).execute(&mut tx).await.map_err(Error::from);
    assert!(matches!(expired, Err(Error::AccessExpired)), "{expired:?}");
    assert!(expired.expect_err("expired").to_string().contains("`SystemDb::begin_access`"));
    assert!(tx.commit().await.is_err(), "it was aborted");
    let mut of_tenant = system.begin_for(&database.acme.id).await.expect("begins");
    let typed = Task::count(&mut of_tenant).await;
    assert!(matches!(typed, Err(Error::AccessExpired)), "{typed:?}");
    let tenants = system.tenants::<Organization>().await;
    assert!(matches!(tenants, Err(Error::AccessExpired)), "{tenants:?}");
    for sql in
        ["DELETE FROM app.events", "UPDATE app.tasks SET title = 'x'", "INSERT INTO app.events (what) VALUES ('x')"]
    {
        let mut tx = system.begin_for(&database.acme.id).await.expect("begins");
        let refused = sqlx::query(sql).execute(&mut tx).await.map_err(Error::from);
        assert!(matches!(refused, Err(Error::AccessExpired)), "{sql}: {refused:?}");
    }
    // A long job records a reason again.
    let system = jobs.begin_access("a test of jobs").await.expect("a reason");
    assert_eq!(system.tenants::<Organization>().await.expect("it reads").len(), 2);
    let log = "SELECT count(*)::text FROM app.system_access_log";
    assert_eq!(ask(&mut database.admin().await, log).await, "2");
}

#[tokio::test]
async fn only_an_administrator_deletes_access_records_and_only_old_ones() {
    let database = Database::create().await;
    because(&database).await;
    let delete = |age: &str| format!("SELECT app_auth.delete_system_access('{age}')::text");
    let mut sessions = vec![connect(&database.url_of("app_jobs")).await, connect(&database.app_url()).await];
    for role in ["app_viewer", "app_member", "app_admin", "app_no_tenant"] {
        sessions.push(database.raw(role, database.acme.id, database.acme.admin).await);
    }
    let mut system = connect(&database.url_of("app_jobs")).await;
    run(&mut system, "SET ROLE app_system").await.expect("allowed");
    sessions.push(system);
    age(&database, "91 days").await;
    for session in &mut sessions {
        let refused = run(session, &delete("90 days")).await.expect_err("only an administrator can");
        assert_eq!(refusal(refused).0, "42501");
    }
    let mut admin = database.admin().await;
    run(&mut admin, "SET ROLE app_schema_owner").await.expect("a superuser can");
    for young in ["89 days", "3 hours", "-1 day"] {
        let (code, message) = refusal(run(&mut admin, &delete(young)).await.expect_err("too young"));
        assert_eq!(code, "22023", "{young}");
        assert!(message.contains("at least 90 days"), "{message}");
    }
    assert_eq!(ask(&mut admin, &delete("92 days")).await, "0");
    assert_eq!(ask(&mut admin, &delete("90 days")).await, "1");
    assert_eq!(ask(&mut database.admin().await, "SELECT count(*)::text FROM app.system_access_log").await, "0");
}

#[tokio::test]
async fn access_log_cannot_be_read_or_changed_by_application_roles() {
    let database = Database::create().await;
    because(&database).await;
    let mut sessions = vec![connect(&database.url_of("app_jobs")).await];
    for role in ["app_viewer", "app_member", "app_admin", "app_no_tenant"] {
        sessions.push(database.raw(role, database.acme.id, database.acme.admin).await);
    }
    let mut system = connect(&database.url_of("app_jobs")).await;
    run(&mut system, "SET ROLE app_system").await.expect("allowed");
    sessions.push(system);
    for session in &mut sessions {
        for sql in [
            "SELECT id FROM app.system_access_log",
            "INSERT INTO app.system_access_log (reason) VALUES ('forged')",
            "UPDATE app.system_access_log SET reason = 'forged'",
            "DELETE FROM app.system_access_log",
            "TRUNCATE app.system_access_log",
        ] {
            let refused = run(session, sql).await.expect_err("no role can modify the log");
            assert_eq!(refusal(refused).0, "42501", "{sql}");
        }
    }
    // The owner of the table, under FORCE, finds no row to change; the function owner is a role without members.
    let mut admin = database.admin().await;
    run(&mut admin, "SET ROLE app_schema_owner").await.expect("a superuser can");
    let changed = run(&mut admin, "DELETE FROM app.system_access_log").await.expect("allowed, without effect");
    run(&mut admin, "SET ROLE app_function_owner").await.expect("a superuser can");
    let update = "UPDATE app.system_access_log SET reason = 'forged'";
    let refused = run(&mut admin, update).await.expect_err("the functions only add and delete");
    let members = "SELECT count(*)::text FROM pg_auth_members WHERE roleid = 'app_function_owner'::regrole
                   AND member <> (SELECT oid FROM pg_roles WHERE rolname = 'postgres')";
    let members = ask(&mut database.admin().await, members).await;
    assert_eq!((changed, refusal(refused).0.as_str(), members.as_str()), (0, "42501", "0"));
}

// Privileges ---------------------------------------------------------------------------------------------------------

#[tokio::test]
async fn system_transaction_is_limited_to_declared_tables_and_commands() {
    let database = Database::create().await;
    let system = because(&database).await;
    let mut tx = system.begin().await.expect("begins");
    let tasks: i64 = sqlx::query_scalar("SELECT count(*) FROM tasks").fetch_one(&mut tx).await.expect("it reads");
    let comments: i64 = sqlx::query_scalar("SELECT count(*) FROM comments").fetch_one(&mut tx).await.expect("it reads");
    let gone = sqlx::query("DELETE FROM events").execute(&mut tx).await.expect("it deletes").rows_affected();
    tx.commit().await.expect("commits");
    assert_eq!((tasks, comments, gone), (2, 2, 2));
    for sql in [
        "SELECT id FROM app.projects",
        "SELECT id FROM app.documents",
        "SELECT id FROM app.users",
        "SELECT user_id FROM app.org_members",
        "DELETE FROM app.tasks",
        "INSERT INTO app.tasks (title) VALUES ('x')",
        "UPDATE app.events SET what = 'x'",
        "UPDATE app.tasks SET organization_id = organization_id",
        "UPDATE app.organizations SET name = 'x'",
        "SELECT app_auth.add_member(gen_random_uuid(), 'admin')",
    ] {
        let mut tx = system.begin().await.expect("begins");
        let refused = sqlx::query(AssertSqlSafe(sql)).execute(&mut tx).await.map_err(Error::from);
        assert!(matches!(refused, Err(Error::Forbidden { .. })), "{sql}: {refused:?}");
        assert!(tx.commit().await.is_err(), "it was aborted: {sql}");
    }
}

#[tokio::test]
async fn system_transaction_rejects_forbidden_statements() {
    let database = Database::create().await;
    let mut tx = because(&database).await.begin().await.expect("begins");
    for sql in [
        "RESET ROLE",
        "COMMIT",
        "SELECT set_config('app.organization_id', '', true)",
        "SET app.system_access = ''",
        "EXPLAIN SELECT FROM app.projects",
        "LOCK app.projects",
    ] {
        let refused = sqlx::query(AssertSqlSafe(sql)).execute(&mut tx).await.map_err(Error::from);
        assert!(matches!(refused, Err(Error::ForbiddenStatement { .. })), "{sql}: {refused:?}");
    }
    tx.commit().await.expect("nothing of it ran");
}

// One tenant at a time -----------------------------------------------------------------------------------------------

#[tokio::test]
async fn for_each_tenant_confines_each_transaction_to_one_tenant() {
    let database = Database::create().await;
    let system = because(&database).await;
    let act = |mut tx: tenant_runtime::TenantTx<_>| async move {
        let own = Task::list(&mut tx).await?;
        // Without a condition: only the policies limit it.
        let all: i64 = sqlx::query_scalar("SELECT count(*) FROM app.tasks").fetch_one(&mut tx).await?;
        let comments = Comment::count(&mut tx).await?;
        let renamed = sqlx::query("UPDATE app.tasks SET title = title || '!'").execute(&mut tx).await?.rows_affected();
        let change = TaskChanges { title: Some("typed".into()), ..TaskChanges::default() };
        Task::update(&mut tx, own[0].id, change).await?;
        Event::insert(&mut tx, event("a job was here")).await?;
        tx.commit().await?;
        Ok((own.len(), all, comments, renamed))
    };
    let outcomes = system.for_each_tenant::<Organization, _, _>(act).await.expect("it reads the tenants");
    let mut orgs = [database.acme.id, database.globex.id];
    orgs.sort_unstable();
    let seen: Vec<_> = outcomes.into_iter().map(|(org, outcome)| (org, outcome.expect("allowed"))).collect();
    assert_eq!(seen, [(orgs[0], (1, 1, 1, 1)), (orgs[1], (1, 1, 1, 1))]);
    let events = "SELECT count(DISTINCT organization_id)::text FROM app.events WHERE what = 'a job was here'";
    assert_eq!(ask(&mut database.admin().await, events).await, "2");
}

#[tokio::test]
async fn tenant_scoped_job_cannot_read_or_write_another_tenant() {
    let database = Database::create().await;
    let (acme, globex) = (database.acme, database.globex);
    let system = because(&database).await;
    let mut tx = system.begin_for(&acme.id).await.expect("begins");
    assert!(matches!(Task::get(&mut tx, globex.task).await, Err(Error::NotFound { .. })));
    let change = TaskChanges { title: Some("x".into()), ..TaskChanges::default() };
    assert!(matches!(Task::update(&mut tx, globex.task, change).await, Err(Error::NotFound { .. })));
    let theirs = format!("DELETE FROM app.events WHERE organization_id = '{}'", globex.id);
    assert_eq!(
        sqlx::query(AssertSqlSafe(theirs)).execute(&mut tx).await.expect("allowed, without effect").rows_affected(),
        0
    );
    let insert = format!("INSERT INTO app.events (organization_id, what) VALUES ('{}', 'x')", globex.id);
    let refused = sqlx::query(AssertSqlSafe(insert)).execute(&mut tx).await.map_err(Error::from);
    assert!(matches!(refused, Err(Error::Forbidden { .. })), "{refused:?}");
}

#[tokio::test]
async fn extra_permissive_policy_does_not_open_other_tenants_to_jobs() {
    let database = Database::create().await;
    let opened = "CREATE POLICY opened ON app.events FOR ALL TO app_system USING (true) WITH CHECK (true)";
    run(&mut database.admin().await, opened).await.expect("a superuser can");
    let system = because(&database).await;
    let mut tx = system.begin_for(&database.acme.id).await.expect("begins");
    assert_eq!(
        sqlx::query("DELETE FROM app.events").execute(&mut tx).await.expect("the job deletes").rows_affected(),
        1
    );
}

#[tokio::test]
async fn for_each_tenant_continues_after_a_failed_tenant() {
    let database = Database::create().await;
    let (system, calls) = (because(&database).await, AtomicU32::new(0));
    let act = |mut tx: tenant_runtime::TenantTx<_>| {
        let call = calls.fetch_add(1, Ordering::Relaxed);
        async move {
            Event::insert(&mut tx, event("half done")).await?;
            if call == 0 {
                let unknown = TaskChanges { project_id: Some(uuid::Uuid::new_v4()), ..TaskChanges::default() };
                let task = Task::list(&mut tx).await?[0].id;
                Task::update(&mut tx, task, unknown).await?;
            }
            tx.commit().await
        }
    };
    let outcomes = system.for_each_tenant::<Organization, _, _>(act).await.expect("it reads the tenants");
    let kept = ask(&mut database.admin().await, "SELECT count(*)::text FROM app.events WHERE what = 'half done'").await;
    let failed = matches!(&outcomes[0].1, Err(Error::ForeignKeyViolation { .. }));
    assert_eq!((failed, outcomes[1].1.is_ok(), kept.as_str()), (true, true, "1"), "{outcomes:?}");
}

#[tokio::test]
async fn cancelled_job_leaves_no_open_transaction() {
    let database = Database::create().await;
    let system = because(&database).await;
    for micros in (0..3000).step_by(150) {
        let job = system.for_each_tenant::<Organization, _, _>(|mut tx| async move {
            Event::insert(&mut tx, event("dropped")).await?;
            std::future::pending::<()>().await;
            tx.commit().await
        });
        let dropped = tokio::time::timeout(std::time::Duration::from_micros(micros), job).await;
        assert!(dropped.is_err(), "it waits forever");
    }
    // The next transaction on those connections has its context only.
    let mut tx = system.begin().await.expect("begins");
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM app.events WHERE what = 'dropped'")
        .fetch_one(&mut tx)
        .await
        .expect("reads");
    tx.commit().await.expect("commits");
    assert_eq!(seen, 0);
}

#[tokio::test]
async fn system_policies_do_not_widen_member_access() {
    let database = Database::create().await;
    let db = database.app().await;
    let own = Task::count(&db.scope(&database.acme.as_member())).await.expect("a member reads");
    let forged = tenant_runtime::TenantCtx::<Member>::assume_authorized(database.globex.id, database.acme.member);
    assert_eq!((own, Task::count(&db.scope(&forged)).await.expect("allowed, without rows")), (1, 0));
}

#[test]
fn forbidden_job_error_names_the_missing_system_command() {
    let told = |table: &str, command| {
        let (table, role, source) = (table.to_owned(), Some("app_system"), sqlx::Error::RowNotFound);
        Error::Forbidden { table, command, role, source }.to_string()
    };
    let unnamed = told("app.tasks", "delete");
    assert!(unnamed.ends_with(": `system(…)` on `Task` does not include `delete`"), "{unnamed}");
    let columns = told("app.tasks", "update");
    let missing = ": `update` in `#[tenant(…)]` allows the command, but the role lacks the privilege on a column that the statement \
                   uses, or the database differs from the declaration";
    assert!(columns.ends_with(missing), "{columns}");
}
