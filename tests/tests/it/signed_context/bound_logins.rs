//! Bound logins: plain SQL reads the rows of the tenant and of the role, and nothing that the login sets gives it more.

use sqlx::{
    ConnectOptions as _, PgConnection,
    postgres::{PgConnectOptions, PgPoolCopyExt as _},
};
use tenant_tests::{ask, connect, dedicated_server, refusal, run};

use super::{
    commands::{fails, fails_as, on, program, succeeds},
    fixture::{Fixture, TestShop, tables},
};
use crate::{command_line::CommandOutput, golden};

const PASSWORD: &str = "correct horse battery";

/// Returns the name of a login that belongs to this fixture alone.
fn login_of(fixture: &Fixture, name: &str) -> String {
    format!("{}_{name}", fixture.database.name())
}

/// Binds a login to a shop, a user and a role.
pub(super) fn bind(fixture: &Fixture, login: &str, shop: &TestShop, user: uuid::Uuid, role: &str) -> CommandOutput {
    let (tenant, user) = (shop.id.to_string(), user.to_string());
    on(fixture, &["bind-login", login, "--tenant", &tenant, "--user", &user, "--role", role], PASSWORD)
}

async fn names(connection: &mut PgConnection) -> String {
    ask(connection, "SELECT string_agg(name, ', ' ORDER BY name) FROM shop.items").await
}

#[tokio::test(flavor = "multi_thread")]
async fn bound_login_reads_the_rows_of_its_tenant_and_role_with_plain_sql() {
    let fixture = Fixture::create().await;
    let login = login_of(&fixture, "bi");
    let out = succeeds(bind(&fixture, &login, &fixture.ours, fixture.ours.clerk, "clerk"));
    assert!(
        out.starts_with(&format!("bound `{login}` to tenant {}, ", fixture.ours.id)) && !out.contains(PASSWORD),
        "{out}"
    );
    let verifier = format!("SELECT rolpassword FROM pg_authid WHERE rolname = '{login}'");
    assert!(fixture.ask(&verifier).await.starts_with("SCRAM-SHA-256$"));
    let mut bi = connect(&fixture.database.url_of(&login)).await;
    let ours = "ours clerk private, ours clerk team, ours keeper team, ours owner team";
    assert_eq!(names(&mut bi).await, ours);
    assert_eq!(ask(&mut bi, "SELECT name FROM shops").await, "ours", "the search_path is set");
    assert_eq!(ask(&mut bi, "SELECT count(DISTINCT placed_by)::text FROM shop.items").await, "3");
    assert_eq!(ask(&mut bi, "SELECT count(*)::text FROM shop.items JOIN shop.labels ON item_id = items.id").await, "4");
    assert_eq!(ask(&mut bi, "SELECT count(*)::text FROM shop.persons").await, "3");
    let cursor = "BEGIN; DECLARE c CURSOR FOR SELECT name FROM shop.items ORDER BY name; FETCH 1 FROM c; COMMIT";
    run(&mut bi, cursor).await.expect("a cursor");
    let url: String = fixture.database.url_of(&login);
    let pool = sqlx::PgPool::connect(&url).await.expect("a pool");
    let mut copied =
        pool.copy_out_raw("COPY (SELECT name FROM shop.items ORDER BY name) TO STDOUT").await.expect("copies");
    let mut text = Vec::new();
    while let Some(chunk) = futures_util::StreamExt::next(&mut copied).await {
        text.extend_from_slice(&chunk.expect("a chunk"));
    }
    drop(copied);
    pool.close().await;
    assert_eq!(String::from_utf8_lossy(&text).trim().replace('\n', ", "), ours);
    // The role cannot read this column; the preset is read-only; the role cannot insert elsewhere.
    assert_eq!(refusal(run(&mut bi, "SELECT cost FROM shop.items").await.expect_err("a clerk")).0, "42501");
    let insert = "INSERT INTO shop.items (shop_id, placed_by, name) VALUES ";
    let [own, other] =
        [&fixture.ours, &fixture.theirs].map(|shop| format!("{insert}('{}', '{}', 'new')", shop.id, shop.clerk));
    assert_eq!(refusal(run(&mut bi, &own).await.expect_err("read-only")).0, "25006");
    run(&mut bi, "SET default_transaction_read_only = off").await.expect("its own setting");
    run(&mut bi, &own).await.expect("what a clerk can do");
    assert_eq!(refusal(run(&mut bi, &other).await.expect_err("another tenant")).0, "42501");
    succeeds(on(&fixture, &["unbind-login", &login], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn bound_login_gains_nothing_with_what_it_sets() {
    let fixture = Fixture::create().await;
    let login = login_of(&fixture, "bi");
    succeeds(bind(&fixture, &login, &fixture.ours, fixture.ours.keeper, "shop_keeper"));
    let mut bi = connect(&fixture.database.url_of(&login)).await;
    let own = "SELECT count(*)::text FROM shop.items";
    assert_eq!(ask(&mut bi, own).await, "4");
    let theirs = fixture.theirs;
    let attacks = [
        format!("SET shop.tenant_id = '{}'", theirs.id),
        format!("SET shop.user_id = '{}'", theirs.keeper),
        format!("SET shop.tenant_id = '{}'; SET shop.user_id = '{}'", theirs.id, theirs.keeper),
        format!("SET shop.user_id = '{}'", fixture.ours.owner),
        format!("SELECT set_config('shop.tenant_id', '{}', false)", theirs.id),
        "SET shop.context_seal = 'ff'".to_owned(),
        "RESET shop.tenant_id; SET shop.tenant_id = ''".to_owned(),
        "SET ROLE NONE".to_owned(),
    ];
    for attack in &attacks {
        run(&mut bi, attack).await.expect("anybody can set these");
        match run(&mut bi, own).await {
            // Without a tenant, the policies reach no row whose context they would check.
            Ok(_) => assert_eq!(ask(&mut bi, own).await, "0", "{attack}"),
            Err(error) => {
                let refused = refusal(error).0;
                assert!(["TT006", "42501"].contains(&refused.as_str()), "{attack}: {refused}");
            }
        }
        run(&mut bi, "RESET ALL; RESET ROLE").await.expect("its presets");
        assert_eq!(ask(&mut bi, own).await, "4", "after {attack}");
    }
    for attack in [
        "SET ROLE shop_owner",
        "SET ROLE shop_no_tenant",
        "SET ROLE shop_schema_owner",
        "SET ROLE shop_function_owner",
        "SET ROLE shop_service",
        "SET ROLE postgres",
        "SET SESSION AUTHORIZATION shop_service",
        "SET SESSION AUTHORIZATION postgres",
    ] {
        assert_eq!(refusal(run(&mut bi, attack).await.expect_err(attack)).0, "42501", "{attack}");
    }
    // Before PostgreSQL 16, the login can also assume the roles that its role includes: it is not bound to them.
    match run(&mut bi, "SET ROLE shop_clerk").await {
        Ok(_) => assert_eq!(refusal(run(&mut bi, own).await.expect_err("another role")).0, "TT006"),
        Err(error) => assert_eq!(refusal(error).0, "42501"),
    }
    // It cannot preset another context, and other values in the options of a connection give no access.
    run(&mut bi, "SET ROLE NONE; SET default_transaction_read_only = off").await.expect("its own settings");
    let preset =
        format!("ALTER ROLE {login} IN DATABASE {} SET shop.tenant_id = '{}'", fixture.database.name(), theirs.id);
    assert_eq!(refusal(run(&mut bi, &preset).await.expect_err("a setting that the server does not define")).0, "42501");
    let options = [("shop.tenant_id", theirs.id), ("shop.user_id", theirs.keeper)];
    let url: PgConnectOptions = fixture.database.url_of(&login).parse().expect("a URL");
    let mut other = url.options(options).connect().await.expect("connects");
    assert_eq!(refusal(run(&mut other, own).await.expect_err("another tenant")).0, "TT006");
    // Functions act for the user of the binding only, and those of administrators not at all.
    let mut bi = connect(&fixture.database.url_of(&login)).await;
    run(&mut bi, "SET default_transaction_read_only = off").await.expect("its own setting");
    for call in [
        "SELECT shop_auth.bind_login('x', 'shop_owner', gen_random_uuid(), gen_random_uuid())",
        "SELECT shop_auth.unbind_login('x')",
        "SELECT shop_auth.set_context_key(0::int2, NULL, NULL, NULL, NULL)",
        "SELECT shop_auth.end_context_key(1::int2, now())",
        "SELECT shop_auth.my_tenants()",
        "SELECT shop_auth.sign_up('x@y.example')",
        "SELECT * FROM shop.bound_logins",
        "SELECT * FROM shop.context_keys",
        "SELECT nextval('shop_auth.context_numbers')",
    ] {
        assert_eq!(refusal(run(&mut bi, call).await.expect_err(call)).0, "42501", "{call}");
    }
    succeeds(on(&fixture, &["unbind-login", &login], ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn bound_login_loses_access_with_the_membership_and_with_the_binding() {
    let fixture = Fixture::create().await;
    let login = login_of(&fixture, "bi");
    succeeds(bind(&fixture, &login, &fixture.ours, fixture.ours.keeper, "clerk"));
    let mut bi = connect(&fixture.database.url_of(&login)).await;
    let mut admin = fixture.database.admin().await;
    let count = "SELECT count(*)::text FROM shop.items";
    assert_eq!(ask(&mut bi, count).await, "4");
    let change =
        |job: &str| format!("UPDATE shop.employments SET job = '{job}' WHERE person_id = '{}'", fixture.ours.keeper);
    // Again: an existing bound login is changed, here to a role that the user does not have.
    let warned = bind(&fixture, &login, &fixture.ours, fixture.ours.keeper, "owner");
    assert!(warned.err.contains("is not a member of tenant") && warned.code == Some(0), "{warned:?}");
    let members =
        format!("SELECT string_agg(roleid::regrole::text, ' ') FROM pg_auth_members WHERE member = '{login}'::regrole");
    assert_eq!(fixture.ask(&members).await, "shop_owner");
    let mut higher = connect(&fixture.database.url_of(&login)).await;
    assert_eq!(ask(&mut higher, count).await, "0");
    assert_eq!(refusal(run(&mut bi, count).await.expect_err("the old role")).0, "TT006");
    run(&mut admin, &change("owner")).await.expect("changed");
    assert_eq!(ask(&mut higher, count).await, "4");
    run(&mut admin, &change("clerk")).await.expect("changed");
    assert_eq!(ask(&mut higher, count).await, "0");
    run(&mut admin, &change("owner")).await.expect("changed");
    assert_eq!(ask(&mut higher, count).await, "4");
    succeeds(on(&fixture, &["unbind-login", &login], ""));
    assert!(run(&mut higher, count).await.is_err());
    let left = format!("SELECT count(*)::text FROM pg_roles WHERE rolname = '{login}'");
    assert_eq!(fixture.ask(&left).await, "0");
    assert_eq!(fixture.ask("SELECT count(*)::text FROM shop.bound_logins").await, "0");
    fails(&on(&fixture, &["unbind-login", &login], ""), "is not bound in this database; nothing was changed");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_new_or_bound_login_can_be_bound() {
    let fixture = Fixture::create().await;
    let ours = fixture.ours;
    let existing = login_of(&fixture, "existing");
    run(&mut fixture.database.admin().await, &format!("CREATE ROLE {existing} LOGIN")).await.expect("made");
    let said = bind(&fixture, &existing, &ours, ours.clerk, "clerk");
    run(&mut fixture.database.admin().await, &format!("DROP ROLE {existing}")).await.expect("not changed");
    fails(&said, "already exists and is not bound in this database; nothing was changed\n  help: ");
    fails_as(&bind(&fixture, "postgres", &ours, ours.clerk, "clerk"), "A bound login exists as another role");
    for login in ["shop_service", "shop_jobs", "shop_clerk", "shop_schema_owner"] {
        fails(&bind(&fixture, login, &ours, ours.clerk, "clerk"), "is a role of the app, which signs its contexts");
    }
    let new = login_of(&fixture, "new");
    fails(&bind(&fixture, &new, &ours, ours.clerk, "system"), "`system` is not a role of the tenants");
    fails(&bind(&fixture, "pg_x", &ours, ours.clerk, "clerk"), "must not start with `pg_`");
    let of = |tenant: &str| {
        on(&fixture, &["bind-login", &new, "--tenant", tenant, "--user", "7", "--role", "clerk"], PASSWORD)
    };
    fails(&of("acme"), "`acme` or `7` is not an ID of the type in `tenancy!`");
    let short = ["bind-login", &new, "--tenant", "x", "--user", "x", "--role", "clerk"];
    fails(&on(&fixture, &short, "short"), "the password has 5 characters");
    let count = "SELECT count(*)::text FROM shop.bound_logins";
    assert_eq!(fixture.ask(count).await, "0");
    // A login that was dropped without the command leaves its binding, which the command removes.
    succeeds(bind(&fixture, &new, &ours, ours.clerk, "clerk"));
    run(&mut fixture.database.admin().await, &format!("DROP OWNED BY {new}; DROP ROLE {new}")).await.expect("dropped");
    assert_eq!(fixture.ask(count).await, "1");
    succeeds(on(&fixture, &["unbind-login", &new], ""));
    assert_eq!(fixture.ask(count).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn administrator_who_is_no_superuser_binds_a_login_that_sets_its_context() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let mut postgres = connect(&server.admin_url()).await;
    for statement in ["CREATE ROLE operator LOGIN CREATEROLE", "CREATE DATABASE shop OWNER operator"] {
        run(&mut postgres, statement).await.expect("a superuser can");
    }
    let mut operator = connect(&server.url("operator", "shop")).await;
    let migration = golden::migration(&golden::schema(&tables())).up;
    run(&mut operator, &format!("BEGIN; {migration}; COMMIT")).await.expect("it applies");
    let [shop, user] = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let rows = format!(
        "INSERT INTO shop.shops (id, name) VALUES ('{shop}', 'ours');
         INSERT INTO shop.persons (id, email) VALUES ('{user}', 'clerk@ours.example');
         INSERT INTO shop.employments (shop_id, person_id, job) VALUES ('{shop}', '{user}', 'clerk')"
    );
    run(&mut connect(&server.url("postgres", "shop")).await, &rows).await.expect("inserted");
    let url = server.url("operator", "shop");
    let ids = [shop, user].map(|id| id.to_string());
    let bind = ["bind-login", "bi", "--tenant", &ids[0], "--user", &ids[1], "--role", "clerk", "--database-url", &url];
    let out = succeeds(program(&bind, PASSWORD, &[]));
    let options = format!("-c shop.tenant_id={shop} -c shop.user_id={user}");
    assert!(out.contains("only a superuser can preset the settings of the context") && out.contains(&options), "{out}");
    let read = "SELECT count(*)::text FROM shops";
    let mut plain = connect(&server.url("bi", "shop")).await;
    assert_eq!(ask(&mut plain, read).await, "0", "without a context");
    let url_of_login: PgConnectOptions = server.url("bi", "shop").parse().expect("a URL");
    let context = [("shop.tenant_id", shop), ("shop.user_id", user)];
    let mut bi = url_of_login.options(context).connect().await.expect("connects");
    assert_eq!(ask(&mut bi, read).await, "1");
    // Again, with an audit in between.
    succeeds(program(&[&bind[..], &["--no-password"]].concat(), "", &[]));
    let report = tenant_runtime::audit::audit(&mut operator, &golden::schema(&tables())).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    succeeds(program(&["unbind-login", "bi", "--database-url", &url], "", &[]));
    assert!(run(&mut bi, read).await.is_err());
}
