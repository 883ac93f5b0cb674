//! `harden`: the app works without set_config, and injected SQL can no longer change the tenant setting with it.

use std::process::{Command, Output};

use tenant_examples::{MemberRole, NewProject, OrgMember, Project, ProjectChanges};
use tenant_runtime::{Members as _, Repository as _, roles::Admin};
use tenant_tests::{Database, ask, refusal, run};

use super::{
    command_line::program,
    session::{join, role, session, sign_up},
};

fn harden(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.arg("harden").args(arguments).args(["--database-url", url]).env_remove("DATABASE_URL");
    command.output().expect("the program runs")
}

fn said(output: &[u8]) -> String {
    String::from_utf8_lossy(output).into_owned()
}

/// A SELECT with injected SQL that changes the tenant before it reads.
fn tenant_change_attacks(database: &Database) -> [String; 3] {
    let org = database.globex.id;
    let user = database.globex.admin;
    let read = "SELECT count(*)::text FROM app.projects, changed";
    [
        format!(
            "WITH changed AS MATERIALIZED (SELECT set_config('app.organization_id', '{org}', true),
             set_config('app.user_id', '{user}', true)) {read}"
        ),
        format!("UPDATE pg_catalog.pg_settings SET setting = '{org}' WHERE name = 'app.organization_id'"),
        format!(
            "SELECT query_to_xml($q$SELECT set_config('app.organization_id', '{org}', true)$q$, true, true, '')::text"
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn harden_blocks_tenant_change_by_injected_set_config() {
    let database = Database::create().await;
    let acme = database.acme;
    let [select, update, xml] = tenant_change_attacks(&database);
    let mut app = database.raw("app_admin", acme.id, acme.admin).await;
    run(&mut app, "BEGIN").await.expect("begins");
    assert_eq!(ask(&mut app, &select).await, "1", "before `harden`, the attack reads the other tenant's project");
    assert!(
        ask(&mut app, "SELECT current_setting('app.organization_id')").await.contains(&database.globex.id.to_string())
    );
    run(&mut app, "ROLLBACK").await.expect("undone");
    let done = harden(&database.admin_url(), &[]);
    assert!(
        done.status.success() && said(&done.stdout).contains("revoked EXECUTE on set_config from PUBLIC"),
        "{done:?}"
    );
    for attack in [&select, &update, &xml] {
        let refused = run(&mut app, attack).await.expect_err("PUBLIC cannot call it");
        assert_eq!(refusal(refused).0, "42501", "{attack}");
    }
    let undone = harden(&database.admin_url(), &["--undo"]);
    assert!(
        undone.status.success()
            && said(&undone.stdout).contains("granted EXECUTE on set_config to PUBLIC in this database, as by default"),
        "{undone:?}"
    );
    run(&mut app, &select).await.expect("as PostgreSQL ships it");
}

#[tokio::test(flavor = "multi_thread")]
async fn app_works_after_harden() {
    let database = Database::create().await;
    let acme = database.acme;
    assert!(harden(&database.admin_url(), &[]).status.success());
    let db = database.app().await;
    let user = sign_up(&db, "new@acme.example").await.expect("a user without an account signs up");
    let admin = session(&db, acme.id, acme.admin).await.expect("a member").require::<Admin>().expect("an admin");
    let mut tx = db.begin(&admin).await.expect("begins");
    let new = NewProject { name: "new".into(), description: None, created_at: None };
    let project = Project::insert(&mut tx, new).await.expect("inserts");
    let changes = ProjectChanges { name: Some("newer".into()), ..ProjectChanges::default() };
    Project::update(&mut tx, project.id, changes).await.expect("updates");
    Project::delete(&mut tx, project.id).await.expect("deletes");
    tx.commit().await.expect("commits");
    join(&db, &admin, user, "new@acme.example", MemberRole::Viewer).await;
    OrgMember::change_role(&db.scope(&admin), user, MemberRole::Member).await.expect("changes");
    assert_eq!(role(&db, acme.id, user).await, Some("member"));
}

#[tokio::test(flavor = "multi_thread")]
async fn harden_without_superuser_is_rejected_and_changes_nothing() {
    let database = Database::create().await;
    let mut admin = database.admin().await;
    let login = format!("no_superuser_{}", std::process::id());
    let here = ask(&mut admin, "SELECT current_database()").await;
    run(&mut admin, &format!("CREATE ROLE {login} LOGIN; GRANT CONNECT ON DATABASE {here} TO {login}"))
        .await
        .expect("made");
    let refused = harden(&database.url_of(&login), &[]);
    run(&mut admin, &format!("DROP OWNED BY {login}; DROP ROLE {login}")).await.expect("gone");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused.stderr).contains("requires a superuser, who owns set_config; nothing was changed\n  help: "),
        "{refused:?}"
    );
    let may = "SELECT has_function_privilege('public', 'pg_catalog.set_config(text, text, boolean)', 'EXECUTE')::text";
    assert_eq!(ask(&mut database.admin().await, may).await, "true");
}
