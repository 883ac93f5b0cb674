//! Column privileges for `"none"` (a column that no role reads) and the session timeouts of the app's login.

use tenant_examples::User;
use tenant_runtime::Repository as _;
use tenant_tests::{Database, ask, connect, refusal, run};

use super::session::sign_up;

#[tokio::test]
async fn column_with_role_none_is_unreadable_for_every_role() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let user = sign_up(&db, "new@acme.example").await.expect("sign-up succeeds");
    let stored = format!("SELECT password_hash FROM app.users WHERE id = '{user}'");
    assert_eq!(ask(&mut database.admin().await, &stored).await, "$argon2id$");
    for role in ["app_viewer", "app_member", "app_admin", "app_no_tenant"] {
        let mut app = database.raw(role, acme.id, acme.admin).await;
        for sql in ["SELECT password_hash FROM app.users", "SELECT count(*) FROM app.users WHERE password_hash <> ''"] {
            let refused = run(&mut app, sql).await.expect_err("no role reads it");
            assert_eq!(refusal(refused).0, "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn rows_are_read_without_columns_of_role_none() {
    let database = Database::create().await;
    let acme = database.acme;
    run(&mut database.admin().await, "UPDATE app.users SET password_hash = 'x'").await.expect("a superuser");
    let users = User::list(&database.app().await.scope(&acme.as_viewer())).await.expect("a viewer reads the others");
    assert_eq!((users.len(), users.iter().filter(|user| user.password_hash.is_some()).count()), (3, 0));
}

#[tokio::test]
async fn app_login_has_statement_lock_and_idle_timeouts() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let mut seen = Vec::new();
    for setting in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        seen.push(ask(&mut app, &format!("SHOW {setting}")).await);
    }
    assert_eq!(seen, ["30s", "5s", "1min"]);
    // For this database only: the login belongs to the whole cluster.
    let elsewhere =
        ask(&mut database.admin().await, "SELECT count(*)::text FROM pg_db_role_setting WHERE setdatabase = 0").await;
    assert_eq!(elsewhere, "0");
}
