//! The state of a transaction on the server, as far as the client knows: failed statements and savepoints.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sqlx::{Executor as _, PgConnection, SqlStr};

use super::{
    begin_sql,
    denial_counter::DenialCounter,
    stale_plans::{StalePlans, is_stale},
};
use crate::{error::is_retryable, model::def::TenancyDef};

/// The state of a transaction on the server.
#[derive(Debug)]
pub(super) struct TxState {
    /// Whether a statement started and did not end cleanly, so that the server might have aborted the transaction.
    pub(super) suspect: bool,
    /// Whether a statement failed with a serialization failure, a deadlock or a stale plan, so that a retry can succeed.
    pub(super) retryable: Arc<AtomicBool>,
    pub(super) savepoints: SavepointStack,
    pub(super) denials: DenialCounter,
    pub(super) stale_plans: StalePlans,
    /// Whether no statement has succeeded in the transaction.
    unused: bool,
    /// Whether deleted rows may be shown on the server.
    deleted_shown: bool,
}

impl TxState {
    pub(super) fn new(denials: DenialCounter, stale_plans: StalePlans) -> Self {
        let (retryable, savepoints) = (Arc::default(), SavepointStack::default());
        Self { suspect: false, retryable, savepoints, denials, stale_plans, unused: true, deleted_shown: false }
    }

    /// Returns whether no statement has succeeded in the transaction.
    pub(super) fn is_unused(&self) -> bool {
        self.unused
    }

    /// Records that a statement has succeeded.
    pub(super) fn used(&mut self) {
        self.unused = false;
    }

    /// Forgets a failed first statement, which will run again in a new transaction.
    pub(super) fn forget_failure(&mut self) {
        self.suspect = false;
        self.retryable.store(false, Ordering::Relaxed);
    }

    /// Shows deleted rows to the next statement, or hides them if an earlier statement needed them.
    ///
    /// If the future is dropped midway, the next statement sets the setting again. A rollback to a savepoint cannot show them: they
    /// are hidden when a savepoint begins.
    pub(super) async fn show_deleted(
        &mut self,
        connection: &mut PgConnection,
        tenancy: &TenancyDef,
        shown: bool,
    ) -> sqlx::Result<()> {
        if shown || self.deleted_shown {
            self.deleted_shown = true;
            connection.execute(begin_sql::show_deleted(tenancy, shown)).await?;
            self.deleted_shown = shown;
        }
        Ok(())
    }

    /// Runs the pending `ROLLBACK TO SAVEPOINT` of a dropped savepoint, if any, before another statement runs.
    ///
    /// If the future is dropped midway, the next call repeats the rollback: rolling back twice has the same effect as
    /// rolling back once.
    pub(super) async fn flush_pending_rollback(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if let Some(rollback) = self.savepoints.pending_rollback() {
            connection.execute(rollback).await?;
            self.savepoints.rollback_done();
            // The rollback also clears an error that occurred after the savepoint.
            self.forget_failure();
        }
        Ok(())
    }

    /// Records whether an error is retryable, and counts it if it is a denial.
    pub(super) fn note<T>(&self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        result.inspect_err(|error| {
            self.denials.note(error);
            let is_stale = is_stale(error);
            if is_stale {
                self.stale_plans.note();
            }
            if is_stale || is_retryable(error) {
                self.retryable.store(true, Ordering::Relaxed);
            }
        })
    }
}

/// The savepoints of a transaction, numbered by their depth from 1 on.
///
/// The stack never contains more savepoints than the server has. A statement that was cancelled midway can leave a
/// savepoint on the server that is not recorded here; this is harmless, because a later savepoint with the same name
/// shadows it.
#[derive(Debug, Default)]
pub(super) struct SavepointStack {
    /// The number of open savepoints, each inside the previous one.
    open: u32,
    /// The number of savepoints that the server is certain to have. It exceeds the number of open
    /// savepoints after a savepoint was released or rolled back.
    on_server: u32,
    /// The savepoint to which the server still has to roll back.
    pending: Option<u32>,
}

impl SavepointStack {
    /// Returns the depth of the next savepoint and the SQL that begins it. The savepoint counts as open after
    /// [`confirm`](Self::confirm).
    pub(super) fn push(&mut self) -> (u32, SqlStr) {
        let depth = self.open + 1;
        let batch = begin_sql::savepoint(depth, self.on_server >= depth);
        self.on_server = self.open;
        (depth, batch)
    }

    /// Records that the server has begun the savepoint.
    pub(super) fn confirm(&mut self, depth: u32) {
        (self.open, self.on_server) = (depth, depth);
    }

    /// Closes a savepoint and keeps its changes.
    pub(super) fn pop(&mut self, depth: u32) {
        self.open = depth - 1;
    }

    /// Closes a savepoint and schedules the rollback of its changes.
    pub(super) fn roll_back(&mut self, depth: u32) {
        self.open = depth - 1;
        self.pending = Some(depth);
    }

    /// Returns the `ROLLBACK TO SAVEPOINT` that still has to run, if any.
    pub(super) fn pending_rollback(&self) -> Option<SqlStr> {
        self.pending.map(begin_sql::rollback_to)
    }

    /// Records that the server has rolled back.
    pub(super) fn rollback_done(&mut self) {
        self.on_server = self.pending.take().unwrap_or(self.on_server);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(savepoints: &mut SavepointStack) -> String {
        let (depth, batch) = savepoints.push();
        savepoints.confirm(depth);
        batch.as_str().to_owned()
    }

    #[test]
    fn new_savepoint_releases_the_previous_one_at_its_depth() {
        let mut savepoints = SavepointStack::default();
        assert_eq!(begin(&mut savepoints), "SAVEPOINT sp_1");
        assert_eq!(begin(&mut savepoints), "SAVEPOINT sp_2");
        savepoints.pop(2);
        assert_eq!(begin(&mut savepoints), "RELEASE SAVEPOINT sp_2; SAVEPOINT sp_2");
        savepoints.pop(2);
        savepoints.pop(1);
        assert_eq!(begin(&mut savepoints), "RELEASE SAVEPOINT sp_1; SAVEPOINT sp_1");
        assert_eq!(begin(&mut savepoints), "SAVEPOINT sp_2");
    }

    #[test]
    fn dropping_nested_savepoints_rolls_back_to_the_outermost() {
        let mut savepoints = SavepointStack::default();
        begin(&mut savepoints);
        begin(&mut savepoints);
        savepoints.roll_back(2);
        savepoints.roll_back(1);
        assert_eq!(savepoints.pending_rollback().expect("one was dropped").as_str(), "ROLLBACK TO SAVEPOINT sp_1");
        savepoints.rollback_done();
        assert!(savepoints.pending_rollback().is_none());
        assert_eq!(begin(&mut savepoints), "RELEASE SAVEPOINT sp_1; SAVEPOINT sp_1");
    }

    #[test]
    fn cancelled_savepoint_begin_is_not_assumed_to_exist() {
        let mut savepoints = SavepointStack::default();
        begin(&mut savepoints);
        savepoints.pop(1);
        let _cancelled = savepoints.push();
        assert_eq!(begin(&mut savepoints), "SAVEPOINT sp_1");
    }
}
