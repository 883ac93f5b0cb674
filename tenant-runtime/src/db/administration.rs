//! Connections of administrators: a pooler in transaction mode is refused, and so is a server that cannot be written.

use sqlx::{ConnectOptions as _, Executor as _, PgConnection, Row as _, postgres::PgConnectOptions};

use super::{
    connect::{Purpose, failure, target},
    pooler,
};
use crate::error::{Error, Result};

/// Opens a connection of an administrator, who needs one session of the server.
pub(crate) async fn open(options: &PgConnectOptions) -> Result<PgConnection> {
    let mut connection = open_unchecked(options).await?;
    if pooler::shares_connections(&mut connection, options).await? {
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
