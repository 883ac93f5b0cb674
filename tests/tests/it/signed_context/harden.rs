//! `harden` with signed contexts: the app and the migrations work afterwards, injected SQL reaches fewer functions, and the audit
//! reports nothing.

use tenant_runtime::{Repository as _, audit::audit};
use tenant_tests::{ask, connect, dedicated_server, refusal, run};

use super::{
    commands::{fails, program, succeeds},
    fixture::{key, tables},
};
use crate::golden::{
    self,
    signed_context::{Clerk, Shop},
};

/// What SQL could call as the login of the app.
const CALLS: [&str; 9] = [
    "SELECT set_config('shop.tenant_id', 'x', false)",
    "SELECT query FROM pg_stat_activity",
    "SELECT count(pg_terminate_backend(pid)) FROM generate_series(1, 2) AS pid",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_xact_lock_shared(1, 2)",
    "SELECT * FROM pg_locks",
    "SELECT lo_create(0)",
    "SELECT pg_notify('a', 'b')",
    "SELECT query_to_xml('SELECT 1', true, true, '')",
];

#[tokio::test(flavor = "multi_thread")]
async fn app_migrations_and_audit_work_after_strict_harden_and_injected_sql_reaches_less() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let url = server.url("postgres", "shop");
    let mut postgres = connect(&server.admin_url()).await;
    for statement in ["CREATE ROLE operator LOGIN CREATEROLE", "CREATE DATABASE shop OWNER operator"] {
        run(&mut postgres, statement).await.expect("a superuser can");
    }
    let harden = |arguments: &[&str]| program(&[&["harden", "--database-url", &url], arguments].concat(), "", &[]);
    fails(
        &harden(&[]),
        "the role `shop_function_owner` does not exist; nothing was changed\n  help: apply the migrations first",
    );
    let schema = golden::schema(&tables());
    let mut operator = connect(&server.url("operator", "shop")).await;
    run(&mut operator, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("it applies");
    let mut admin = connect(&url).await;
    // Explicit privileges that equal the default are as good as none.
    let is_public = "SELECT string_agg(oid::regprocedure::text, ' ' ORDER BY oid) FROM pg_proc WHERE has_function_privilege('public', oid, 'EXECUTE')";
    let before = ask(&mut admin, is_public).await;
    let others = "SELECT count(*)::text FROM pg_proc CROSS JOIN LATERAL aclexplode(proacl) AS acl
        WHERE pronamespace = 'pg_catalog'::regnamespace AND acl.grantee::regrole::text ~ '^(shop_|pg_monitor|pg_signal)'";
    let granted_before = ask(&mut admin, others).await;
    let mut app = connect(&server.url("shop_service", "shop")).await;
    for call in CALLS {
        run(&mut app, call).await.unwrap_or_else(|error| panic!("{call}: {error}"));
    }
    let install = "SET ROLE shop_schema_owner; SELECT shop_auth.set_context_key(1::int2, decode(repeat('07', 32), 'hex'), NULL, NULL, NULL)";
    run(&mut admin, &format!("{install}; RESET ROLE")).await.expect("installed");
    // What the calls have created.
    run(&mut admin, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata").await.expect("removed");
    succeeds(harden(&[]));
    assert_eq!(refusal(run(&mut app, CALLS[0]).await.expect_err("revoked")).0, "42501");
    let out = succeeds(harden(&["--strict"]));
    assert!(out.contains("revoked EXECUTE on set_config from PUBLIC") && out.contains("pg_monitor"), "{out}");
    for call in CALLS {
        assert_eq!(refusal(run(&mut app, call).await.expect_err(call)).0, "42501", "{call}");
    }
    let report = audit(&mut operator, &schema).await.expect("an audit");
    assert!(report.is_clean() && !report.findings.iter().any(|finding| finding.code == "TA219"), "{report}");
    let options = tenant_tests::app_options().signing_key(key(1));
    let db = options.connect(&server.url("shop_service", "shop")).await.expect("the app connects");
    let ctx = tenant_runtime::TenantCtx::<Clerk>::assume_authorized(uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    assert_eq!(Shop::count(&db.scope(&ctx)).await.expect("the app reads"), 0);
    db.close().await;
    // What the migrations call, as the administrator who is not a superuser.
    let locks = "SELECT pg_try_advisory_lock(1), pg_advisory_unlock(1); SELECT count(*) FROM pg_locks; SELECT count(*) FROM pg_stat_activity";
    run(&mut operator, locks).await.expect("the administrator inherits from the schema owner");
    succeeds(harden(&["--strict", "--undo"]));
    assert_eq!(ask(&mut admin, is_public).await, before);
    assert_eq!(ask(&mut admin, others).await, granted_before);
    for call in CALLS {
        run(&mut app, call).await.unwrap_or_else(|error| panic!("{call}: {error}"));
    }
    run(&mut admin, "SELECT lo_unlink(oid) FROM pg_largeobject_metadata").await.expect("removed");
    let report = audit(&mut operator, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
}
