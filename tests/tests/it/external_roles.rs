//! External roles: the migrations create none, and report every difference with the statement that fixes it.

use sqlx::PgConnection;
use tenant_runtime::{
    analyze::check,
    model::{
        def::{OnDelete, TableDef, TenancyDef},
        schema::Schema,
    },
    plan::plan,
    server::Server,
    sql,
};
use tenant_tests::{ask, connect, dedicated_server, run};

use super::sample_declarations::{
    MEMBERS, ROLE, SHIPPED, TITLE, USER, leak, members, organizations, projects, refers, tasks, users,
};

/// The tables with a membership table and external roles.
fn schema(login_per_role: bool) -> Schema {
    let tenancy = &leak(vec![TenancyDef { external_roles: true, login_per_role, ..SHIPPED }])[0];
    let tables = [organizations(), projects(), tasks([TITLE, refers("project_id", "projects", OnDelete::NoAction)])];
    let tables = tables.into_iter().chain([members([USER, ROLE]), users(MEMBERS)]);
    let tables = leak(tables.map(|table| TableDef { tenancy, ..table }).collect());
    check(&tenant_runtime::models![].only(tables)).expect("nothing is wrong").schema
}

/// The migration from one to the other, in one file.
fn between(before: &Schema, after: &Schema) -> sql::Migration {
    let plan = plan(before, after, &Default::default()).expect("a plan");
    sql::migrations(&plan).into_iter().next().expect("one file")
}

fn migration() -> sql::Migration {
    between(&Schema::default(), &schema(false))
}

/// A server with a database owned by an administrator without CREATEROLE; connections as that administrator and as the superuser.
async fn server_with_administrator() -> (Server, PgConnection, PgConnection) {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let mut postgres = connect(&server.admin_url()).await;
    run(&mut postgres, "CREATE ROLE boss LOGIN").await.expect("a superuser can");
    run(&mut postgres, "CREATE DATABASE acme OWNER boss").await.expect("a superuser can");
    let boss = connect(&server.url("boss", "acme")).await;
    (server, boss, postgres)
}

/// Tries to apply; returns each difference with the statement that fixes it.
async fn differences(boss: &mut PgConnection) -> Vec<(String, String)> {
    differences_to(boss, &migration()).await
}

async fn differences_to(boss: &mut PgConnection, migration: &sql::Migration) -> Vec<(String, String)> {
    let up = &migration.up;
    let tried = run(boss, &format!("BEGIN; {up}; ROLLBACK")).await;
    run(boss, "ROLLBACK").await.expect("undone");
    let Err(error) = tried else { return Vec::new() };
    let error = error.into_database_error().expect("the server answers");
    let message = error.message();
    assert!(
        message.starts_with(
            "the externally created roles do not match the requirements; fix each of them as an administrator:\n- "
        ),
        "{message}"
    );
    let lines = message.lines().skip(1).map(|line| line.trim_start_matches("- ").trim_end_matches(';'));
    lines
        .map(|line| line.split_once(": ").map(|(what, sql)| (what.to_owned(), sql.to_owned())).expect("two parts"))
        .collect()
}

#[tokio::test]
async fn error_fixes_create_external_roles_and_migration_applies() {
    let (_server, mut boss, mut postgres) = server_with_administrator().await;
    let mut rounds = Vec::new();
    loop {
        let differences = differences(&mut boss).await;
        rounds.push(differences.len());
        if differences.is_empty() || rounds.len() > 4 {
            break;
        }
        for (_, fixes) in differences {
            run(&mut postgres, &fixes).await.expect(&fixes);
        }
    }
    // Seven roles; ownership and membership can be checked once they exist.
    assert!(rounds.len() <= 3 && rounds.last() == Some(&0) && rounds[0] >= 7, "{rounds:?}");
    let migration = migration();
    run(&mut boss, &format!("BEGIN; {}; COMMIT", migration.up)).await.expect("it applies");
    let marks = "SELECT count(*)::text FROM pg_roles WHERE shobj_description(oid, 'pg_authid') IS NOT NULL AND rolname ~ '^app_'";
    let unmarked = ask(&mut postgres, marks).await;
    run(&mut boss, &format!("BEGIN; {}; COMMIT", migration.down)).await.expect("it is undone");
    let left = ask(&mut postgres, "SELECT count(*)::text FROM pg_roles WHERE rolname ~ '^app_'").await;
    assert_eq!((unmarked.as_str(), left.as_str()), ("0", "7"), "external roles lose their mark and remain");
}

#[tokio::test]
async fn external_role_differences_are_reported_with_their_fix() {
    let (server, mut boss, mut postgres) = server_with_administrator().await;
    for _ in 0..3 {
        for (_, fixes) in differences(&mut boss).await {
            run(&mut postgres, &fixes).await.expect(&fixes);
        }
    }
    let mut wrong = vec![
        ("ALTER ROLE app_service INHERIT", "role app_service has other attributes than required"),
        ("ALTER ROLE app_service CONNECTION LIMIT 7", "role app_service has other attributes than required"),
        ("ALTER ROLE app_service RESET lock_timeout", "role app_service has no setting of lock_timeout"),
        ("ALTER ROLE app_admin BYPASSRLS CREATEROLE LOGIN", "role app_admin has other attributes than required"),
        ("ALTER ROLE app_member NOINHERIT", "role app_member has other attributes than required"),
        ("GRANT app_schema_owner TO app_service", "role app_service must not be a member of app_schema_owner"),
        (
            "GRANT pg_read_all_data TO app_function_owner",
            "role app_function_owner must not be a member of pg_read_all_data",
        ),
        ("REVOKE app_viewer FROM app_member", "role app_member is not a member of app_viewer"),
        (
            "GRANT app_viewer TO app_service WITH ADMIN OPTION",
            "role app_service must not have the admin option on app_viewer",
        ),
        (
            "REVOKE app_schema_owner FROM boss",
            "role boss, which applies this migration, cannot act as app_schema_owner",
        ),
    ];
    if server.version().major >= 16 {
        let other = "role app_service is a member with other options of app_admin";
        wrong.push(("GRANT app_admin TO app_service WITH INHERIT TRUE", other));
        wrong.push(("GRANT app_admin TO app_service WITH SET FALSE", other));
    }
    let mut seen = Vec::new();
    for (breaks, named) in &wrong {
        run(&mut postgres, breaks).await.expect(breaks);
        let found = differences(&mut boss).await;
        for (_, fixes) in &found {
            run(&mut postgres, fixes).await.expect(fixes);
        }
        let fixed = differences(&mut boss).await.is_empty();
        let named_alone = found.len() == 1 && found[0].0 == *named;
        if !named_alone || !fixed {
            seen.push(format!("{breaks}: {found:?}, fixed: {fixed}"));
        }
    }
    assert_eq!(seen, Vec::<String>::new());
}

#[tokio::test]
async fn switching_to_login_per_role_with_external_roles_and_back() {
    let (_server, mut boss, mut postgres) = server_with_administrator().await;
    let (one, each) = (schema(false), schema(true));
    let steps = [(Schema::default(), one.clone()), (one, each)];
    let mut asked = Vec::new();
    for (before, after) in &steps {
        let migration = between(before, after);
        for _ in 0..4 {
            asked = differences_to(&mut boss, &migration).await;
            for (_, fixes) in &asked {
                run(&mut postgres, fixes).await.expect(fixes);
            }
        }
        run(&mut boss, &format!("BEGIN; {}; COMMIT", migration.up)).await.expect("it applies");
    }
    let memberships = "SELECT string_agg(member.rolname || ' ' || role.rolname, ', ' ORDER BY member.rolname, role.rolname)
        FROM pg_auth_members AS m JOIN pg_roles AS role ON role.oid = m.roleid JOIN pg_roles AS member ON member.oid = m.member
        WHERE member.rolcanlogin AND member.rolname ~ '^app_'";
    let found = ask(&mut postgres, memberships).await;
    let connects = "SELECT has_database_privilege('app_admin_service', 'acme', 'CONNECT')::text";
    let may = ask(&mut postgres, connects).await;
    let down = between(&steps[1].0, &steps[1].1).down;
    run(&mut boss, &format!("BEGIN; {down}; COMMIT")).await.expect("it is undone");
    let expected = "app_admin_service app_admin, app_member_service app_member, app_service app_no_tenant, app_viewer_service app_viewer";
    assert_eq!(
        (found.as_str(), may.as_str(), ask(&mut postgres, connects).await.as_str()),
        (expected, "true", "false")
    );
    assert!(asked.is_empty(), "{asked:?}");
}
