//! What is closed to every role of a tenant: columns for nobody; and how long a session of the app may hold the others up.

use tenant_examples::User;
use tenant_runtime::Repository as _;
use tenant_tests::{Database, ask, connect, refusal, run};

use super::session::sign_up;

#[tokio::test]
async fn a_column_for_nobody_is_written_and_read_by_no_role() {
    let database = Database::create().await;
    let (db, acme) = (database.app().await, database.acme);
    let user = sign_up(&db, "new@acme.example").await.expect("anybody may");
    let stored = format!("SELECT password_hash FROM app.users WHERE id = '{user}'");
    assert_eq!(ask(&mut database.admin().await, &stored).await, "$argon2id$");
    for role in ["app_viewer", "app_member", "app_admin", "app_visitor"] {
        let mut app = database.raw(role, acme.id, acme.admin).await;
        for sql in ["SELECT password_hash FROM app.users", "SELECT count(*) FROM app.users WHERE password_hash <> ''"] {
            let refused = run(&mut app, sql).await.expect_err("no role reads it");
            assert_eq!(refusal(refused).0, "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn a_row_with_a_column_for_nobody_is_read_without_it() {
    let database = Database::create().await;
    let acme = database.acme;
    run(&mut database.admin().await, "UPDATE app.users SET password_hash = 'x'").await.expect("a superuser");
    let users = User::list(&database.app().await.scope(&acme.as_viewer())).await.expect("a viewer reads the others");
    assert_eq!((users.len(), users.iter().filter(|user| user.password_hash.is_some()).count()), (3, 0));
}

#[tokio::test]
async fn a_session_of_the_app_waits_and_idles_only_so_long() {
    let database = Database::create().await;
    let mut app = connect(&database.app_url()).await;
    let mut seen = Vec::new();
    for setting in ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"] {
        seen.push(ask(&mut app, &format!("SHOW {setting}")).await);
    }
    assert_eq!(seen, ["30s", "5s", "1min"]);
    // Of this database alone: the login is the whole cluster's.
    let elsewhere =
        ask(&mut database.admin().await, "SELECT count(*)::text FROM pg_db_role_setting WHERE setdatabase = 0").await;
    assert_eq!(elsewhere, "0");
}
