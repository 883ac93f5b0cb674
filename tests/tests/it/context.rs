//! The context of a transaction: role and settings apply inside it, end with it, and never reach another transaction.

use std::{task::Poll, time::Duration};

use sqlx::{AssertSqlSafe, Executor as _, PgConnection};
use tenant_runtime::{
    Error, Result, Role, TenantCtx, TenantDb, TenantTx,
    roles::{Admin, Member, Organizations, Viewer},
};
use tenant_tests::{Database, Tenant, run};
use tokio::time::{sleep, timeout};

/// Connects with one connection per role, so that the next transaction runs on the connection of the last one.
async fn single_connection(database: &Database) -> TenantDb {
    TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("the app's login is safe")
}

fn ctx<R: Role<Tenancy = Organizations>>(tenant: &Tenant) -> TenantCtx<R> {
    TenantCtx::assume_authorized(tenant.id, tenant.admin)
}

async fn insert<R: Role<Tenancy = Organizations>>(tx: &mut TenantTx<R>, name: &str) -> Result<()> {
    let org = *tx.ctx().tenant_id();
    sqlx::query("INSERT INTO app.projects (organization_id, name) VALUES ($1, $2)")
        .bind(org)
        .bind(name)
        .execute(tx)
        .await?;
    Ok(())
}

pub(super) async fn names<R: Role<Tenancy = Organizations>>(tx: &mut TenantTx<R>) -> Result<Vec<String>> {
    Ok(sqlx::query_scalar("SELECT name FROM app.projects ORDER BY name").fetch_all(tx).await?)
}

/// The context as the server sees it: role, tenant, user.
pub(super) async fn seen<R: Role>(tx: &mut TenantTx<R>) -> Result<(String, String, String)> {
    let sql = "SELECT current_user::text, current_setting('app.organization_id'), current_setting('app.user_id')";
    Ok(sqlx::query_as(sql).fetch_one(tx).await?)
}

/// Waits until no connection of the app is in a transaction, and stays so: a cancelled statement may still be on
/// its way to the server.
pub(super) async fn wait_until_idle(admin: &mut PgConnection) -> i64 {
    let sql = "SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'";
    let (mut busy, mut quiet) = (0, 0);
    for _ in 0..1000 {
        sleep(Duration::from_millis(10)).await;
        busy = sqlx::query_scalar(sql).fetch_one(&mut *admin).await.expect("the administrator can look");
        quiet = if busy == 0 { quiet + 1 } else { 0 };
        if quiet == 3 {
            break;
        }
    }
    busy
}

#[tokio::test]
async fn transaction_runs_with_role_tenant_and_user_settings() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let acme = &database.acme;
    let mut tx = db.begin(&ctx::<Member>(acme)).await.expect("begins");
    let seen = seen(&mut tx).await.expect("reads");
    assert_eq!(seen, ("app_member".to_owned(), acme.id.to_string(), acme.admin.to_string()));
}

#[tokio::test]
async fn job_context_has_no_user_on_a_reused_connection() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    db.begin(&ctx::<Member>(&database.acme)).await.expect("begins").commit().await.expect("commits");
    let mut tx = db.begin(&TenantCtx::<Member>::assume_authorized_job(database.acme.id)).await.expect("begins");
    assert_eq!(seen(&mut tx).await.expect("reads").2, "");
}

#[tokio::test]
async fn reused_connection_does_not_show_another_tenants_rows() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut tx = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    insert(&mut tx, "of acme").await.expect("inserts");
    tx.commit().await.expect("commits");
    let mut tx = db.begin(&ctx::<Member>(&database.globex)).await.expect("begins");
    assert!(!names(&mut tx).await.expect("reads").contains(&"of acme".to_owned()));
}

#[tokio::test]
async fn session_state_left_by_a_function_is_reset_before_the_next_transaction() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut admin = database.admin().await;
    let function = "CREATE FUNCTION public.leaves() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE 'DECLARE kept CURSOR WITH HOLD FOR SELECT name FROM app.projects';
            EXECUTE 'LISTEN kept';
            PERFORM pg_advisory_lock(7);
            RETURN set_config('timezone', 'Asia/Tokyo', false);
        END $$";
    sqlx::raw_sql(function).execute(&mut admin).await.expect("made");
    let mut tx = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    insert(&mut tx, "of acme").await.expect("inserts");
    sqlx::query("SELECT public.leaves()").execute(&mut tx).await.expect("runs");
    tx.commit().await.expect("commits");

    let mut tx = db.begin(&ctx::<Member>(&database.globex)).await.expect("begins");
    let left = "SELECT (SELECT count(*) FROM pg_cursors WHERE name = 'kept'), (SELECT count(*) FROM pg_listening_channels()),
            (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()), current_setting('timezone')";
    let left: (i64, i64, i64, String) = sqlx::query_as(left).fetch_one(&mut tx).await.expect("reads");
    assert_eq!(left, (0, 0, 0, "UTC".to_owned()));
}

#[tokio::test]
async fn rolled_back_dropped_and_panicked_transactions_leave_nothing() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let begin = || db.begin(&ctx::<Member>(&database.acme));

    let mut tx = begin().await.expect("begins");
    insert(&mut tx, "rolled back").await.expect("inserts");
    tx.rollback().await.expect("rolls back");

    let mut tx = begin().await.expect("begins");
    insert(&mut tx, "dropped").await.expect("inserts");
    drop(tx);

    let mut tx = begin().await.expect("begins");
    let panicked = tokio::spawn(async move {
        insert(&mut tx, "panicked").await.expect("inserts");
        panic!("in the middle of a transaction");
    });
    assert!(panicked.await.is_err());

    let mut tx = begin().await.expect("begins");
    let left = names(&mut tx).await.expect("reads");
    drop(tx);
    let busy = wait_until_idle(&mut database.admin().await).await;
    assert_eq!((busy, left.iter().any(|name| ["rolled back", "dropped", "panicked"].contains(&&**name))), (0, false));
}

#[tokio::test]
async fn cancelled_begin_leaves_no_open_transaction() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut admin = database.admin().await;
    // On an open connection `begin` waits once, for the answer; opening a connection waits several times.
    db.begin(&ctx::<Member>(&database.acme)).await.expect("begins").commit().await.expect("commits");
    let mut left = Vec::new();
    for waits in [0, 1, 2, 3].repeat(6) {
        drop(cancel_after_polls(waits, db.begin(&ctx::<Member>(&database.acme))).await);
        left.push(wait_until_idle(&mut admin).await);
    }
    assert_eq!(left, vec![0; 24]);
}

/// Polls a future until it has waited that many times, then drops it. Unlike a time limit, this hits every point at
/// which it waits, on fast machines and slow ones.
pub(super) async fn cancel_after_polls<F: Future>(waits: u64, future: F) -> Option<F::Output> {
    let (mut future, mut left) = (std::pin::pin!(future), waits);
    std::future::poll_fn(|context| match (future.as_mut().poll(context), left) {
        (Poll::Ready(output), _) => Poll::Ready(Some(output)),
        (Poll::Pending, 0) => Poll::Ready(None),
        (Poll::Pending, _) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}

#[tokio::test]
async fn commit_after_a_failed_statement_returns_aborted() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut tx = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    insert(&mut tx, "before").await.expect("inserts");
    let _swallowed = sqlx::query("SELECT 1 / 0").execute(&mut tx).await;
    assert!(matches!(tx.commit().await, Err(Error::Aborted)));
}

#[tokio::test]
async fn commit_after_a_cancelled_statement_keeps_earlier_writes() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut tx = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    insert(&mut tx, "before").await.expect("inserts");
    let given_up = timeout(Duration::from_millis(20), sqlx::query("SELECT pg_sleep(0.1)").execute(&mut tx)).await;
    assert!(given_up.is_err());
    tx.commit().await.expect("commits");
    let mut tx = db.begin(&ctx::<Viewer>(&database.acme)).await.expect("begins");
    assert!(names(&mut tx).await.expect("reads").contains(&"before".to_owned()));
}

#[tokio::test]
async fn forbidden_statements_are_rejected_before_execution() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut tx = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    let steal = format!("SELECT set_config('app.organization_id', '{}', true)", database.globex.id);
    for sql in [
        "COMMIT",
        "SELECT 1; ROLLBACK",
        "SET LOCAL ROLE app_admin",
        "RESET ROLE",
        "DISCARD ALL",
        "LISTEN a",
        "LOCK TABLE app.projects IN ACCESS EXCLUSIVE MODE",
        "EXPLAIN SELECT FROM app.projects",
        &steal,
    ] {
        let refused = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut tx).await.map_err(Error::from);
        assert!(matches!(refused, Err(Error::ForbiddenStatement { .. })), "{sql}: {refused:?}");
        let prepared = (&mut tx).prepare(sqlx::SqlSafeStr::into_sql_str(AssertSqlSafe(sql))).await.map_err(Error::from);
        assert!(matches!(prepared, Err(Error::ForbiddenStatement { .. })), "{sql}");
    }
    insert(&mut tx, "still in order").await.expect("inserts");
    tx.commit().await.expect("commits");
}

#[tokio::test]
async fn refused_explain_names_the_option_that_allows_it() {
    let database = Database::create().await;
    let mut tx = single_connection(&database).await.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    let explain = "/* a plan */ EXPLAIN SELECT FROM app.projects";
    let refused = sqlx::query(explain).execute(&mut tx).await.map_err(Error::from).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "`EXPLAIN` is not allowed inside a tenant transaction: its output can contain the planner's estimates, which come from \
         the rows of all tenants; run it as an administrator, or set `TenantDbOptions::allow_explain(true)` during development"
    );
    let options = TenantDb::options().allow_explain(true);
    let db = options.connect(&database.app_url()).await.expect("the app's login is safe");
    let mut tx = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    let plan: Vec<String> = sqlx::query_scalar(explain).fetch_all(&mut tx).await.expect("the option allows it");
    assert!(plan.iter().any(|line| line.contains("rows=")), "{plan:#?}");
}

#[tokio::test]
async fn refused_lock_names_the_row_lock() {
    let database = Database::create().await;
    let mut tx = single_connection(&database).await.begin(&ctx::<Admin>(&database.acme)).await.expect("begins");
    let lock = "LOCK TABLE app.projects IN ACCESS EXCLUSIVE MODE";
    let refused = sqlx::query(lock).execute(&mut tx).await.map_err(Error::from).expect_err("refused");
    assert_eq!(
        refused.to_string(),
        "`LOCK` is not allowed inside a tenant transaction: a table lock blocks all tenants; lock the tenant's rows with \
         `SELECT … FOR UPDATE` instead"
    );
    sqlx::query("SELECT FROM app.projects FOR UPDATE").execute(&mut tx).await.expect("an admin can update the rows");
    // The filter stands before a privilege that the role has: DELETE allows the lock.
    let mut raw = database.raw("app_admin", database.acme.id, database.acme.admin).await;
    run(&mut raw, &format!("BEGIN; {lock} NOWAIT")).await.expect_err("the rows are locked");
    tx.rollback().await.expect("rolled back");
    run(&mut raw, &format!("ROLLBACK; BEGIN; {lock} NOWAIT")).await.expect("DELETE allows it");
}

#[tokio::test]
async fn insert_without_privilege_is_forbidden() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut tx = db.begin(&ctx::<Viewer>(&database.acme)).await.expect("begins");
    let error = insert(&mut tx, "by a viewer").await.expect_err("the database refuses");
    assert!(matches!(&error, Error::Forbidden { table, .. } if table.ends_with("projects")), "{error}");
}

#[tokio::test]
async fn insert_for_another_tenant_is_forbidden() {
    let database = Database::create().await;
    let db = single_connection(&database).await;
    let mut tx = db.begin(&ctx::<Admin>(&database.acme)).await.expect("begins");
    let error = sqlx::query("INSERT INTO app.projects (organization_id, name) VALUES ($1, 'smuggled')")
        .bind(database.globex.id)
        .execute(&mut tx)
        .await
        .map_err(Error::from)
        .expect_err("the database refuses");
    assert!(matches!(&error, Error::Forbidden { table, .. } if table.ends_with("projects")), "{error}");
}

#[tokio::test]
async fn connections_closed_by_the_server_are_replaced() {
    let database = Database::create().await;
    let db = TenantDb::options().max_connections(3).connect(&database.app_url()).await.expect("connects");
    let begin = || db.begin(&ctx::<Member>(&database.acme));
    let open = (begin().await, begin().await, begin().await);
    drop((open.0.expect("begins"), open.1.expect("begins"), open.2.expect("begins")));
    let mut admin = database.admin().await;
    wait_until_idle(&mut admin).await;
    let closed: i64 = sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    .fetch_one(&mut admin)
    .await
    .expect("an administrator can");
    let mut tx = begin().await.expect("begins on a connection that is alive");
    insert(&mut tx, "after the server closed all").await.expect("inserts");
    tx.commit().await.expect("commits");
    assert_eq!(closed, 3);
}

#[tokio::test]
async fn exhausted_pool_returns_pool_timeout() {
    let database = Database::create().await;
    let options = TenantDb::options().max_connections(1).acquire_timeout(Duration::from_millis(200));
    let db = options.connect(&database.app_url()).await.expect("connects");
    let _held = db.begin(&ctx::<Member>(&database.acme)).await.expect("begins");
    let waited = db.begin(&ctx::<Member>(&database.acme)).await;
    assert!(matches!(waited, Err(Error::PoolTimeout { role: "app_member", .. })));
}
