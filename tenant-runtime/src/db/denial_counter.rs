//! Denied attempts: logged as `tracing` events and counted by role.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use crate::{
    error::{DENIED, server_error},
    model::sqlstate::CONTEXT_NOT_SIGNED,
};

/// The SQLSTATEs of a denied attempt: a missing privilege or a row that a policy refuses, and a context that is not signed.
const DENIALS: [&str; 2] = ["42501", CONTEXT_NOT_SIGNED];

/// Counts and logs the denied attempts of a role.
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

    /// Counts and logs an error if the database denied permission, or if a statement has changed a signed context. The server's
    /// message names a table, but contains no value.
    pub(super) fn note(&self, error: &sqlx::Error) {
        if let Some(server) = server_error(error).filter(|server| DENIALS.contains(&server.code())) {
            self.count.fetch_add(1, Ordering::Relaxed);
            let (role, reason) = (self.role, server.message());
            tracing::warn!(target: DENIED, role, reason, "permission denied by the database");
        }
    }

    /// Counts and logs a statement that was refused before it ran.
    pub(super) fn note_statement(&self, keyword: &str) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let role = self.role;
        tracing::warn!(
            target: DENIED,
            role,
            keyword,
            "refused a statement that would change the transaction, the role or the settings"
        );
    }
}
