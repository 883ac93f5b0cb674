//! Tenant isolation through PgBouncer in transaction mode, where transactions of all roles share a few connections.
//!
//! Where PgBouncer is not installed these tests print SKIPPED and pass; `.ci/run` makes sure that it is installed. With
//! `TENANT_TEST_POOLED` set, every test that connects by `Database::app` connects through a PgBouncer.

use tenant_examples::{NewProject, Project};
use tenant_runtime::{Error, Isolation, Repository as _, TenantDbOptions, TxOptions};
use tenant_tests::{Database, ask, connect, pgbouncer::PgBouncer, run};

use super::{cancellation_stress, context::seen};

/// Starts a PgBouncer; returns it with the pooler option for its version.
async fn start(database: &Database) -> Option<(PgBouncer, TenantDbOptions)> {
    let bouncer = PgBouncer::start(database).await;
    if bouncer.is_none() {
        eprintln!("SKIPPED: no PgBouncer is installed, and TENANT_TEST_PGBOUNCER names none");
    }
    let bouncer = bouncer?;
    let options = bouncer.options().max_connections(4);
    Some((bouncer, options))
}

#[tokio::test]
async fn pooled_transactions_keep_their_role_tenant_and_user() {
    let database = Database::create().await;
    let Some((bouncer, options)) = start(&database).await else { return };
    let db = options.connect(&bouncer.url(&database)).await.expect("the login is as safe through a pooler");
    let mut backends = std::collections::BTreeSet::new();
    for round in 0..20 {
        for tenant in [database.acme, database.globex] {
            let mut admin = db.begin(&tenant.as_admin()).await.expect("begins");
            let who = ("app_admin".to_owned(), tenant.id.to_string(), tenant.admin.to_string());
            assert_eq!(seen(&mut admin).await.expect("reads"), who);
            let new = NewProject { name: format!("{round}"), description: None, created_at: None };
            let made = Project::insert(&mut admin, new).await.expect("inserts");
            let mut undone = admin.savepoint().await.expect("begins");
            Project::delete(&mut undone, made.id).await.expect("deletes");
            drop(undone);
            admin.commit().await.expect("commits");
            let mut viewer = db.begin(&tenant.as_viewer()).await.expect("begins");
            let who = ("app_viewer".to_owned(), tenant.id.to_string(), tenant.viewer.to_string());
            assert_eq!(seen(&mut viewer).await.expect("reads"), who);
            assert_eq!(Project::count(&mut viewer).await.expect("reads"), round + 2);
            let refused = Project::find(&mut viewer, database.globex.project).await.expect("reads");
            assert_eq!(refused.is_some(), tenant.id == database.globex.id);
            let backend: i32 =
                sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut viewer).await.expect("reads");
            backends.insert(backend);
        }
    }
    assert!(backends.len() <= 2, "the pooler shared no connection: {backends:?}");
}

#[tokio::test]
async fn failed_or_dropped_tx_resets_connection() {
    let database = Database::create().await;
    let Some((bouncer, options)) = start(&database).await else { return };
    let db = options.connect(&bouncer.url(&database)).await.expect("connects");
    for _ in 0..10 {
        let mut failed = db.begin(&database.acme.as_member()).await.expect("begins");
        let error = sqlx::query("DELETE FROM app.projects").execute(&mut failed).await.map_err(Error::from);
        assert!(matches!(error, Err(Error::Forbidden { .. })), "{error:?}");
        assert!(matches!(failed.commit().await, Err(Error::Aborted)));
        drop(db.begin(&database.acme.as_admin()).await.expect("begins"));
        let mut tx = db.begin(&database.globex.as_viewer()).await.expect("begins");
        assert_eq!(seen(&mut tx).await.expect("reads").1, database.globex.id.to_string());
    }
}

#[tokio::test]
async fn rows_and_locks_that_a_function_leaves_on_its_connections_are_gone_for_the_next_tenant() {
    let database = Database::create().await;
    let Some((bouncer, options)) = start(&database).await else { return };
    let function = "CREATE FUNCTION public.leaves() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE 'DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM app.projects';
            EXECUTE 'LISTEN kept';
            PERFORM pg_advisory_lock(pg_backend_pid());
        END $$";
    run(&mut database.admin().await, function).await.expect("a superuser can");
    let db = options.connect(&bouncer.url(&database)).await.expect("connects");
    for read_only in [false, true].repeat(4) {
        let mut tx = db.begin(&database.acme.as_member()).await.expect("begins");
        sqlx::query("SELECT public.leaves()").execute(&mut tx).await.expect("runs");
        tx.commit().await.expect("commits");
        let kind = TxOptions { read_only, isolation: Some(Isolation::RepeatableRead), ..TxOptions::default() };
        let mut tx = db.begin_with(&database.globex.as_member(), kind).await.expect("begins");
        let left = "SELECT (SELECT count(*) FROM pg_cursors WHERE name = 'kept'),
                (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())";
        let left: (i64, i64) = sqlx::query_as(left).fetch_one(&mut tx).await.expect("reads");
        assert_eq!(left, (0, 0));
        tx.commit().await.expect("commits");
        let mut tx = db.begin(&database.globex.as_member()).await.expect("begins");
        let listens = "SELECT count(*) FROM pg_listening_channels()";
        // The previous transaction began with UNLISTEN, which becomes effective at its commit.
        assert_eq!(sqlx::query_scalar::<_, i64>(listens).fetch_one(&mut tx).await.expect("reads"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cancelled_futures_do_not_leak_context_through_the_pooler() {
    let database = Database::create().await;
    let Some((bouncer, options)) = start(&database).await else { return };
    let db = options.connect(&bouncer.url(&database)).await.expect("connects");
    cancellation_stress::cancel_at_random(&database, db, 300).await;
}

#[tokio::test]
async fn a_setting_of_an_earlier_client_shows_no_deleted_rows() {
    let database = Database::create().await;
    let Some((bouncer, options)) = start(&database).await else { return };
    let db = options.connect(&bouncer.url(&database)).await.expect("connects");
    // Two open transactions use both connections of the pooler.
    let mut clients = [connect(&bouncer.url(&database)).await, connect(&bouncer.url(&database)).await];
    for sql in ["BEGIN", "SET app.deleted_rows = 'shown'", "COMMIT"] {
        for client in &mut clients {
            run(client, sql).await.expect("a client of the pooler can");
        }
    }
    let shown = ask(&mut clients[0], "SELECT current_setting('app.deleted_rows')").await;
    assert_eq!(shown, "shown", "PgBouncer keeps the setting on the server connection");
    for _ in 0..4 {
        let mut tx = db.begin(&database.acme.as_admin()).await.expect("begins");
        let found: Option<String> = sqlx::query_scalar("SELECT current_setting('app.deleted_rows', true)")
            .fetch_one(&mut tx)
            .await
            .expect("reads");
        assert_eq!(found.as_deref(), Some(""));
        tx.commit().await.expect("commits");
    }
}
