//! Single repository calls whose values are part of the text, so that a call takes one message.

mod connections;
mod outcomes;
mod storm;
mod text_fuzz;
mod trips;
mod values;

use tenant_runtime::{InlineValues, TenantDb, TenantDbOptions};
use tenant_tests::{Database, pgbouncer::PgBouncer};

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

/// A linear congruential generator; its high bits are random enough for choices.
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let high = self.0 >> 32;
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        high << 32 | self.0 >> 32
    }

    fn below(&mut self, end: u64) -> u64 {
        (self.bits() >> 16) % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len() as u64) as usize]
    }
}
