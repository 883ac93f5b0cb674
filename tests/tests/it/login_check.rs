//! The login check on connect: a login that could bypass RLS is rejected, with the statement that fixes it.

use std::sync::atomic::{AtomicU64, Ordering};

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tenant_examples::Project;
use tenant_runtime::{Error, Repository as _, TenantCtx, TenantDb, roles::Member};
use tenant_tests::Database;

/// Creates a login for one test, since logins belong to the server and tests run in parallel.
async fn login(database: &Database, attributes: &str) -> (String, PgConnection) {
    static MADE: AtomicU64 = AtomicU64::new(0);
    let name = format!("login_{}_{}", std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
    let mut admin = database.admin().await;
    run(&mut admin, &format!("CREATE ROLE {name} LOGIN {attributes}")).await;
    let of: String = sqlx::query_scalar("SELECT current_database()").fetch_one(&mut admin).await.expect("reads");
    run(&mut admin, &format!("GRANT CONNECT ON DATABASE \"{of}\" TO {name}")).await;
    (name, admin)
}

async fn run(admin: &mut PgConnection, sql: &str) {
    admin.execute(AssertSqlSafe(sql)).await.expect(sql);
}

/// Connects as a login and drops it; returns the findings of the login check.
async fn findings(database: &Database, name: &str, mut admin: PgConnection) -> Vec<String> {
    let connected = TenantDb::connect(&database.url_of(name)).await;
    run(&mut admin, &format!("REASSIGN OWNED BY {name} TO CURRENT_USER")).await;
    run(&mut admin, &format!("DROP OWNED BY {name}")).await;
    run(&mut admin, &format!("DROP ROLE {name}")).await;
    admin.close().await.expect("closes");
    match connected {
        Ok(_) => Vec::new(),
        Err(Error::UnsafeLogin { login, findings }) if login == name => findings,
        Err(error) => panic!("another error: {error}"),
    }
}

#[tokio::test]
async fn login_check_of_a_superuser_names_the_login_to_use() {
    let database = Database::create().await;
    let (name, admin) = login(&database, "SUPERUSER BYPASSRLS CREATEROLE").await;
    let findings = findings(&database, &name, admin).await;
    // The test binary links several tenancies, each with its login role.
    assert!(
        findings.len() == 2
            && findings[0].starts_with("it is an administrator's login: connect the app with its login role `")
            && findings[0].contains("`app_service`")
            && findings[1] == "it is a superuser and bypasses RLS",
        "{findings:?}"
    );
}

#[tokio::test]
async fn login_check_reports_all_role_attributes_at_once() {
    let database = Database::create().await;
    let (name, admin) = login(&database, "BYPASSRLS CREATEDB REPLICATION").await;
    let findings = findings(&database, &name, admin).await;
    let fixes = ["NOBYPASSRLS", "NOCREATEDB", "NOREPLICATION"];
    let named = |fix: &str| findings.iter().any(|finding| finding.contains(&format!("ALTER ROLE {name} {fix}")));
    assert!(findings.len() == 3 && fixes.into_iter().all(named), "{findings:?}");
}

#[tokio::test]
async fn login_check_does_not_advise_to_demote_an_administrator() {
    let database = Database::create().await;
    let mut wrong = Vec::new();
    for attributes in ["SUPERUSER", "CREATEROLE CREATEDB", "IN ROLE app_schema_owner, app_function_owner"] {
        let (name, admin) = login(&database, attributes).await;
        let findings = findings(&database, &name, admin).await;
        let advice = findings.first().is_some_and(|finding| finding.contains("connect the app with its login role"));
        if !advice || findings.iter().any(|finding| finding.contains("ALTER ROLE") || finding.contains("REVOKE")) {
            wrong.push(findings);
        }
    }
    assert_eq!(wrong, Vec::<Vec<String>>::new());
}

#[tokio::test]
async fn login_check_rejects_a_member_of_the_schema_owner() {
    let database = Database::create().await;
    let (name, mut admin) = login(&database, "NOINHERIT").await;
    let owner: String =
        sqlx::query_scalar("SELECT relowner::regrole::text FROM pg_class WHERE oid = 'app.projects'::regclass")
            .fetch_one(&mut admin)
            .await
            .expect("reads");
    run(&mut admin, &format!("GRANT {owner} TO {name}")).await;
    let findings = findings(&database, &name, admin).await;
    let told = format!("it can assume the role `{owner}`, the owner of app.");
    assert!(findings.iter().any(|finding| finding.starts_with(&told)), "{findings:?}");
}

#[tokio::test]
async fn login_check_rejects_membership_in_privileged_roles() {
    let database = Database::create().await;
    let (name, mut admin) = login(&database, "NOINHERIT").await;
    let mut wrong = Vec::new();
    let attributes = ["BYPASSRLS", "CREATEROLE", "REPLICATION"].map(|attribute| (attribute, None));
    let shipped = ["pg_execute_server_program", "pg_read_server_files", "pg_write_server_files"];
    for (has, role) in attributes.into_iter().chain(shipped.map(|role| ("server files and programs", Some(role)))) {
        let made = if role.is_none() { Some(login(&database, has).await.0) } else { None };
        let other = made.as_deref().or(role).unwrap_or_default();
        run(&mut admin, &format!("GRANT {other} TO {name}")).await;
        let connected = TenantDb::connect(&database.url_of(&name)).await.map(drop);
        run(&mut admin, &format!("REVOKE {other} FROM {name}")).await;
        if let Some(made) = &made {
            run(&mut admin, &format!("DROP OWNED BY {made}")).await;
            run(&mut admin, &format!("DROP ROLE {made}")).await;
        }
        let told =
            |finding: &String| finding.contains(has) && finding.contains(&format!("run `REVOKE {other} FROM {name}`"));
        if !matches!(&connected, Err(Error::UnsafeLogin { findings, .. }) if findings.len() == 1 && told(&findings[0]))
        {
            wrong.push(format!("{other}: {connected:?}"));
        }
    }
    run(&mut admin, &format!("DROP OWNED BY {name}")).await;
    run(&mut admin, &format!("DROP ROLE {name}")).await;
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn login_check_rejects_inherited_and_direct_privileges() {
    let database = Database::create().await;
    let (name, mut admin) = login(&database, "INHERIT").await;
    run(&mut admin, &format!("GRANT app_member TO {name}")).await;
    run(&mut admin, &format!("GRANT USAGE ON SCHEMA app TO {name}; GRANT SELECT (name) ON app.projects TO {name}"))
        .await;
    let findings = findings(&database, &name, admin).await;
    let of = |text: &str| findings.iter().any(|finding| finding.contains(text));
    assert!(of("inherits the privileges of `app_member`") && of("REVOKE ALL ON app.projects"), "{findings:?}");
}

#[tokio::test]
async fn login_check_rejects_role_search_path_and_tenant_settings() {
    let database = Database::create().await;
    let (name, mut admin) = login(&database, "NOINHERIT").await;
    for setting in [
        "role = app_admin",
        "search_path = evil",
        "app.organization_id = 'x'",
        "standard_conforming_strings = off",
        "statement_timeout = '9s'",
    ] {
        run(&mut admin, &format!("ALTER ROLE {name} SET {setting}")).await;
    }
    let findings = findings(&database, &name, admin).await;
    let fixes = ["role", "search_path", "app.organization_id", "standard_conforming_strings"];
    let named = |fix: &str| findings.iter().any(|finding| finding.contains(&format!("ALTER ROLE {name} RESET {fix}")));
    assert!(findings.len() == 4 && fixes.into_iter().all(named), "{findings:?}");
}

#[tokio::test]
async fn login_check_rejects_standard_conforming_strings_off_in_the_url() {
    let database = Database::create().await;
    let url = database.app_url();
    let url = format!("{url}{}options=-cstandard_conforming_strings%3Doff", if url.contains('?') { '&' } else { '?' });
    let connected = TenantDb::connect(&url).await.map(drop);
    let Err(Error::UnsafeLogin { findings, .. }) = &connected else { panic!("{connected:?}") };
    assert!(
        findings.len() == 1 && findings[0].contains("`standard_conforming_strings = off`, set by the URL"),
        "{findings:?}"
    );
}

#[tokio::test]
async fn login_without_application_roles_gets_role_unavailable() {
    let database = Database::create().await;
    let (name, mut admin) = login(&database, "NOINHERIT").await;
    let db = TenantDb::connect(&database.url_of(&name)).await.expect("it can do nothing, so it is safe");
    let ctx = TenantCtx::<Member>::assume_authorized_job(database.acme.id);
    let refused = Project::count(&db.scope(&ctx)).await;
    db.close().await;
    run(&mut admin, &format!("DROP OWNED BY {name}")).await;
    run(&mut admin, &format!("DROP ROLE {name}")).await;
    assert!(matches!(refused, Err(Error::RoleUnavailable { role: "app_member", .. })), "{refused:?}");
}

#[tokio::test]
async fn missing_table_or_column_is_a_not_migrated_error() {
    let database = Database::create().await;
    let (mut admin, db) = (database.admin().await, database.app().await);
    let scope = db.scope(&database.acme.as_viewer());
    run(&mut admin, "ALTER TABLE app.projects DROP COLUMN description").await;
    let column = Project::list(&scope).await.expect_err("a column is missing");
    run(&mut admin, "ALTER TABLE app.projects RENAME TO works").await;
    let table = Project::count(&scope).await.expect_err("the table is missing");
    let mut tx = db.begin(&database.acme.as_viewer()).await.expect("begins");
    let own = sqlx::query("SELECT nonsense FROM app.tasks").execute(&mut tx).await.expect_err("no such column");
    assert!(matches!(&column, Error::NotMigrated { table, .. } if table == "app.projects"), "{column:?}");
    assert!(
        matches!(table, Error::NotMigrated { .. }) && table.to_string().contains("apply the migrations"),
        "{table}"
    );
    assert!(matches!(Error::from(own), Error::Database(_)));
}

#[tokio::test]
async fn failed_connection_suggests_applying_migrations() {
    let database = Database::create().await;
    let Err(error) = TenantDb::connect(&database.url_of("nobody_of_this_name")).await else { panic!("let in") };
    assert!(matches!(&error, Error::Connect { hint, .. } if hint.contains("apply the migrations")), "{error}");
}

#[tokio::test]
async fn login_check_fixes_resolve_their_findings() {
    let database = Database::create().await;
    let (name, mut admin) = login(&database, "INHERIT BYPASSRLS CREATEDB").await;
    run(&mut admin, &format!("GRANT app_member TO {name}; GRANT UPDATE (name) ON app.projects TO {name}")).await;
    run(&mut admin, &format!("ALTER ROLE {name} SET app.user_id = 'x'")).await;
    run(&mut admin, "GRANT SELECT ON app.projects TO PUBLIC").await;
    let url = database.url_of(&name);
    let Err(Error::UnsafeLogin { findings, .. }) = TenantDb::connect(&url).await else {
        panic!("the login was accepted")
    };
    for finding in &findings {
        let quoted = finding.split('`').skip(1).step_by(2);
        for sql in quoted.filter(|text| ["ALTER ", "GRANT ", "REVOKE "].iter().any(|verb| text.starts_with(verb))) {
            run(&mut admin, sql).await;
        }
    }
    let connected = TenantDb::connect(&url).await;
    run(&mut admin, &format!("DROP OWNED BY {name}")).await;
    run(&mut admin, &format!("DROP ROLE {name}")).await;
    assert!(connected.is_ok(), "{findings:#?} were fixed, but: {:?}", connected.err());
}
