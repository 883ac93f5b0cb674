//! Detects a pooler in transaction mode by the server connections of two sessions.

use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};

use crate::error::Result;

/// The maximum wait for a second connection, and for an answer on the first one.
const PROBE: Duration = Duration::from_secs(2);

/// Returns whether a pooler gives the server connection of an idle session to another session, as PgBouncer does in
/// transaction mode.
///
/// A second connection begins a transaction, which occupies a server connection. If that is the one of the first session,
/// or if the first session is then served by another one, sessions share server connections. The queries are not prepared,
/// because prepared statements fail through poolers that do not support them.
pub(super) async fn shares_connections(first: &mut PgConnection, options: &PgConnectOptions) -> Result<bool> {
    let own = backend(first).await?;
    // The second connection can fail for other reasons, such as a connection limit.
    let Ok(Ok(mut second)) = tokio::time::timeout(PROBE, options.connect()).await else { return Ok(false) };
    let held = async {
        second.execute("BEGIN").await?;
        backend(&mut second).await
    };
    let is_shared = match tokio::time::timeout(PROBE, held).await {
        Ok(Ok(held)) if held == own => true,
        Ok(Ok(_)) => match tokio::time::timeout(PROBE, backend(first)).await {
            Ok(now) => now? != own,
            // A direct connection answers at once: this one waits in a pooler for the occupied server connection.
            Err(_) => true,
        },
        _ => false,
    };
    let _ = second.close().await;
    Ok(is_shared)
}

/// Returns the process ID of the server process that runs the query.
async fn backend(connection: &mut PgConnection) -> sqlx::Result<String> {
    connection.fetch_one("SELECT pg_catalog.pg_backend_pid()::text").await?.try_get(0)
}
