//! Benchmark of an app's requests, compared with sqlx without isolation: `cargo bench -p tenant-tests --bench requests`.
//!
//! It measures the latency of one task and the throughput of many tasks, without and with a network delay, and counts the
//! round trips of each request.

use std::{sync::Arc, time::Duration};

use sqlx::{PgPool, postgres::PgPoolOptions};
use tenant_tests::{
    Database,
    benchmark::{
        clients::{SqlxPool, SqlxTransaction, Statements, Tenants, own_clients},
        measure::SharedClient,
        report::Report,
        requested,
        rows::{self, Sizes},
        tables::{self, Network},
    },
};

const SCHEMA: &str = "by_hand";

#[tokio::main]
async fn main() {
    if !requested() {
        return;
    }
    let sizes = Sizes::of_requests();
    let database = Database::create().await;
    rows::fill(&database, sizes).await;
    rows::copy(&database, SCHEMA).await;
    rows::analyze(&database).await;
    let tenants = tables::tenants(&database, sizes).await;
    let about = "The latency of an app's requests with one task and four connections, and the throughput of 32 tasks and \
        eight connections. The reference is `sqlx::query_as(…).fetch_one(&pool)` on tables without RLS and with \
        `organization_id = $1` in each statement. For tenant-runtime, the policies also check the membership table in each \
        statement. A ratio below 1 is faster than the reference.";
    let mut report = Report::new("requests", "Requests of an app", about);
    tables::measure(&mut report, "requests", &database, sizes, async |network, connections| {
        clients(&database, network, connections, &tenants).await
    })
    .await;
    report.finish();
}

async fn clients(database: &Database, network: &Network, connections: u32, tenants: &Tenants) -> Vec<SharedClient> {
    let url = network.url("app_service", database);
    let pool = pool(&network.url(SCHEMA, database), connections).await;
    let statements = Statements::on(SCHEMA);
    let by_hand: [SharedClient; 2] = [
        Arc::new(SqlxPool { pool: pool.clone(), statements: statements.clone(), tenants: tenants.clone() }),
        Arc::new(SqlxTransaction { pool, statements, tenants: tenants.clone() }),
    ];
    by_hand.into_iter().chain(own_clients(&url, connections, tenants).await).collect()
}

async fn pool(url: &str, connections: u32) -> PgPool {
    let options = PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(30));
    options.connect(url).await.expect("connects")
}
