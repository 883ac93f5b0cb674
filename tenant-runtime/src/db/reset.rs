//! Resets a connection after a transaction with SQL of the app.

use sqlx::{Connection as _, PgConnection};

use super::begin_sql;

/// Resets a connection that is kept or returned to the pool, and returns whether the connection is idle. If it is not, it is
/// closed, which ends an open transaction.
///
/// The statement filter refuses statements whose text shows that they would leave state behind. A function can leave
/// state too, and the next transaction might be for another tenant. A prepared statement that an SQL command has left
/// is an error, which closes the connection: sqlx runs cached statements by name, and that name might now belong to a
/// different statement.
///
/// sqlx counts transactions on the client, and the count can be wrong after a future has been dropped midway.
/// sqlx checks the server's state only when it begins a transaction, so this function asks sqlx to begin a
/// transaction with statements that do not begin one: on an idle connection the result is `BeginFailed`, in an
/// open transaction the call succeeds, and in an aborted one the first statement fails. `ROLLBACK` would write a
/// warning to the server log on every release, and `BEGIN; ROLLBACK` would count as a rollback in the
/// statistics.
pub(super) async fn is_clean(connection: &mut PgConnection, pooled: bool, signed: bool) -> sqlx::Result<bool> {
    let cached = (!pooled).then(|| connection.cached_statements_size());
    match connection.begin_with(begin_sql::clear(cached, signed)).await {
        Err(sqlx::Error::BeginFailed) => Ok(true),
        Ok(_open) => Ok(false),
        Err(error) => Err(error),
    }
}
