//! Apply and revert on a server: required privileges, shared roles, concurrent runs, and files that do not match the history.

use std::process::{Command, Stdio};

use sqlx::{PgConnection, migrate::Migrator};
use tenant_examples::Project;
use tenant_runtime::{Error, MigrationError, Migrations, Repository as _, TenantDb, server::Server};
use tenant_tests::{Database, TempDir, Tenant, ask, connect, dedicated_server, example_migrations_dir, migrate, run};

use super::messages::assert_message;

const ROLES: &str =
    "SELECT coalesce(string_agg(rolname, ' ' ORDER BY rolname), '') FROM pg_roles WHERE rolname LIKE 'app\\_%'";
const SCHEMAS: &str =
    "SELECT coalesce(string_agg(nspname, ' ' ORDER BY nspname), '') FROM pg_namespace WHERE nspname LIKE 'app%'";

async fn start_server() -> Server {
    tokio::task::spawn_blocking(dedicated_server).await.expect("it starts")
}

async fn superuser(server: &Server) -> PgConnection {
    connect(&server.admin_url()).await
}

async fn apply(url: &str) -> tenant_runtime::Result<Vec<i64>> {
    let migrations = Migrations::from_dir(example_migrations_dir()).await.expect("the example's migrations");
    Ok(migrations.apply(url, &mut |_| {}).await?.versions)
}

fn failure(result: tenant_runtime::Result<Vec<i64>>) -> String {
    match result {
        Err(Error::Migration(MigrationError::Failed { message, .. })) => message,
        other => panic!("it should have failed: {other:?}"),
    }
}

/// Creates a database owned by a new administrator without SUPERUSER; returns its URL for that administrator.
async fn administrator_database_url(server: &Server) -> String {
    let mut postgres = superuser(server).await;
    run(&mut postgres, "CREATE ROLE boss LOGIN CREATEROLE CREATEDB").await.expect("a superuser can");
    run(&mut connect(&server.url("boss", "postgres")).await, "CREATE DATABASE acme").await.expect("CREATEDB");
    server.url("boss", "acme")
}

/// Applies the example, uses it, reverts it, and applies it again; returns the deviations from the expected results.
async fn round_trip(server: &Server, admin_url: &str, database: &str) -> Vec<String> {
    let mut seen = Vec::new();
    let mut check = |what: &str, found: String, wanted: &str| {
        if found != wanted {
            seen.push(format!("{what}: {found:?} instead of {wanted:?}"));
        }
    };
    let sqlxs_own = Migrator::new(example_migrations_dir().as_path()).await.expect("sqlx accepts the folder");
    let mut admin = connect(admin_url).await;
    for round in ["first", "second"] {
        sqlxs_own.run(&mut admin).await.expect("sqlx applies it");
        check(
            round,
            ask(&mut admin, ROLES).await,
            "app_admin app_function_owner app_jobs app_member app_no_tenant app_schema_owner app_service app_system app_viewer",
        );
        check(round, ask(&mut admin, SCHEMAS).await, "app app_auth");
        let tenant = Tenant::new();
        let mut postgres = connect(&server.url("postgres", database)).await;
        tenant.seed(&mut postgres, "acme").await;
        let db = TenantDb::connect(&server.url("app_service", database)).await.expect("the app connects");
        let found = Project::get(&db.scope(&tenant.as_viewer()), tenant.project).await.expect("a viewer can");
        db.close().await;
        check("the app", found.name, "first");
        check("applied migrations are recorded", format!("{:?}", apply(admin_url).await.expect("applies")), "[]");
        if round == "first" {
            sqlxs_own.undo(&mut admin, 0).await.expect("sqlx undoes it");
            check("undone", ask(&mut admin, ROLES).await + &ask(&mut admin, SCHEMAS).await, "");
            let left = "SELECT count(*)::text FROM pg_default_acl";
            check("undone", ask(&mut admin, left).await, "0");
        }
    }
    seen
}

#[tokio::test]
async fn superuser_applies_reverts_and_reapplies() {
    let server = start_server().await;
    let seen = round_trip(&server, &server.admin_url(), "postgres").await;
    assert_eq!(seen, Vec::<String>::new());
}

#[tokio::test]
async fn createrole_administrator_applies_reverts_and_reapplies() {
    let server = start_server().await;
    let boss = administrator_database_url(&server).await;
    let seen = round_trip(&server, &boss, "acme").await;
    assert_eq!(seen, Vec::<String>::new());
}

#[tokio::test]
async fn revert_keeps_roles_shared_with_another_database() {
    let server = start_server().await;
    let mut postgres = superuser(&server).await;
    run(&mut postgres, "CREATE DATABASE other").await.expect("a superuser can");
    let other = server.url("postgres", "other");
    migrate(&server.admin_url()).await;
    migrate(&other).await;
    let sqlxs_own = Migrator::new(example_migrations_dir().as_path()).await.expect("sqlx accepts the folder");
    sqlxs_own.undo(&mut postgres, 0).await.expect("it is undone");
    let tenant = Tenant::new();
    tenant.seed(&mut connect(&other).await, "acme").await;
    let db = TenantDb::connect(&server.url("app_service", "other")).await.expect("the app connects");
    let counted = Project::count(&db.scope(&tenant.as_viewer())).await.expect("a viewer can");
    let gone = TenantDb::connect(&server.url("app_service", "postgres")).await.is_err();
    assert_eq!((counted, gone), (1, true));
}

#[tokio::test]
async fn existing_unmarked_role_is_not_adopted() {
    let server = start_server().await;
    let mut postgres = superuser(&server).await;
    run(&mut postgres, "CREATE ROLE app_viewer").await.expect("a superuser can");
    let message = failure(apply(&server.admin_url()).await);
    let left = ask(&mut postgres, ROLES).await + &ask(&mut postgres, SCHEMAS).await;
    assert!(
        message.starts_with("role app_viewer already exists and is not marked as a role of this product")
            && message.contains("hint: Choose another role prefix, or mark the role to use it: COMMENT ON ROLE app_viewer IS 'tenant-examples: ")
            && left == "app_viewer",
        "{message}\nleft: {left}"
    );
}

#[tokio::test]
async fn marked_role_with_extra_attributes_is_rejected_with_a_fix() {
    let server = start_server().await;
    let mut postgres = superuser(&server).await;
    run(&mut postgres, "CREATE DATABASE other").await.expect("a superuser can");
    migrate(&server.url("postgres", "other")).await;
    run(&mut postgres, "ALTER ROLE app_admin BYPASSRLS").await.expect("a superuser can");
    let message = failure(apply(&server.admin_url()).await);
    let hint = message.split("hint: ").nth(1).and_then(|text| text.lines().next()).unwrap_or_default().to_owned();
    run(&mut postgres, &hint).await.expect("the hint is a statement");
    let applied = apply(&server.admin_url()).await.expect("now it applies").len();
    assert_eq!(
        (message.contains("role app_admin already exists with attributes"), applied > 0),
        (true, true),
        "{message}"
    );
}

#[tokio::test]
async fn missing_privileges_are_named_with_the_statement_that_gives_them() {
    let server = start_server().await;
    let mut postgres = superuser(&server).await;
    let made =
        "CREATE ROLE boss LOGIN CREATEROLE; CREATE ROLE owner LOGIN; CREATE ROLE guest LOGIN; CREATE DATABASE theirs";
    for sql in made.split("; ").chain(["CREATE DATABASE own OWNER owner"]) {
        run(&mut postgres, sql).await.expect(sql);
    }
    let missing = |result: tenant_runtime::Result<Vec<i64>>| match result {
        Err(Error::Migration(error @ MigrationError::MissingPrivileges { .. })) => error,
        other => panic!("it should have been refused: {other:?}"),
    };
    // Everything that is missing is named at once, before anything is changed.
    let mut statements = Vec::new();
    for (login, database, count) in [("owner", "theirs", 2), ("owner", "own", 1), ("boss", "theirs", 1)] {
        let error = missing(apply(&server.url(login, database)).await);
        if count == 2 {
            assert_message("The administrator lacks privileges", &error.to_string());
        }
        let MigrationError::MissingPrivileges { statements: named, .. } = error else { unreachable!("checked above") };
        assert_eq!(named.len(), count, "{named:?}");
        let left = "SELECT count(*)::text FROM pg_class WHERE relname = '_sqlx_migrations'";
        assert_eq!(ask(&mut connect(&server.url("postgres", database)).await, left).await, "0");
        statements = named;
    }
    // With what the last one lacks, the migration applies.
    run(&mut postgres, &statements[0].0).await.expect("a superuser can");
    migrate(&server.url("boss", "theirs")).await;
    run(&mut postgres, "GRANT CONNECT ON DATABASE theirs TO guest").await.expect("a superuser can");
    let migrations = Migrations::from_dir(example_migrations_dir()).await.expect("the example's migrations");
    let guest = migrations.status(&server.url("guest", "theirs")).await.expect_err("it cannot read").to_string();
    assert!(
        guest.starts_with(
            "`guest` lacks a privilege in database `theirs`: permission denied for table _sqlx_migrations\n"
        ) && guest.contains("`GRANT SELECT ON public._sqlx_migrations TO guest`"),
        "{guest}"
    );
}

#[tokio::test]
async fn administrator_without_the_owner_roles_is_told_the_grant() {
    let server = start_server().await;
    let boss = administrator_database_url(&server).await;
    apply(&boss).await.expect("the first administrator");
    let mut postgres = superuser(&server).await;
    for sql in ["CREATE ROLE second LOGIN CREATEROLE", "GRANT CONNECT ON DATABASE acme TO second"] {
        run(&mut postgres, sql).await.expect(sql);
    }
    let folder = super::command_line::generated();
    folder.write(
        "0002_more.up.sql",
        "-- Generated by gen-migrations (tenant-runtime)\nSET LOCAL ROLE app_schema_owner;\nCREATE TABLE app.more ();\nRESET ROLE;",
    );
    let migrations = Migrations::from_dir(folder.path()).await.expect("the folder");
    let second = server.url("second", "acme");
    let unreadable = migrations.apply(&second, &mut |_| {}).await.expect_err("it cannot read the table").to_string();
    assert!(unreadable.contains("`GRANT SELECT ON public._sqlx_migrations TO second`"), "{unreadable}");
    let mut admin = connect(&server.url("postgres", "acme")).await;
    run(&mut admin, "GRANT SELECT ON public._sqlx_migrations TO second").await.expect("a superuser can");
    let missing = migrations.apply(&second, &mut |_| {}).await.expect_err("it lacks privileges");
    let Error::Migration(MigrationError::MissingPrivileges { statements, .. }) = missing else { panic!("{missing}") };
    assert_eq!(statements[0].0, "GRANT SELECT, INSERT, UPDATE, DELETE ON public._sqlx_migrations TO second");
    assert!(statements[1].0.starts_with("GRANT app_schema_owner TO second"), "{statements:?}");
    for (statement, _) in &statements {
        run(&mut admin, statement).await.expect("the help is a statement");
    }
    assert_eq!(migrations.apply(&second, &mut |_| {}).await.expect("it has the privileges").versions, [2]);
}

#[tokio::test]
async fn application_logins_cannot_migrate() {
    let database = Database::create().await;
    let migrations = Migrations::from_dir(example_migrations_dir()).await.expect("the example's migrations");
    let mut refused = Vec::new();
    for login in ["app_service", "app_jobs"] {
        let url = database.url_of(login);
        refused.push(apply(&url).await.err());
        refused.push(migrations.status(&url).await.err());
        refused.push(migrations.pending(&url, None).await.err());
    }
    let is_told = |error: &Option<Error>| matches!(error, Some(Error::Migration(MigrationError::AppLogin { .. })));
    assert!(refused.iter().all(is_told), "{refused:?}");
}

#[tokio::test]
async fn apply_by_a_non_owner_of_the_database_is_rejected() {
    let server = start_server().await;
    let mut postgres = superuser(&server).await;
    run(&mut postgres, "CREATE ROLE guest LOGIN CREATEROLE CREATEDB").await.expect("a superuser can");
    run(&mut postgres, "GRANT CREATE ON DATABASE postgres TO guest; GRANT CREATE ON SCHEMA public TO guest")
        .await
        .expect("a superuser can");
    // `apply` reports the missing ownership first; sqlx runs the file, which checks the result of its REVOKE.
    let refused = apply(&server.url("guest", "postgres")).await.expect_err("not the owner").to_string();
    assert!(
        refused.contains("\n    ALTER DATABASE postgres OWNER TO guest;  -- to revoke privileges from PUBLIC"),
        "{refused}"
    );
    let sqlxs_own = Migrator::new(example_migrations_dir().as_path()).await.expect("sqlx accepts the folder");
    let message = sqlxs_own.run(&mut connect(&server.url("guest", "postgres")).await).await.expect_err("not the owner");
    let message = message.to_string();
    assert!(message.contains("PUBLIC still has privileges on the database postgres or its schema public"), "{message}");
}

/// The environment variable with the database that the child migrates.
const ORDER: &str = "TENANT_MIGRATING_TEST_URL";

#[tokio::test]
async fn concurrent_processes_apply_migrations_once() {
    let database = Database::empty().await;
    let (_, module) = module_path!().split_once("::").expect("this is a module of the test binary");
    let children: Vec<_> = (0..3)
        .map(|_| {
            Command::new(std::env::current_exe().expect("the test binary has a path"))
                .args(["--exact", &format!("{module}::child_process_applies_when_requested"), "--nocapture"])
                .env(ORDER, database.admin_url())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("the test runs itself")
        })
        .collect();
    let mut applied = 0;
    for child in children {
        let output = child.wait_with_output().expect("the child ends");
        assert!(output.status.success(), "{output:?}");
        applied += String::from_utf8_lossy(&output.stdout).matches("the child applied 1").count();
    }
    let recorded = "SELECT string_agg(version || ' ' || success, ',') FROM _sqlx_migrations";
    assert_eq!((applied, ask(&mut database.admin().await, recorded).await), (1, "1 true".to_owned()));
}

/// The child process of the test above; does nothing in an ordinary run.
#[tokio::test]
async fn child_process_applies_when_requested() {
    let Ok(url) = std::env::var(ORDER) else { return };
    println!("\nthe child applied {}", apply(&url).await.expect("it applies").len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_of_one_cluster_migrate_concurrently() {
    const DATABASES: usize = 6;
    let server = start_server().await;
    let mut postgres = superuser(&server).await;
    for n in 0..DATABASES {
        run(&mut postgres, &format!("CREATE DATABASE d{n}")).await.expect("a superuser can");
    }
    let tasks: Vec<_> = (0..DATABASES)
        .map(|n| server.url("postgres", &format!("d{n}")))
        .map(|url| tokio::spawn(async move { apply(&url).await }))
        .collect();
    let mut applied = Vec::new();
    for task in tasks {
        applied.push(task.await.expect("no panic").map_err(|error| error.to_string()));
    }
    assert_eq!(applied, vec![Ok(vec![1]); DATABASES]);
}

/// A folder with an applied migration, for tests that edit it.
async fn applied_folder() -> (TempDir, Database) {
    let (folder, database) = (TempDir::new(), Database::empty().await);
    folder.write("0002_two.sql", "CREATE TABLE two ();");
    apply_folder(&folder, &database).await.expect("it applies");
    (folder, database)
}

async fn apply_folder(folder: &TempDir, database: &Database) -> tenant_runtime::Result<Vec<i64>> {
    Ok(Migrations::from_dir(folder.path()).await?.apply(&database.admin_url(), &mut |_| {}).await?.versions)
}

async fn apply_error(folder: &TempDir, database: &Database) -> String {
    apply_folder(folder, database).await.expect_err("files and database do not belong together").to_string()
}

#[tokio::test]
async fn migration_edited_after_apply_is_rejected() {
    let (folder, database) = applied_folder().await;
    folder.write("0002_two.sql", "CREATE TABLE two (id int);");
    assert_eq!(
        apply_error(&folder, &database).await,
        "`0002_two.sql` was edited after it was applied to this database\n  help: restore the file from version control, and \
         put the edit into a new migration"
    );
}

#[tokio::test]
async fn missing_applied_migration_is_rejected() {
    let (folder, database) = applied_folder().await;
    std::fs::rename(folder.join("0002_two.sql"), folder.join("0003_three.sql")).expect("it is ours");
    assert_eq!(
        apply_error(&folder, &database).await,
        "migration 2 was applied to the database, and its file is missing\n  help: restore the file from version control, or use the migrations of the newer app \
         version, or of the other app, that applied it"
    );
}

#[tokio::test]
async fn migration_numbered_below_applied_ones_is_rejected() {
    let (folder, database) = applied_folder().await;
    folder.write("0001_late.sql", "CREATE TABLE late ();");
    folder.write("0003_next.sql", "CREATE TABLE next ();");
    assert_eq!(
        apply_error(&folder, &database).await,
        "`0001_late.sql` was not applied, although the later migration 2 was\n  help: give it a number above 2 and generate \
         again, or see `gen-migrations rebase`"
    );
}

#[tokio::test]
async fn unnumbered_and_duplicate_migration_files_are_rejected() {
    let (folder, database) = applied_folder().await;
    folder.write("third.sql", "CREATE TABLE three ();");
    let unnumbered = apply_error(&folder, &database).await;
    std::fs::rename(folder.join("third.sql"), folder.join("2_third.sql")).expect("it is ours");
    let twice = apply_error(&folder, &database).await;
    assert!(
        unnumbered.contains("`third.sql` does not begin with a number and `_`, so it would never be applied")
            && twice.contains("have the same number"),
        "{unnumbered}\n{twice}"
    );
}

#[tokio::test]
async fn failed_migration_keeps_earlier_ones_and_names_its_line() {
    let (folder, database) = applied_folder().await;
    folder.write("0003_three.sql", "CREATE TABLE three ();");
    folder.write("0004_four.sql", "CREATE TABLE four ();\nCREATE TABLE\n  three ();");
    let message = apply_error(&folder, &database).await;
    let tables =
        "SELECT string_agg(relname, ' ' ORDER BY relname) FROM pg_class WHERE relname IN ('two', 'three', 'four')";
    let tables = ask(&mut database.admin().await, tables).await;
    folder.write("0004_four.sql", "CREATE TABLE four ();");
    let mended = apply_folder(&folder, &database).await.expect("it applies");
    assert_eq!(
        (message.as_str(), tables.as_str(), mended),
        (
            "`0004_four.sql`, line 2, failed: relation \"three\" already exists (SQLSTATE 42P07)\n  |\n2 | CREATE TABLE",
            "three two",
            vec![4]
        )
    );
}
