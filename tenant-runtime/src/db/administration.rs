//! Connections of administrators: a pooler in transaction mode is refused, and so is a server that cannot be written.

use std::time::Duration;

use sqlx::{ConnectOptions as _, Connection as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};

use super::connect::{Purpose, failure, target};
use crate::error::{Error, Result};

/// The time after which a second connection, or an answer on the first one, is no longer waited for.
const PROBE: Duration = Duration::from_secs(2);

/// Opens a connection of an administrator, who needs one session of the server.
pub(crate) async fn open(options: &PgConnectOptions) -> Result<PgConnection> {
    let mut connection = open_unchecked(options).await?;
    if is_pooled(&mut connection, options).await? {
        return Err(Error::Pooled { target: target(options) });
    }
    Ok(connection)
}

/// Opens a connection of an administrator who changes the database.
pub(crate) async fn open_for_writing(options: &PgConnectOptions) -> Result<PgConnection> {
    let mut connection = open(options).await?;
    let sql = "SELECT pg_catalog.pg_is_in_recovery()::text, pg_catalog.current_setting('transaction_read_only')";
    let row = connection.fetch_one(sql).await?;
    let (is_standby, is_read_only): (String, String) = (row.try_get(0)?, row.try_get(1)?);
    match (is_standby.as_str(), is_read_only.as_str()) {
        ("false", "off") => Ok(connection),
        (is_standby, _) => Err(Error::ReadOnlyServer { target: target(options), is_standby: is_standby != "false" }),
    }
}

async fn open_unchecked(options: &PgConnectOptions) -> Result<PgConnection> {
    options.connect().await.map_err(|source| failure(options, Purpose::Administration, source))
}

/// Returns whether a pooler gives the server connection of an idle session to another session, as PgBouncer does in
/// transaction mode.
///
/// A second connection begins a transaction, which occupies a server connection. If that is the one of the first session,
/// or if the first session is then served by another one, sessions share server connections. The queries are not prepared,
/// because prepared statements fail through poolers that do not support them.
async fn is_pooled(first: &mut PgConnection, options: &PgConnectOptions) -> Result<bool> {
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
