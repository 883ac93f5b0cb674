//! Benchmark of queries against the same queries written by hand with sqlx: `cargo bench -p tenant-tests --bench query_cost`.
//!
//! By hand means a plain sqlx pool, tables without RLS, and `organization_id = $1` wherever it is required. Both variants alternate
//! on one server over its Unix socket. The result is the ratio of the 10th percentiles, since other load on the machine only adds
//! time.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tenant_examples::{MemberRole, NewTask, Task, TaskChanges};
use tenant_runtime::{Repository as _, TenantCtx, TenantDb, TxOptions, roles::Member};
use tenant_tests::{Database, run};
use uuid::Uuid;

/// The number of measurements of each variant.
const ROUNDS: usize = 400;

/// The number of tasks of the large tenant, and of each small tenant.
const TASKS: (usize, usize) = (50_000, 100);

const SMALL_TENANTS: usize = 500;

/// A tenant with a member, a project and one of its tasks.
#[derive(Clone, Copy)]
struct TenantFixture {
    org: Uuid,
    user: Uuid,
    project: Uuid,
    task: Uuid,
}

#[tokio::main]
async fn main() {
    let database = Database::create().await;
    let (small, large) = (fill(&database, SMALL_TENANTS, TASKS.1).await, fill(&database, 1, TASKS.0).await);
    create_plain_copy(&database).await;
    let db = TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("the app connects");
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url_of("by_hand")).await.expect("it connects");
    println!("{:40} {:>10} {:>10} {:>7}", "", "by hand", "here", "ratio");
    for (size, place) in [("small", small), ("large", large)] {
        let ctx = TenantCtx::<Member>::assume_authorized(place.org, place.user);
        measure(&format!("{size} tenant"), &db, &ctx, &pool, place).await;
    }
}

async fn measure(size: &str, db: &TenantDb, ctx: &TenantCtx<Member>, pool: &PgPool, place: TenantFixture) {
    let TenantFixture { org, task, .. } = place;
    let scope = db.scope(ctx);
    compare(
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
    writes(size, db, ctx, pool, place).await;
}

async fn writes(size: &str, db: &TenantDb, ctx: &TenantCtx<Member>, pool: &PgPool, place: TenantFixture) {
    let TenantFixture { org, project, task, .. } = place;
    let scope = db.scope(ctx);
    compare(
        &format!("an insert, {size}"),
        async || {
            let mut tx = pool.begin().await.expect("begun");
            let sql = "INSERT INTO by_hand.tasks (organization_id, project_id, title) VALUES ($1, $2, $3) RETURNING *";
            let query = sqlx::query(sql).bind(org).bind(project).bind("new");
            black_box(query.fetch_one(&mut *tx).await.expect("inserted"));
            tx.commit().await.expect("committed");
        },
        async || {
            black_box(Task::insert(&scope, new(project)).await.expect("inserted"));
        },
    )
    .await;
    compare(
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
            let rows = (0..1000).map(|_| new(project));
            black_box(Task::insert_many(&mut tx, rows).await.expect("inserted"));
            tx.rollback().await.expect("gone again");
        },
    )
    .await;
}

fn new(project: Uuid) -> NewTask {
    NewTask {
        project_id: project,
        title: "new".into(),
        description: None,
        status: None,
        assigned_to: None,
        created_at: None,
    }
}

/// Runs both variants alternately and prints their durations.
async fn compare(name: &str, mut by_hand: impl AsyncFnMut(), mut here: impl AsyncFnMut()) {
    let mut taken = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        let start = Instant::now();
        by_hand().await;
        let between = Instant::now();
        here().await;
        // The first runs plan the statements and fill the caches.
        if round >= ROUNDS / 10 {
            taken[0].push(between - start);
            taken[1].push(between.elapsed());
        }
    }
    let [by_hand, here] = taken.map(fastest_tenth);
    let ratio = here.as_secs_f64() / by_hand.as_secs_f64();
    println!("{name:40} {:>7} µs {:>7} µs {ratio:>7.2}", by_hand.as_micros(), here.as_micros());
}

fn fastest_tenth(mut taken: Vec<Duration>) -> Duration {
    taken.sort();
    taken[taken.len() / 10]
}

/// Fills tenants with tasks, and returns the last of them.
async fn fill(database: &Database, tenants: usize, tasks: usize) -> TenantFixture {
    let mut admin = database.admin().await;
    let mut last = None;
    for _ in 0..tenants {
        let [org, user, project, task] = std::array::from_fn(|_| Uuid::new_v4());
        let role = MemberRole::Member;
        let sql = format!(
            "INSERT INTO app.organizations (id, name) VALUES ('{org}', 'one');
             INSERT INTO app.users (id, email) VALUES ('{user}', '{user}@example');
             INSERT INTO app.org_members (organization_id, user_id, role) VALUES ('{org}', '{user}', '{}');
             INSERT INTO app.projects (id, organization_id, name) VALUES ('{project}', '{org}', 'one');
             INSERT INTO app.tasks (id, organization_id, project_id, title) VALUES ('{task}', '{org}', '{project}', 'one');
             INSERT INTO app.tasks (organization_id, project_id, title)
                 SELECT '{org}', '{project}', 'one' FROM generate_series(2, {tasks})",
            format!("{role:?}").to_lowercase(),
        );
        run(&mut admin, &sql).await.expect("a tenant");
        last = Some(TenantFixture { org, user, project, task });
    }
    last.expect("there is a tenant")
}

/// Creates copies of the tables with the same rows and keys and without RLS, for a login with all privileges on them.
async fn create_plain_copy(database: &Database) {
    let sql = "CREATE SCHEMA by_hand;
         CREATE TABLE by_hand.projects (LIKE app.projects INCLUDING ALL);
         INSERT INTO by_hand.projects SELECT * FROM app.projects;
         CREATE TABLE by_hand.tasks (LIKE app.tasks INCLUDING ALL);
         INSERT INTO by_hand.tasks SELECT * FROM app.tasks;
         ALTER TABLE by_hand.tasks ADD FOREIGN KEY (organization_id) REFERENCES app.organizations (id) ON DELETE CASCADE;
         ALTER TABLE by_hand.tasks ADD FOREIGN KEY (project_id) REFERENCES by_hand.projects (id) ON DELETE CASCADE;
         CREATE ROLE by_hand LOGIN;
         GRANT USAGE ON SCHEMA by_hand TO by_hand;
         GRANT ALL ON ALL TABLES IN SCHEMA by_hand TO by_hand;
         GRANT CONNECT ON DATABASE";
    let mut admin = database.admin().await;
    let name = tenant_tests::ask(&mut admin, "SELECT current_database()::text").await;
    run(&mut admin, &format!("{sql} {name} TO by_hand")).await.expect("a copy");
    run(&mut admin, "VACUUM ANALYZE").await.expect("analyzed");
}
