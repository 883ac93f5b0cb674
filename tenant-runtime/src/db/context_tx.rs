//! A transaction in a session context. It begins on the server together with its first statement.

use std::sync::Arc;

use sqlx::{Executor as _, PgConnection};
use tokio::runtime::Handle;
use tracing::{Instrument as _, Span};

use super::{
    begin_sql::{self, FAILED_CAST, Unit},
    call::Call,
    lease::Lease,
    message::{Answer, FailedAt, Loss, MessageError, loss},
    pool::Pools,
    session_context::SessionContext,
    statement_log::StatementTimer,
    tx_options::TxOptions,
    tx_state::TxState,
};
use crate::error::{Error, Result, server_error};

/// A transaction in a session context.
///
/// Nothing is sent until the first statement, whose message also resets the connection, sets the context and begins the
/// transaction. If the connection turns out to be lost then, another one is used: nothing has been committed.
///
/// If it is dropped, it is rolled back off the path of the request.
pub(super) struct ContextTx {
    pub(super) pools: Arc<Pools>,
    pub(super) context: SessionContext,
    pub(super) options: TxOptions,
    /// `None` once the transaction has ended.
    pub(super) lease: Option<Lease>,
    pub(super) stage: Stage,
    pub(super) state: TxState,
    /// Whether SQL of the app ran, which can have left anything behind on the connection.
    pub(super) custom: bool,
    pub(super) span: Span,
}

/// How far the transaction has got on the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    NotBegun,
    /// A message that begins the transaction was sent, and its answer is unknown.
    Beginning,
    /// A message with a single statement was sent, which leaves no transaction open, and its answer is unknown.
    Calling,
    Begun,
    /// The message that ends the transaction was sent, and its answer is unknown.
    Ending,
    Ended,
}

impl ContextTx {
    /// Acquires a connection for a transaction; `for_write` if its first message commits a write.
    pub(super) async fn open(
        pools: &Arc<Pools>,
        context: SessionContext,
        options: TxOptions,
        for_write: bool,
        span: Span,
    ) -> Result<Self> {
        if pools.options().trace_tenants {
            span.record("tenant", &context.tenant_id);
        }
        let lease = pools.acquire(context.role, for_write).instrument(span.clone()).await?;
        let state = lease.tx_state();
        let (pools, lease) = (Arc::clone(pools), Some(lease));
        Ok(Self { pools, context, options, lease, stage: Stage::NotBegun, state, custom: false, span })
    }

    /// Begins the transaction if it has not begun.
    pub(super) async fn ensure_begun(&mut self) -> sqlx::Result<()> {
        if self.stage != Stage::Begun {
            self.begin(Unit::Begin(self.options, None), false).await?;
        }
        Ok(())
    }

    /// Begins the transaction on another connection: the statements that this one has prepared are stale.
    pub(super) fn begin_again(&mut self) {
        self.stage = Stage::Beginning;
        self.state.forget_failure();
    }

    /// Runs the first statement in the message that begins the transaction.
    pub(super) async fn first(&mut self, unit: Unit<'_>, call: &Call) -> Result<Answer> {
        self.state.suspect = true;
        let timer = StatementTimer::start(call.sql());
        let span = self.span.clone();
        let result = self.begin(unit, call.writes()).instrument(span).await;
        if result.is_ok() {
            self.state.suspect = false;
            self.state.used();
        }
        self.state.note(timer.ended(result)).map_err(|error| call.error(error))
    }

    /// Runs the last statement in the message that commits the transaction.
    pub(super) async fn last(&mut self, text: &str, call: &Call) -> Result<Answer> {
        self.stage = Stage::Ending;
        let timer = StatementTimer::start(call.sql());
        let span = self.span.clone();
        let result = begin_sql::and_commit(text).send(self.connection()?).instrument(span).await;
        let result = timer.ended(result.map_err(|failed| failed.error));
        let loss = result.as_ref().err().map(loss);
        if loss == Some(Loss::None) {
            // The server is in the failed transaction.
            self.stage = Stage::Begun;
            self.state.suspect = true;
        }
        let unknown = loss == Some(Loss::Unknown);
        self.state.note(result).map_err(|error| if unknown { outcome_unknown(error) } else { call.error(error) })
    }

    async fn begin(&mut self, unit: Unit<'_>, writes: bool) -> sqlx::Result<Answer> {
        let role = self.context.role;
        let (has_block, commits) = match unit {
            Unit::Call(_) => (self.pools.pooled(), true),
            Unit::Begin(..) => (true, false),
            Unit::BeginAndCommit(..) => (true, true),
        };
        let mut attempts = self.pools.attempts(role);
        loop {
            if matches!(self.stage, Stage::Beginning | Stage::Calling) {
                let lease = self.lease.take().ok_or(sqlx::Error::PoolClosed)?;
                let replaced = self.pools.replaced(role, lease, commits && writes);
                self.lease = Some(replaced.await.map_err(Error::into_sqlx)?);
            }
            self.stage = if has_block { Stage::Beginning } else { Stage::Calling };
            let MessageError { at, error } = match self.send(unit).await {
                Ok(answer) => {
                    self.stage = if commits { Stage::Ended } else { Stage::Begun };
                    return Ok(answer);
                }
                Err(failed) => failed,
            };
            attempts -= 1;
            let loss = loss(&error);
            if loss != Loss::None
                && let Some(lease) = &self.lease
            {
                lease.lost();
            }
            let foreign = at == FailedAt::StatementCheck && has_code(&error, FAILED_CAST);
            match loss {
                Loss::Unknown if commits && writes => return Err(outcome_unknown(error).into_sqlx()),
                Loss::Undone | Loss::Unknown if attempts > 0 => {}
                Loss::None if foreign && attempts > 0 => {}
                Loss::None if at == FailedAt::Statement => {
                    if self.stage == Stage::Beginning {
                        self.stage = Stage::Begun;
                    } else {
                        self.stage = Stage::Ended;
                        self.keep();
                    }
                    return Err(error);
                }
                _ => return Err(context_error(role, at, error)),
            }
        }
    }

    pub(super) fn connection(&mut self) -> sqlx::Result<&mut PgConnection> {
        self.parts().map(|(connection, _)| connection)
    }

    /// Returns the connection and the state of the transaction.
    pub(super) fn parts(&mut self) -> sqlx::Result<(&mut PgConnection, &mut TxState)> {
        let connection = self.lease.as_deref_mut().ok_or(sqlx::Error::PoolClosed)?;
        Ok((connection, &mut self.state))
    }

    /// Rolls the transaction back.
    pub(super) async fn rollback(mut self) -> Result<()> {
        let span = self.span.clone();
        async {
            if self.stage == Stage::Begun {
                self.stage = Stage::Ending;
                self.connection()?.execute(ROLLBACK).await?;
                self.stage = Stage::Ended;
                self.keep();
            }
            Ok(())
        }
        .instrument(span)
        .await
    }

    /// Keeps the connection of a transaction that has ended; after SQL of the app, once it is reset and checked.
    pub(super) fn keep(&mut self) {
        match (self.lease.take(), Handle::try_current()) {
            (Some(lease), _) if !self.custom => lease.keep(),
            (Some(lease), Ok(runtime)) => drop(runtime.spawn(lease.reset_and_keep())),
            _ => {}
        }
    }
}

impl Drop for ContextTx {
    fn drop(&mut self) {
        match self.stage {
            Stage::NotBegun => self.keep(),
            Stage::Begun | Stage::Beginning | Stage::Calling => {
                let command = if self.stage == Stage::Calling { NOTHING } else { ROLLBACK };
                if let (Some(lease), Ok(runtime)) = (self.lease.take(), Handle::try_current()) {
                    runtime.spawn(settle(lease, command, !self.custom));
                }
            }
            // sqlx's pool waits for the answer, and closes the connection if the transaction is still open.
            Stage::Ending | Stage::Ended => {}
        }
    }
}

const ROLLBACK: &str = "ROLLBACK";

/// A command that only waits for the answers of the commands before it.
const NOTHING: &str = "SELECT";

/// Ends a dropped transaction or call. Keeps the connection only if `keep` is set and all responses of the server have been received.
async fn settle(mut lease: Lease, command: &'static str, keep: bool) {
    // The first answer can be the error of a statement that was dropped; sqlx then does not send the command.
    for _ in 0..2 {
        match lease.execute(command).await {
            Ok(_) if keep => return lease.keep(),
            Ok(_) => return,
            Err(error) if loss(&error) == Loss::None => {}
            Err(_) => return lease.lost(),
        }
    }
}

/// Maps the error of a command that sets the context.
pub(super) fn context_error(role: &'static str, at: FailedAt, source: sqlx::Error) -> sqlx::Error {
    let Some(server) = server_error(&source) else { return source };
    match (at, server.code()) {
        (FailedAt::Signature, _) => Error::ContextNotSigned { source }.into_sqlx(),
        (FailedAt::Context, "42501" | "22023" | "42704") => Error::RoleUnavailable { role, source }.into_sqlx(),
        (FailedAt::ContextCheck, FAILED_CAST) => Error::ContextLost { reason: server.message().to_owned() }.into_sqlx(),
        _ => source,
    }
}

/// Returns the error for a commit whose connection was lost before the answer.
pub(super) fn outcome_unknown(source: sqlx::Error) -> Error {
    Error::OutcomeUnknown { source }
}

pub(super) fn has_code(error: &sqlx::Error, code: &str) -> bool {
    server_error(error).is_some_and(|server| server.code() == code)
}
