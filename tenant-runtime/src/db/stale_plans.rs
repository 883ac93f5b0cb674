//! Prepared statements whose result type a migration has changed: PostgreSQL refuses to run them again on any connection that
//! prepared them before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::error::server_error;

/// The last time at which a role's pool found a stale prepared statement. Connections that are older are closed instead of being
/// used again.
#[derive(Debug, Clone)]
pub(super) struct StalePlans {
    start: Instant,
    /// Nanoseconds from `start` to the last stale statement; 0 if there was none.
    found: Arc<AtomicU64>,
}

impl StalePlans {
    pub(super) fn none() -> Self {
        Self { start: Instant::now(), found: Arc::default() }
    }

    /// Records that a statement was stale.
    pub(super) fn note(&self) {
        let now = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        self.found.fetch_max(now, Ordering::Relaxed);
    }

    /// Returns whether a connection of this age can have stale statements.
    pub(super) fn includes(&self, age: Duration) -> bool {
        let found = self.found.load(Ordering::Relaxed);
        found != 0 && age > self.start.elapsed().saturating_sub(Duration::from_nanos(found))
    }
}

/// Returns whether PostgreSQL refused a prepared statement because its result type has changed ("cached plan must not change
/// result type"). The server's message is translated, so its origin in the server is compared.
pub(super) fn is_stale(error: &sqlx::Error) -> bool {
    server_error(error)
        .is_some_and(|server| server.code() == "0A000" && server.routine() == Some("RevalidateCachedQuery"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connections_older_than_the_last_stale_statement_are_closed() {
        let plans = StalePlans::none();
        assert!(!plans.includes(Duration::from_secs(3600)));
        plans.note();
        assert!(plans.includes(Duration::from_secs(3600)) && !plans.includes(Duration::ZERO));
    }
}
