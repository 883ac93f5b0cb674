//! Denied attempts: told to the operator as events, and counted by role.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::error::{DENIED, server_error};

/// Counts what a role was denied, and tells of each.
#[derive(Debug, Clone)]
pub(super) struct DenialCounter {
    role: &'static str,
    count: Arc<AtomicU64>,
}

impl DenialCounter {
    pub(super) fn of(role: &'static str) -> Self {
        Self { role, count: Arc::default() }
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Looks whether an error means that the database denied something. What the server says names a table and no value.
    pub(super) fn note(&self, error: &sqlx::Error) {
        if let Some(server) = server_error(error).filter(|server| server.code() == "42501") {
            self.count.fetch_add(1, Ordering::Relaxed);
            let (role, reason) = (self.role, server.message());
            tracing::warn!(target: DENIED, role, reason, "the database refused what a role may not do");
        }
    }

    /// Notes a statement that was refused before it ran, since it would have changed who acts.
    pub(super) fn note_statement(&self, keyword: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(target: DENIED, role = self.role, keyword, "refused a statement that would change who acts");
    }
}
