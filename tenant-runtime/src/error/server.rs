//! Access to the PostgreSQL error inside an sqlx error.

use sqlx::postgres::PgDatabaseError;

pub(super) const SERIALIZATION_FAILURE: &str = "40001";
pub(super) const DEADLOCK: &str = "40P01";

/// Returns the error of the server, if there is one.
pub(crate) fn server_error(error: &sqlx::Error) -> Option<&PgDatabaseError> {
    error.as_database_error()?.try_downcast_ref()
}

/// Returns whether the server rolled a transaction back because of a concurrent transaction.
pub(crate) fn is_retryable(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|server| [SERIALIZATION_FAILURE, DEADLOCK].contains(&server.code()))
}
