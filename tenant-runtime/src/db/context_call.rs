//! Statements in a transaction with a session context, and its commit.

use std::sync::Arc;

use sqlx::{Executor as _, PgConnection};
use tracing::{Instrument as _, field};

use super::{
    begin_sql::{self, COMMIT, FAILED_CAST, Unit},
    call::{Call, cannot_be_read},
    context_tx::{ContextTx, Stage, context_error, has_code, outcome_unknown},
    message::{Answer, FailedAt, Loss, loss},
    pool::Pools,
    session_context::SessionContext,
    statement::VettedExecutor,
    statement_filter,
    tx_options::TxOptions,
};
use crate::error::{Error, Result};

impl ContextTx {
    /// Runs a single statement of the repository, and reads its result.
    pub(super) async fn single<T>(
        pools: &Arc<Pools>,
        context: SessionContext,
        call: &Call,
        read: impl Fn(&Answer) -> Result<T>,
    ) -> Result<T> {
        let span = tracing::info_span!("tenant_tx", role = context.role, tenant = field::Empty, outcome = field::Empty);
        let is_text = call.text(pools.options().inline_values).is_some();
        let for_write = is_text && call.writes();
        let mut tx = Self::open(pools, context, TxOptions::default(), for_write, span).await?;
        if is_text || call.writes() {
            tx.call_and_commit(call, read).await
        } else {
            // A read has nothing to commit, and dropping the transaction rolls it back off the request path.
            tx.call(call, read).await
        }
    }

    /// Returns the executor for statements of this crate.
    pub(super) fn vetted(&mut self) -> VettedExecutor<'_> {
        let prepared = self.pools.options().statements.prepared;
        VettedExecutor { tx: self, prepared, shows_deleted: false }
    }

    /// Passes a statement of the app through the filter.
    pub(super) fn admit(&mut self, sql: &str) -> sqlx::Result<VettedExecutor<'_>> {
        let statements = self.pools.options().statements;
        if let Some(keyword) = statement_filter::refused(sql, self.context.tenancy, statements.allowed) {
            self.span.in_scope(|| self.state.denials.note_statement(&keyword));
            return Err(Error::ForbiddenStatement { keyword }.into_sqlx());
        }
        self.custom = true;
        Ok(VettedExecutor { tx: self, prepared: statements.prepares_custom(), shows_deleted: false })
    }

    /// Runs a statement of the repository. If it is the first one and its values may be part of the text, the transaction begins
    /// in the same message.
    pub(super) async fn call<T>(&mut self, call: &Call, read: impl Fn(&Answer) -> Result<T>) -> Result<T> {
        if self.stage == Stage::NotBegun
            && let Some(text) = call.text(self.pools.options().inline_values)
        {
            let answer = self.first(Unit::Begin(self.options, Some(text)), call).await?;
            let result = read(&answer);
            if call.writes() || !(cannot_be_read(&result) && answer.is_text()) {
                return result;
            }
        }
        read(&self.bound(call).await?)
    }

    /// Runs the last statement of the repository and commits, in one message if its values may be part of the text.
    pub(super) async fn call_and_commit<T>(mut self, call: &Call, read: impl Fn(&Answer) -> Result<T>) -> Result<T> {
        let text = call.text(self.pools.options().inline_values).filter(|_| !self.custom && !self.state.suspect);
        let Some(text) = text else {
            let read = read(&self.bound(call).await?)?;
            return self.commit(false).await.map(|()| read);
        };
        let answer = match self.stage {
            Stage::Begun => {
                self.settle_pending(false).await?;
                self.last(text, call).await?
            }
            _ if self.options == TxOptions::default() => self.first(Unit::Call(text), call).await?,
            _ => self.first(Unit::BeginAndCommit(self.options, text), call).await?,
        };
        let result = read(&answer);
        if !call.writes() && cannot_be_read(&result) && answer.is_text() {
            // The transaction has ended; what it wrote is committed.
            return read(&self.bound(call).await?);
        }
        self.span.record("outcome", "committed");
        self.keep();
        result.map_err(|error| call.unreadable(error))
    }

    /// Runs a statement of the repository with bound values.
    async fn bound(&mut self, call: &Call) -> Result<Answer> {
        let query = call.query()?;
        self.vetted().showing_deleted(call.shows_deleted()).answer(query).await.map_err(|error| call.error(error))
    }

    /// Commits. `check` compares the context on the server first.
    pub(super) async fn commit(mut self, check: bool) -> Result<()> {
        let span = self.span.clone();
        async {
            if self.stage == Stage::Begun {
                self.flush_pending_rollback().await?;
                self.fail_if_aborted().await?;
                if self.options.read_only && self.custom {
                    check_not_written(self.connection()?).await?;
                }
                if check || cfg!(debug_assertions) && self.custom {
                    self.check_context().await?;
                }
                self.stage = Stage::Ending;
                let result = self.connection()?.execute(COMMIT).await.map(|_| ());
                let unknown = result.as_ref().is_err_and(|error| loss(error) == Loss::Unknown);
                let result = self.state.note(result);
                result.map_err(|error| if unknown { outcome_unknown(error) } else { error.into() })?;
                self.stage = Stage::Ended;
                self.keep();
            }
            self.span.record("outcome", "committed");
            Ok(())
        }
        .instrument(span)
        .await
    }

    /// Returns an error if a statement has failed and its error was ignored.
    ///
    /// The server answers COMMIT in an aborted transaction without an error, and RELEASE is never sent, so only a
    /// further statement reveals the state.
    pub(super) async fn fail_if_aborted(&mut self) -> Result<()> {
        if self.state.suspect && self.stage == Stage::Begun {
            self.vetted().answer(sqlx::raw_sql("SELECT")).await?;
            self.state.suspect = false;
        }
        Ok(())
    }

    /// Runs the pending `ROLLBACK TO SAVEPOINT` if a savepoint was dropped without `release`.
    pub(super) async fn flush_pending_rollback(&mut self) -> Result<()> {
        let (connection, state) = self.parts()?;
        Ok(state.flush_pending_rollback(connection).await?)
    }

    /// Prepares the transaction for a statement: runs the pending rollback of a savepoint, and shows or hides deleted rows.
    pub(super) async fn settle_pending(&mut self, shows_deleted: bool) -> sqlx::Result<()> {
        let tenancy = self.context.tenancy;
        let (connection, state) = self.parts()?;
        state.flush_pending_rollback(connection).await?;
        state.show_deleted(connection, tenancy, shows_deleted).await
    }

    async fn check_context(&mut self) -> Result<()> {
        let sql = begin_sql::context_check(&self.context);
        let result = self.connection()?.execute(sql).await;
        result.map(|_| ()).map_err(|error| match has_code(&error, FAILED_CAST) {
            true => context_error(self.context.role, FailedAt::ContextCheck, error).into(),
            false => error.into(),
        })
    }
}

/// Returns an error if a transaction that began as read-only has written.
///
/// PostgreSQL 15 does not check `RESET transaction_read_only` (17 refuses it), so a function can
/// run it, write, and then set the transaction to read-only again.
async fn check_not_written(connection: &mut PgConnection) -> Result<()> {
    let sql = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
    let unwritten: bool = sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await?;
    if unwritten {
        return Ok(());
    }
    Err(Error::ContextLost { reason: "a statement wrote in a read-only transaction".to_owned() })
}
