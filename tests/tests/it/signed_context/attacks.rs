//! Attacks by SQL that runs in a signed transaction of a clerk, each by what it reads or changes.

use sqlx::Row as _;
use uuid::Uuid;

use super::fixture::{Fixture, Raw, set_context, settings};

/// Rolls back, runs SQL in a new transaction of our clerk, and returns the texts that it reads before its first error, and the
/// SQLSTATE of that error.
async fn attack(raw: &mut Raw, fixture: &Fixture, sql: &str) -> (Vec<String>, Option<String>) {
    raw.run("ROLLBACK; RESET ALL; RESET SESSION AUTHORIZATION; DISCARD ALL").await.ok();
    raw.begin("shop_clerk", fixture.ours.id, fixture.ours.clerk).await;
    read(raw, sql).await
}

async fn read(raw: &mut Raw, sql: &str) -> (Vec<String>, Option<String>) {
    use futures_util::StreamExt as _;
    let (mut texts, mut code) = (Vec::new(), None);
    let mut results = sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).fetch_many(&mut raw.connection);
    while let Some(result) = results.next().await {
        match result {
            Ok(sqlx::Either::Right(row)) => texts.extend(
                (0..row.len()).filter_map(|column| row.try_get_unchecked::<Option<String>, _>(column).ok().flatten()),
            ),
            Ok(sqlx::Either::Left(_)) => {}
            Err(error) => code = Some(tenant_tests::refusal(error).0),
        }
    }
    (texts, code)
}

/// The names that our clerk may read.
const OWN: [&str; 4] = ["ours clerk private", "ours clerk team", "ours keeper team", "ours owner team"];

#[tokio::test]
async fn changed_settings_and_roles_give_no_access() {
    let fixture = Fixture::create().await;
    let mut raw = fixture.raw("shop_service").await;
    let (ours, theirs) = (fixture.ours, fixture.theirs);
    let (mut names, code) = attack(&mut raw, &fixture, "SELECT name FROM shop.items").await;
    names.sort();
    assert_eq!((names.iter().map(String::as_str).collect::<Vec<_>>(), code), (OWN.to_vec(), None));
    let tenant = format!("SET LOCAL shop.tenant_id = '{}'", theirs.id);
    let changes = [
        tenant.clone(),
        format!("{tenant}; SET LOCAL shop.user_id = '{}'", theirs.clerk),
        format!("{tenant}; SET LOCAL shop.user_id = '{}'; SET LOCAL ROLE shop_owner", theirs.owner),
        format!("SET LOCAL shop.user_id = '{}'", ours.owner),
        "SET LOCAL ROLE shop_keeper".to_owned(),
        "SET LOCAL ROLE shop_owner".to_owned(),
        "SET LOCAL ROLE shop_no_tenant".to_owned(),
        "SET LOCAL shop.context_seal = ''".to_owned(),
        "RESET shop.context_seal".to_owned(),
        "SET LOCAL shop.context_seal = 'x'".to_owned(),
        "SET LOCAL shop.tenant_id = ''".to_owned(),
        "RESET shop.user_id".to_owned(),
        format!("SET LOCAL shop.system_access = '{}'", Uuid::nil()),
        format!("COMMIT; BEGIN; SET LOCAL ROLE shop_clerk; SET LOCAL shop.tenant_id = '{}'", ours.id),
        // The seal of an earlier transaction.
        "SELECT set_config('attack.seal', current_setting('shop.context_seal'), false); COMMIT; BEGIN; SET LOCAL ROLE shop_clerk; \
         SELECT set_config('shop.context_seal', current_setting('attack.seal'), true)"
            .to_owned(),
    ];
    let reads = [
        "SELECT name FROM shop.items",
        "SELECT name FROM shop.shops",
        "SELECT email FROM shop.persons",
        "SELECT text FROM shop.labels",
        "SELECT name FROM shop.suppliers",
        "SELECT job FROM shop.employments",
        "SELECT tenant_id::text FROM shop_auth.my_tenants()",
        "SELECT shop_auth.create_tenant('x')::text",
        "SELECT shop_auth.sign_up('attacker@example')::text",
        "SELECT shop_auth.authorized_tenant_id(current_setting('role'))::text",
        "UPDATE shop.items SET name = 'attacked' RETURNING name",
        "DELETE FROM shop.items RETURNING name",
        "INSERT INTO shop.suppliers (name) VALUES ('attack') RETURNING name",
        "TABLE shop.changes",
        "TABLE shop.offers",
    ];
    for change in &changes {
        for wanted in reads {
            let (texts, code) = attack(&mut raw, &fixture, &format!("{change}; {wanted}")).await;
            let texts: Vec<_> = texts.into_iter().filter(|text| text.len() != 64).collect();
            let code = code.unwrap_or_default();
            // No signature, no privilege, or no rows because a policy compares the tenant first.
            assert!(
                texts.is_empty() && ["TT006", "42501", ""].contains(&code.as_str()),
                "{change}; {wanted}: {code} {texts:?}"
            );
        }
    }
}

#[tokio::test]
async fn settings_that_change_within_a_statement_give_no_access() {
    let fixture = Fixture::create().await;
    let mut raw = fixture.raw("shop_service").await;
    let (ours, theirs) = (fixture.ours, fixture.theirs);
    let set = |name: &str, value: Uuid| format!("set_config('shop.{name}', '{value}', true)");
    let (user, tenant) = (set("user_id", ours.owner), set("tenant_id", theirs.id));
    for sql in [
        // The condition on the owner is evaluated when the first private row is found.
        format!("SELECT name FROM shop.items WHERE {user} IS NOT NULL ORDER BY name"),
        format!("SELECT i.name FROM shop.items AS i, LATERAL (SELECT {user} WHERE i.id > 0) AS s"),
        format!("SELECT {user}, name FROM shop.items"),
        format!("SELECT i.name FROM (SELECT {tenant}) AS s, shop.items AS i"),
        format!(
            "SELECT i.name FROM shop.shops AS s CROSS JOIN LATERAL (SELECT {tenant} WHERE s.name <> '') AS t, shop.items AS i"
        ),
        format!("WITH s AS MATERIALIZED (SELECT {user}) SELECT i.name FROM s, shop.items AS i"),
        format!(
            "SELECT name FROM shop.items AS i WHERE EXISTS (SELECT FROM shop.labels AS l WHERE l.item_id = i.id AND {user} <> '')"
        ),
        format!(
            "DECLARE c CURSOR FOR SELECT name FROM shop.items ORDER BY shelf DESC; FETCH 1 FROM c; SELECT {user}; FETCH ALL FROM c"
        ),
        format!("SELECT name FROM shop.items AS i WHERE set_config('role', 'shop_owner', true) <> '' AND {user} <> ''"),
        format!("UPDATE shop.items SET name = name WHERE {user} <> '' RETURNING name"),
    ] {
        let (texts, code) = attack(&mut raw, &fixture, &sql).await;
        let foreign = texts
            .iter()
            .any(|text| text.contains("theirs") || text.contains("keeper private") || text.contains("owner private"));
        assert!(!foreign, "{sql}: {texts:?} {code:?}");
    }
}

#[tokio::test]
async fn signatures_are_valid_for_one_use() {
    let fixture = Fixture::create().await;
    let mut raw = fixture.raw("shop_service").await;
    let mut other = fixture.raw("shop_service").await;
    let (ours, theirs) = (fixture.ours, fixture.theirs);
    let own = settings(ours.id, ours.clerk);
    let foreign = settings(theirs.id, theirs.owner);
    // A signature that was used, again on its connection.
    let challenge = raw.challenge("shop_clerk").await;
    let signature = raw.sign("shop_clerk", &own, &challenge, true).await;
    let call = set_context(&signature, &own, true);
    let again = format!("SET LOCAL ROLE shop_clerk; {call}; {call}");
    assert_eq!(raw.run(&again).await, Err("TT006".to_owned()));
    assert_eq!(raw.run(&format!("SET LOCAL ROLE shop_clerk; {call}")).await, Err("TT006".to_owned()));
    // Another server connection, another role, other settings, another kind of use, a later number.
    for (role, settings, numbered, skip, on_other) in [
        ("shop_clerk", &own, true, 0, true),
        ("shop_owner", &own, true, 0, false),
        ("shop_clerk", &foreign, true, 0, false),
        ("shop_clerk", &own, false, 0, false),
        ("shop_clerk", &own, true, 1, false),
    ] {
        let mut challenge = raw.challenge("shop_clerk").await;
        let signature = raw.sign("shop_clerk", &own, &challenge, true).await;
        let sql = format!("SET LOCAL ROLE {role}; {}", set_context(&signature, settings, numbered));
        challenge.number += skip;
        if skip > 0 {
            let signature = raw.sign("shop_clerk", &own, &challenge, true).await;
            let sql = format!("SET LOCAL ROLE {role}; {}", set_context(&signature, settings, numbered));
            assert_eq!(raw.run(&sql).await, Err("TT006".to_owned()), "a later number");
            continue;
        }
        let connection = if on_other { &mut other } else { &mut raw };
        assert_eq!(connection.run(&sql).await, Err("TT006".to_owned()), "{role} {settings} {numbered} {on_other}");
    }
    // A signature for a transaction is not valid in the next one, and not on another connection.
    for on_other in [false, true] {
        raw.run("BEGIN").await.expect("begins");
        let challenge = raw.challenge("shop_clerk").await;
        let signature = raw.sign("shop_clerk", &own, &challenge, false).await;
        let call = set_context(&signature, &own, false);
        if on_other {
            other.run("BEGIN").await.expect("begins");
            assert_eq!(other.run(&format!("SET LOCAL ROLE shop_clerk; {call}")).await, Err("TT006".to_owned()));
            other.run("ROLLBACK").await.expect("ends");
        }
        assert!(raw.run(&call).await.is_ok(), "it is valid for its transaction");
        raw.run("COMMIT; BEGIN; SET LOCAL ROLE shop_clerk").await.expect("begins");
        assert_eq!(raw.run(&call).await, Err("TT006".to_owned()));
        raw.run("ROLLBACK").await.expect("ends");
    }
    // Texts that are no signatures, and more settings than the database knows.
    for wrong in ["", "x", &"0".repeat(64), &signature.to_uppercase(), &signature[..62]] {
        let sql = format!("SET LOCAL ROLE shop_clerk; {}", set_context(wrong, &own, true));
        assert_eq!(raw.run(&sql).await, Err("TT006".to_owned()), "{wrong}");
    }
    let longer = "{\"a\",\"b\",\"c\",\"d\"}";
    let challenge = raw.challenge("shop_clerk").await;
    let signature = raw.sign("shop_clerk", longer, &challenge, true).await;
    let sql = format!("SET LOCAL ROLE shop_clerk; {}", set_context(&signature, longer, true));
    assert_eq!(raw.run(&sql).await, Err("TT006".to_owned()));
}

#[tokio::test]
async fn keys_numbers_and_bindings_are_out_of_reach_of_every_login() {
    let fixture = Fixture::create().await;
    for (login, roles) in [
        ("shop_service", &["none", "shop_clerk", "shop_keeper", "shop_owner", "shop_no_tenant"][..]),
        ("shop_jobs", &["none", "shop_system"]),
    ] {
        let mut raw = fixture.raw(login).await;
        for role in roles {
            for sql in [
                "SELECT id FROM shop.context_keys",
                "SELECT login FROM shop.bound_logins",
                "SELECT nextval('shop_auth.context_numbers')",
                "SELECT currval('shop_auth.context_numbers')",
                "SELECT lastval()",
                "SELECT setval('shop_auth.context_numbers', 1)",
                "SELECT last_value FROM shop_auth.context_numbers",
                "SELECT shop_auth.set_context_key(1::int2, decode(repeat('07', 32), 'hex'), NULL, NULL, NULL)",
                "SELECT shop_auth.end_context_key(1::int2, now())",
                "SELECT shop_auth.bind_login('shop_service', 'shop_owner', gen_random_uuid(), gen_random_uuid())",
                "SELECT shop_auth.unbind_login('x')",
                "SET LOCAL ROLE shop_function_owner",
                "SET LOCAL ROLE shop_schema_owner",
            ] {
                raw.run("DISCARD SEQUENCES").await.expect("runs");
                raw.challenge(if login == "shop_jobs" { "shop_system" } else { "shop_clerk" }).await;
                let refused = raw.run(&format!("SET LOCAL ROLE {role}; {sql}")).await;
                assert_eq!(refused, Err("42501".to_owned()), "{login} as {role}: {sql}");
            }
        }
    }
}

#[tokio::test]
async fn statements_that_begin_with_a_higher_role_give_no_access() {
    let fixture = Fixture::create().await;
    let mut raw = fixture.raw("shop_service").await;
    let back = "set_config('role', 'shop_clerk', true)";
    for sql in [
        "DECLARE c CURSOR FOR SELECT name, cost FROM shop.items; SET LOCAL ROLE shop_clerk; FETCH ALL FROM c"
            .to_owned(),
        "DECLARE c CURSOR FOR SELECT name FROM shop.suppliers; SET LOCAL ROLE shop_clerk; FETCH ALL FROM c".to_owned(),
        format!("DELETE FROM shop.items WHERE id >= (SELECT length({back}) * 0) RETURNING name"),
        format!("UPDATE shop.items SET name = 'attacked' WHERE {back} <> '' RETURNING name"),
        format!(
            "WITH s AS MATERIALIZED (SELECT {back} AS r) SELECT c.after::text FROM s, shop.changes AS c WHERE s.r <> ''"
        ),
        format!(
            "INSERT INTO shop.offers (shop_id, email, job, token_hash, expires_at, invited_by) SELECT '{}', 'a@b', 'owner', 'x', \
             now(), '{}' WHERE {back} <> '' RETURNING email",
            fixture.ours.id, fixture.ours.clerk
        ),
        "PREPARE p AS SELECT name, cost FROM shop.items; SET LOCAL ROLE shop_clerk; EXECUTE p".to_owned(),
    ] {
        let (texts, code) = attack(&mut raw, &fixture, &format!("SET LOCAL ROLE shop_owner; {sql}")).await;
        let texts: Vec<_> = texts.into_iter().filter(|text| text != "shop_clerk").collect();
        assert!(texts.is_empty() && code.is_some(), "{sql}: {code:?} {texts:?}");
    }
    assert_eq!(fixture.ask("SELECT count(*)::text FROM shop.items WHERE name <> 'attacked'").await, "12");
}

#[tokio::test]
async fn login_of_the_app_cannot_be_bound_and_a_binding_ends_with_its_login() {
    let fixture = Fixture::create().await;
    let mut admin = fixture.database.admin().await;
    let bind = |login: &str| {
        format!(
            "SET ROLE shop_schema_owner; SELECT shop_auth.bind_login('{login}', 'shop_clerk', '{}', '{}'); RESET ROLE",
            fixture.ours.id, fixture.ours.clerk
        )
    };
    for (login, refused) in [("shop_service", "22023"), ("shop_jobs", "22023"), ("nobody_of_the_shop", "42704")] {
        let error = tenant_tests::run(&mut admin, &bind(login)).await.expect_err(login);
        assert_eq!(tenant_tests::refusal(error).0, refused, "{login}");
    }
    let database = fixture.database.name();
    let create = format!(
        "CREATE ROLE shop_report LOGIN NOINHERIT; GRANT shop_clerk TO shop_report; GRANT CONNECT ON DATABASE {database} TO shop_report"
    );
    let read = format!(
        "SET ROLE shop_clerk; SET shop.tenant_id = '{}'; SET shop.user_id = '{}'; SELECT name FROM shop.items",
        fixture.ours.id, fixture.ours.clerk
    );
    tenant_tests::run(&mut admin, &format!("{create}; {}", bind("shop_report"))).await.expect("a superuser can");
    assert_eq!(self::read(&mut fixture.raw("shop_report").await, &read).await.0.len(), 4);
    let again = format!("DROP OWNED BY shop_report; DROP ROLE shop_report; {create}");
    tenant_tests::run(&mut admin, &again).await.expect("a superuser can");
    let (texts, code) = self::read(&mut fixture.raw("shop_report").await, &read).await;
    tenant_tests::run(&mut admin, "DROP OWNED BY shop_report; DROP ROLE shop_report").await.expect("a superuser can");
    assert_eq!((texts, code.as_deref()), (Vec::new(), Some("TT006")));
}
