//! Begins transactions in a session context, and checks the context on the server.

use std::panic::resume_unwind;

use sqlx::{PgConnection, Postgres, SqlStr, Transaction};

use super::{
    begin_sql,
    pool::{Pools, is_broken},
    session_context::SessionContext,
    tx_options::TxOptions,
};
use crate::error::{Error, Result, server_error};

/// Begins a transaction; also returns the batch that began it. If the server has closed the pooled connection, tries another
/// connection.
pub(super) async fn begin(
    pools: &Pools,
    context: &SessionContext,
    options: TxOptions,
) -> Result<(Transaction<'static, Postgres>, SqlStr)> {
    let batch = begin_sql::begin(context, options, pools.options().statement_timeout_of(context.role), pools.pooled());
    let mut attempts = pools.attempts(context.role);
    loop {
        let connection = pools.acquire(context.role).await?;
        // sqlx records a transaction only after the server has answered. If the future were dropped
        // before that, the connection would return to the pool with an open transaction that sqlx does
        // not know about. So the begin runs to completion in a separate task; if the caller has been
        // dropped by then, the task drops the transaction, which rolls it back. Waiting for a connection
        // happens outside the task, so that a dropped caller does not keep its place in the queue.
        let begun = tokio::spawn(Transaction::begin(connection, Some(batch.clone())));
        let error = match begun.await {
            Ok(Ok(mut tx)) => {
                if cfg!(debug_assertions) {
                    check_context(&mut tx, context).await?;
                }
                return Ok((tx, batch));
            }
            Ok(Err(error)) => error,
            Err(join) if join.is_panic() => resume_unwind(join.into_panic()),
            // The runtime is shutting down.
            Err(_) => sqlx::Error::PoolClosed,
        };
        attempts -= 1;
        if !is_broken(&error) || attempts == 0 {
            return Err(role_error(context.role, error));
        }
    }
}

/// Maps the errors for a role that is missing or not granted to [`Error::RoleUnavailable`].
pub(super) fn role_error(role: &'static str, source: sqlx::Error) -> Error {
    match server_error(&source).map(|server| server.code().to_owned()).as_deref() {
        Some("42501" | "22023" | "42704") => Error::RoleUnavailable { role, source },
        _ => source.into(),
    }
}

/// Compares the role and the settings on the server with the expected ones.
pub(super) async fn check_context(connection: &mut PgConnection, context: &SessionContext) -> Result<()> {
    let def = context.tenancy;
    let expected = (
        context.role.to_owned(),
        context.tenant_id.clone(),
        context.user_id.clone(),
        begin_sql::search_path(def),
        "on".to_owned(),
    );
    let sql = "SELECT current_user::text, current_setting($1), current_setting($2), \
               current_setting('search_path'), current_setting('row_security')";
    let found: (String, String, String, String, String) = sqlx::query_as(sql)
        .bind(def.tenant_setting)
        .bind(def.user_setting)
        .persistent(false)
        .fetch_one(connection)
        .await?;
    if found == expected {
        return Ok(());
    }
    Err(Error::ContextLost { reason: format!("expected {expected:?}, the server has {found:?}") })
}

/// Returns an error if a transaction that began as read-only has written.
///
/// PostgreSQL 15 does not check `RESET transaction_read_only` (17 refuses it), so a function can
/// run it, write, and then set the transaction to read-only again.
pub(super) async fn check_not_written(connection: &mut PgConnection) -> Result<()> {
    let sql = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
    let unwritten: bool = sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await?;
    if unwritten {
        return Ok(());
    }
    Err(Error::ContextLost { reason: "a statement wrote in a read-only transaction".to_owned() })
}
