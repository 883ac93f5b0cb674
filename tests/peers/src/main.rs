//! The requests of `benches/requests.rs` with other libraries, all of them with RLS except the reference.

mod pipelined;
mod sea;
mod tenaxum_pool;
mod transaction;

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgPoolOptions;
use tenant_tests::{
    Database,
    benchmark::{
        clients::{SqlxPool, Statements, Tenants, own_clients},
        measure::SharedClient,
        report::{Report, locked_version, root},
        requested,
        rows::{self, Sizes},
        tables::{self, Network},
    },
};

/// The schema and login without RLS, for the reference.
const PLAIN: &str = "by_hand";
/// The schema and login whose policies compare the tenant column with [`SETTING`], for the other libraries.
const GUIDE: &str = "guide";
/// The setting with the tenant.
const SETTING: &str = "app.organization_id";
/// The statement that sets the tenant and the user for a transaction.
const SET_CONTEXT: &str = "SELECT set_config('app.organization_id', $1, true), set_config('app.user_id', $2, true)";

#[tokio::main]
async fn main() {
    if !requested() {
        return;
    }
    let sizes = Sizes::of_requests();
    let database = Database::create().await;
    rows::fill(&database, sizes).await;
    rows::copy(&database, PLAIN).await;
    rows::copy(&database, GUIDE).await;
    rows::protect(&database, GUIDE, SETTING).await;
    rows::analyze(&database).await;
    let tenants = tables::tenants(&database, sizes).await;
    let version = |name| locked_version(&root().join("tests/peers/Cargo.lock"), name).unwrap_or_else(|| "?".to_owned());
    let about = format!(
        "The same requests with other libraries: sqlx in a transaction with `SELECT set_config(…)`, tenaxum {} with its pool \
         hooks and with `begin_tenant`, sea-orm {} in a transaction with `set_config`, and tokio-postgres {} with the \
         beginning, the statement and the commit pipelined by hand. The reference is sqlx without RLS. For the other \
         libraries, the policies compare the tenant column with a setting; for tenant-runtime, they also check the membership \
         table, and `SET LOCAL ROLE` selects the role.",
        version("tenaxum"),
        version("sea-orm"),
        version("tokio-postgres"),
    );
    let mut report = Report::new("peers", "Requests with other libraries", &about);
    tables::measure(&mut report, "peers", &database, sizes, async |network, connections| {
        clients(&database, network, connections, &tenants).await
    })
    .await;
    report.finish();
}

async fn clients(database: &Database, network: &Network, connections: u32, tenants: &Tenants) -> Vec<SharedClient> {
    let own = own_clients(&network.url("app_service", database), connections, tenants).await;
    let options = || PgPoolOptions::new().max_connections(connections).acquire_timeout(Duration::from_secs(30));
    let plain = options().connect(&network.url(PLAIN, database)).await.expect("connects");
    let url = network.url(GUIDE, database);
    let guide = options().connect(&url).await.expect("connects");
    let statements = Statements::on(GUIDE);
    let hooks = tenaxum_pool::connect(&url, connections).await;
    let others: [SharedClient; 6] = [
        Arc::new(SqlxPool { pool: plain, statements: Statements::on(PLAIN), tenants: tenants.clone() }),
        Arc::new(transaction::SetConfig { pool: guide, statements: statements.clone(), tenants: tenants.clone() }),
        Arc::new(tenaxum_pool::Hooks { pool: hooks.clone(), statements: statements.clone(), tenants: tenants.clone() }),
        Arc::new(tenaxum_pool::BeginTenant { pool: hooks, statements: statements.clone(), tenants: tenants.clone() }),
        Arc::new(sea::Sea { db: sea::connect(&url, connections).await, tenants: tenants.clone() }),
        Arc::new(pipelined::Pipelined::connect(&url, connections, &statements, tenants.clone()).await),
    ];
    others.into_iter().chain(own).collect()
}
