//! Single repository calls whose values are part of the text, so that a call takes one message.

mod connections;
mod outcomes;
mod storm;
mod text_fuzz;
mod trips;
mod values;

use tenant_examples::{NewProject, NewTask};
use tenant_runtime::{InlineValues, TenantDb, TenantDbOptions};
use tenant_tests::{Database, pgbouncer::PgBouncer};
use uuid::Uuid;

/// Whether the long runs were requested.
fn long() -> bool {
    std::env::var_os("TENANT_TEST_LONG").is_some()
}

/// Options with all values in the text.
fn inline() -> TenantDbOptions {
    TenantDb::options().inline_values(InlineValues::All)
}

/// The app's connection, directly or through a PgBouncer, with all values in the text.
struct App {
    database: Database,
    db: TenantDb,
    _pooler: Option<PgBouncer>,
}

impl App {
    async fn direct(connections: u32) -> Self {
        let database = Database::create().await;
        let db = inline().max_connections(connections).connect(&database.app_url()).await.expect("the app connects");
        Self { database, db, _pooler: None }
    }

    /// `None` if PgBouncer is not installed.
    async fn pooled(connections: u32) -> Option<Self> {
        let database = Database::create().await;
        let Some(pooler) = PgBouncer::start(&database).await else {
            eprintln!("SKIPPED: no PgBouncer is installed, and TENANT_TEST_PGBOUNCER names none");
            return None;
        };
        let options = pooler.options().inline_values(InlineValues::All).max_connections(connections);
        let db = options.connect(&pooler.url(&database)).await.expect("the app connects");
        Some(Self { database, db, _pooler: Some(pooler) })
    }
}

fn new_project(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), description: None, created_at: None }
}

fn new_task(project: Uuid) -> NewTask {
    NewTask {
        project_id: project,
        title: "t".into(),
        description: None,
        status: None,
        assigned_to: None,
        created_at: None,
    }
}
