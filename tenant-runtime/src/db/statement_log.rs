//! Log events of statements, which show placeholders and never values.

use std::time::{Duration, Instant};

use sqlx::SqlStr;

use crate::error::STATEMENTS;

const SLOW: Duration = Duration::from_secs(1);

/// Measures the time of a statement.
pub(super) struct StatementTimer {
    sql: SqlStr,
    start: Instant,
}

impl StatementTimer {
    pub(super) fn start(sql: &SqlStr) -> Self {
        Self { sql: sql.clone(), start: Instant::now() }
    }

    /// Logs the statement.
    pub(super) fn ended<T>(self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        self.log(result.is_err());
        result
    }

    /// Logs the statement, which may have failed.
    pub(super) fn log(self, failed: bool) {
        let (sql, elapsed) = (self.sql.as_str(), self.start.elapsed());
        if elapsed > SLOW {
            tracing::warn!(target: STATEMENTS, sql, failed, ?elapsed, "slow statement");
        } else {
            tracing::debug!(target: STATEMENTS, sql, failed, ?elapsed, "statement");
        }
    }
}
