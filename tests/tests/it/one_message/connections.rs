//! Connections that are kept between calls.

use std::time::Duration;

use tenant_examples::Project;
use tenant_runtime::{Error, InlineValues, Repository as _, TenantCtx, TenantDb, roles::Member};
use tenant_tests::{ask, run};

use super::{App, inline, new_project};
use crate::context::wait_until_idle;

const OPEN: &str =
    "SELECT count(*)::text FROM pg_stat_activity WHERE usename = 'app_service' AND datname = current_database()";

#[tokio::test]
async fn closing_closes_kept_connections() {
    let app = App::direct(3).await;
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    let scope = app.db.scope(&ctx);
    let (one, two) = tokio::join!(Project::count(&scope), Project::insert(&scope, new_project("x")));
    one.and(two.map(|_| 0)).expect("both run");
    let mut admin = app.database.admin().await;
    assert_ne!(ask(&mut admin, OPEN).await, "0");
    app.db.close().await;
    for _ in 0..200 {
        if ask(&mut admin, OPEN).await == "0" {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(ask(&mut admin, OPEN).await, "0");
    let closed = Project::count(&scope).await;
    assert!(matches!(closed, Err(Error::Database(sqlx::Error::PoolClosed))), "{closed:?}");
}

#[tokio::test]
async fn kept_connections_count_against_the_maximum() {
    let app = App::direct(2).await;
    let options = inline().max_connections(2).acquire_timeout(Duration::from_millis(200));
    let db = options.connect(&app.database.app_url()).await.expect("connected");
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    let scope = db.scope(&ctx);
    // Both are kept, and transactions take them.
    let (one, two) = tokio::join!(Project::count(&scope), Project::count(&scope));
    one.and(two).expect("counted");
    let (mut first, mut second) = (db.begin(&ctx).await.expect("opened"), db.begin(&ctx).await.expect("opened"));
    Project::count(&mut first).await.expect("counted");
    Project::count(&mut second).await.expect("counted");
    let waited = Project::count(&scope).await;
    assert!(matches!(waited, Err(Error::PoolTimeout { role: "app_member", .. })), "{waited:?}");
    drop(first);
    Project::count(&scope).await.expect("the dropped transaction returned its connection");
    assert_eq!(ask(&mut app.database.admin().await, OPEN).await, "2");
}

#[tokio::test]
async fn state_that_a_trigger_leaves_is_gone_for_the_next_call() {
    for app in [Some(App::direct(1).await), App::pooled(1).await].into_iter().flatten() {
        let mut admin = app.database.admin().await;
        let (acme, globex) = (app.database.acme, app.database.globex);
        let name = ask(&mut admin, "SELECT current_database()::text").await;
        run(
            &mut admin,
            &format!(
                "GRANT TEMPORARY ON DATABASE {} TO PUBLIC;
                 CREATE FUNCTION public.leaves() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    PERFORM set_config('app.organization_id', '{}', false);
                    PERFORM set_config('app.user_id', '{}', false);
                    PERFORM set_config('search_path', 'public', false);
                    PERFORM set_config('datestyle', 'SQL, DMY', false);
                    PERFORM set_config('timezone', 'Asia/Tokyo', false);
                    PERFORM set_config('bytea_output', 'escape', false);
                    PERFORM pg_advisory_lock(4711);
                    EXECUTE 'CREATE TEMP TABLE projects (organization_id uuid)';
                    EXECUTE 'LISTEN left_behind';
                    EXECUTE 'DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM app.projects';
                    RETURN NULL; END $$;
                 CREATE CONSTRAINT TRIGGER leaves AFTER INSERT ON app.projects DEFERRABLE INITIALLY DEFERRED
                    FOR EACH ROW EXECUTE FUNCTION public.leaves();
                 CREATE FUNCTION public.finds() RETURNS text LANGUAGE sql AS $$
                    SELECT concat_ws(' ', current_setting('app.organization_id'), current_setting('datestyle'),
                        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()),
                        (SELECT count(*) FROM pg_cursors WHERE name = 'kept'),
                        (SELECT count(*) FROM pg_listening_channels()), coalesce(to_regclass('pg_temp.projects')::text, '-')) $$;
                 ALTER TABLE app.tasks ALTER COLUMN title SET DEFAULT public.finds()",
                name,
                globex.id,
                globex.admin,
            ),
        )
        .await
        .expect("functions");
        let ctx: TenantCtx<Member> = acme.as_member();
        let scope = app.db.scope(&ctx);
        for _ in 0..5 {
            let project = Project::insert(&scope, new_project("x")).await.expect("inserted");
            assert_eq!(project.organization_id, acme.id);
            let rows = Project::list(&scope).await.expect("listed");
            assert!(rows.iter().all(|project| project.organization_id == acme.id), "{rows:?}");
            let mut tx = app.db.begin(&ctx).await.expect("opened");
            Project::count(&mut tx).await.expect("counted");
            let found: String = sqlx::query_scalar("SELECT public.finds()").fetch_one(&mut tx).await.expect("found");
            assert_eq!(found, format!("{} ISO, MDY 0 0 0 -", acme.id));
            tx.rollback().await.expect("rolled back");
        }
    }
}

#[tokio::test]
async fn transaction_on_a_connection_with_a_statement_of_sql_uses_another_one() {
    let app = App::direct(1).await;
    let mut admin = app.database.admin().await;
    run(
        &mut admin,
        "CREATE FUNCTION public.prepares() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE 'PREPARE left_behind AS SELECT 1'; RETURN NULL; END $$;
         CREATE TRIGGER prepares AFTER INSERT ON app.projects EXECUTE FUNCTION public.prepares()",
    )
    .await
    .expect("a trigger");
    let options = TenantDb::options().inline_values(InlineValues::None).max_connections(1);
    let bound = options.connect(&app.database.app_url()).await.expect("connected");
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    for db in [app.db, bound] {
        let scope = db.scope(&ctx);
        Project::insert(&scope, new_project("x")).await.expect("inserted");
        let mut tx = db.begin(&ctx).await.expect("opened");
        Project::count(&mut tx).await.expect("counted");
        let sql = "SELECT count(*)::text FROM pg_prepared_statements WHERE from_sql";
        let prepared: String = sqlx::query_scalar(sql).fetch_one(&mut tx).await.expect("counted");
        assert_eq!(prepared, "0");
    }
}

#[tokio::test]
async fn dropped_transaction_is_rolled_back_and_its_connection_used_again() {
    let app = App::direct(1).await;
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    for round in 0..20 {
        let mut tx = app.db.begin(&ctx).await.expect("opened");
        Project::insert(&mut tx, new_project("dropped")).await.expect("inserted");
        if round % 2 == 0 {
            let _failed = sqlx::query("SELECT 1 / 0").execute(&mut tx).await;
        }
        drop(tx);
    }
    assert_eq!(Project::count(&app.db.scope(&ctx)).await.expect("counted"), 1);
    let mut admin = app.database.admin().await;
    assert_eq!(wait_until_idle(&mut admin).await, 0);
    assert_eq!(ask(&mut admin, OPEN).await, "1");
}
