//! Benchmark of queries against the same queries written by hand with sqlx: `cargo bench -p tenant-tests --bench query_cost`.
//!
//! By hand means sqlx in a transaction, tables without RLS, and `organization_id = $1` wherever it is required. Both variants
//! alternate on one server over its Unix socket. The result is the ratio of the 10th percentiles, since other load on the machine
//! only adds time.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tenant_examples::{Task, TaskChanges};
use tenant_runtime::{Repository as _, TenantCtx, TenantDb, TxOptions, roles::Member};
use tenant_tests::{
    Database,
    benchmark::{
        clients::new_task,
        full_or_quick,
        measure::fastest_tenth,
        report::Report,
        requested,
        rows::{self, Place, Sizes},
    },
    server,
};

/// The schema and the login without RLS.
const SCHEMA: &str = "by_hand";

/// The rows of the table of results.
type Table = Vec<Vec<String>>;

#[tokio::main]
async fn main() {
    if !requested() {
        return;
    }
    let sizes = full_or_quick(
        Sizes { tenants: 501, tasks: 100_000, large: 50_000 },
        Sizes { tenants: 21, tasks: 4_000, large: 2_000 },
    );
    let database = Database::create().await;
    rows::fill(&database, sizes).await;
    rows::copy(&database, SCHEMA).await;
    rows::analyze(&database).await;
    let db = TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("the app connects");
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url_of(SCHEMA)).await.expect("it connects");
    let about = "Repository calls compared with sqlx in a transaction, on tables without RLS and with `organization_id = $1` \
        in each statement, over one connection to the Unix socket.";
    let mut report = Report::new("query_cost", "Queries compared with sqlx in a transaction", about);
    let small_tasks = (sizes.tasks - sizes.large) / (sizes.tenants - 1);
    report.paragraph(&format!(
        "PostgreSQL {}; {} tenants with {small_tasks} tasks, one with {}. The fastest tenth of the times.",
        server().version(),
        sizes.tenants - 1,
        sizes.large,
    ));
    let mut table = Table::new();
    for (tenant, tasks) in [(2, small_tasks), (1, sizes.large)] {
        let place = rows::place(&mut database.admin().await, tenant).await;
        let ctx = TenantCtx::<Member>::assume_authorized(place.org, place.user);
        measure(&mut table, &format!("tenant with {tasks} tasks"), &db, &ctx, &pool, place).await;
    }
    report.table(&["", "sqlx in a transaction, µs", "tenant-runtime, µs", "ratio"].map(str::to_owned), &table);
    report.finish();
}

async fn measure(table: &mut Table, size: &str, db: &TenantDb, ctx: &TenantCtx<Member>, pool: &PgPool, place: Place) {
    let Place { org, task, .. } = place;
    let scope = db.scope(ctx);
    compare(
        table,
        &format!("a row by its key, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "SELECT * FROM by_hand.tasks WHERE organization_id = $1 AND id = $2";
            black_box(sqlx::query(sql).bind(org).bind(task).fetch_one(&mut *tx).await.expect("it is there"));
            tx.commit().await.expect("committed");
        },
        async || {
            black_box(Task::get(&scope, task).await.expect("it is there"));
        },
    )
    .await;
    compare(
        table,
        &format!("fifty rows in order, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "SELECT * FROM by_hand.tasks WHERE organization_id = $1 ORDER BY id LIMIT 50";
            black_box(sqlx::query(sql).bind(org).fetch_all(&mut *tx).await.expect("they are there"));
            tx.commit().await.expect("committed");
        },
        async || {
            black_box(Task::list(&scope).order(Task::ID.asc()).limit(50).await.expect("they are there"));
        },
    )
    .await;
    compare(
        table,
        &format!("a count of all rows, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "SELECT count(*) FROM by_hand.tasks WHERE organization_id = $1";
            black_box(sqlx::query_scalar::<_, i64>(sql).bind(org).fetch_one(&mut *tx).await.expect("counted"));
            tx.commit().await.expect("committed");
        },
        async || {
            black_box(Task::count(&scope).await.expect("counted"));
        },
    )
    .await;
    compare(
        table,
        &format!("five rows in one transaction, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "SELECT * FROM by_hand.tasks WHERE organization_id = $1 AND id = $2";
            for _ in 0..5 {
                black_box(sqlx::query(sql).bind(org).bind(task).fetch_one(&mut *tx).await.expect("it is there"));
            }
            tx.commit().await.expect("committed");
        },
        async || {
            let mut tx = db.begin_with(ctx, TxOptions::default()).await.expect("begun");
            for _ in 0..5 {
                black_box(Task::get(&mut tx, task).await.expect("it is there"));
            }
            tx.commit().await.expect("committed");
        },
    )
    .await;
    writes(table, size, db, ctx, pool, place).await;
}

async fn writes(table: &mut Table, size: &str, db: &TenantDb, ctx: &TenantCtx<Member>, pool: &PgPool, place: Place) {
    let Place { org, project, task, .. } = place;
    let scope = db.scope(ctx);
    compare(
        table,
        &format!("an insert, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "INSERT INTO by_hand.tasks (organization_id, project_id, title) VALUES ($1, $2, $3) RETURNING *";
            let query = sqlx::query(sql).bind(org).bind(project).bind("new");
            black_box(query.fetch_one(&mut *tx).await.expect("inserted"));
            tx.commit().await.expect("committed");
        },
        async || {
            black_box(Task::insert(&scope, new_task(project)).await.expect("inserted"));
        },
    )
    .await;
    compare(
        table,
        &format!("an update by key, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "UPDATE by_hand.tasks SET title = $3 WHERE organization_id = $1 AND id = $2 RETURNING *";
            let query = sqlx::query(sql).bind(org).bind(task).bind("changed");
            black_box(query.fetch_one(&mut *tx).await.expect("updated"));
            tx.commit().await.expect("committed");
        },
        async || {
            let changes = TaskChanges { title: Some("changed".into()), ..TaskChanges::default() };
            black_box(Task::update(&scope, task, changes).await.expect("updated"));
        },
    )
    .await;
    compare(
        table,
        &format!("a thousand rows inserted, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "INSERT INTO by_hand.tasks (organization_id, project_id, title)
                       SELECT $1, * FROM unnest($2::uuid[], $3::text[]) RETURNING *";
            let query = sqlx::query(sql).bind(org).bind(vec![project; 1000]).bind(vec!["new"; 1000]);
            black_box(query.fetch_all(&mut *tx).await.expect("inserted"));
            tx.rollback().await.expect("gone again");
        },
        async || {
            let mut tx = db.begin(ctx).await.expect("begun");
            let rows = (0..1000).map(|_| new_task(project));
            black_box(Task::insert_many(&mut tx, rows).await.expect("inserted"));
            tx.rollback().await.expect("gone again");
        },
    )
    .await;
}

/// Runs both variants alternately and adds a row with their durations.
async fn compare(table: &mut Table, name: &str, mut by_hand: impl AsyncFnMut(), mut here: impl AsyncFnMut()) {
    let (rounds, most) = full_or_quick((3_000, Duration::from_secs(20)), (20, Duration::from_secs(1)));
    let mut taken = [Vec::new(), Vec::new()];
    let begun = Instant::now();
    for round in 0..rounds {
        if begun.elapsed() > most && taken[0].len() >= 10 {
            break;
        }
        let start = Instant::now();
        by_hand().await;
        let between = Instant::now();
        here().await;
        // The first runs plan the statements and fill the caches.
        if round >= 20.min(rounds / 10) {
            taken[0].push(between - start);
            taken[1].push(between.elapsed());
        }
    }
    let [by_hand, here] = taken.map(fastest_tenth);
    let ratio = here.as_secs_f64() / by_hand.as_secs_f64();
    let micros = |time: Duration| time.as_micros().to_string();
    table.push(vec![name.to_owned(), micros(by_hand), micros(here), format!("{ratio:.2}")]);
}
