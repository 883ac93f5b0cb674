//! Transactions with a tenant context, in which the app's SQL passes the statement filter.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr, Transaction,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tracing::{Instrument as _, Span, field};

use super::{
    begin,
    options::StatementOptions,
    pool::Pools,
    session_context::SessionContext,
    statement::{OwnedQuery, ResultStream, VettedExecutor},
    statement_filter,
    tx_options::TxOptions,
    tx_state::TxState,
};
use crate::{
    error::{Error, Result},
    tenant::{Role, Tenancy, TenantCtx},
};

/// A transaction in which every statement runs for one tenant and as one role. Returned by
/// [`TenantDb::begin`](crate::TenantDb::begin).
///
/// Repository methods run on `&mut tx`, which is also an sqlx `Executor`:
/// `sqlx::query(…).fetch_all(&mut tx)`. If the transaction is dropped without [`commit`](Self::commit),
/// it is rolled back.
///
/// ```no_run
/// # use tenant_runtime::{roles::Member, *};
/// # async fn f(db: TenantDb, ctx: TenantCtx<Member>) -> Result<()> {
/// let mut tx = db.begin(&ctx).await?;
/// sqlx::query("UPDATE app.projects SET name = $1").bind("first").execute(&mut tx).await?;
/// tx.commit().await
/// # }
/// ```
///
/// A statement whose text shows that it would end the transaction or change the role or the
/// settings is refused with [`Error::ForbiddenStatement`]; so are `LOCK`, and `EXPLAIN` without
/// [`allow_explain`](crate::TenantDbOptions::allow_explain). A function that a statement calls can
/// still change the settings. Therefore, on tables with a tenant column, the SQL of repository
/// methods also names the tenant of the context, and returns no rows instead of another tenant's
/// rows. In builds with debug assertions, a commit after custom SQL compares the context on the
/// server with this one.
///
/// The connection itself is not accessible:
///
/// ```compile_fail
/// # use tenant_runtime::{TenantTx, roles::Member};
/// fn connection(tx: &mut TenantTx<Member>) -> &mut sqlx::PgConnection {
///     &mut **tx
/// }
/// ```
#[must_use = "a transaction is rolled back when it is dropped"]
pub struct TenantTx<R: Role> {
    tx: Transaction<'static, Postgres>,
    ctx: TenantCtx<R>,
    pub(super) state: TxState,
    /// Whether statements have run that the repository did not generate.
    raw: bool,
    read_only: bool,
    span: Span,
    statements: StatementOptions,
}

/// Begins a transaction in a context.
pub(super) async fn begin<R: Role>(pools: &Pools, ctx: TenantCtx<R>, options: TxOptions) -> Result<TenantTx<R>> {
    let context = SessionContext::of(&ctx);
    begin_as(pools, &context, ctx, options).await
}

/// Begins a transaction with the settings of a session context that contains more than the tenant context, such as the
/// system access.
pub(super) async fn begin_as<R: Role>(
    pools: &Pools,
    context: &SessionContext,
    ctx: TenantCtx<R>,
    options: TxOptions,
) -> Result<TenantTx<R>> {
    let span = tracing::info_span!("tenant_tx", role = context.role, tenant = field::Empty, outcome = field::Empty);
    if pools.options().trace_tenants {
        span.record("tenant", &context.tenant_id);
    }
    let (tx, batch) = begin::begin(pools, context, options).instrument(span.clone()).await?;
    let state = TxState::begin(batch, pools.denials(context.role), pools.stale_plans(context.role));
    let (read_only, statements) = (options.read_only, pools.options().statements);
    Ok(TenantTx { tx, ctx, state, raw: false, read_only, span, statements })
}

impl<R: Role> TenantTx<R> {
    /// Returns the context.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(tx: TenantTx<Member>) {
    /// println!("tenant {}, role {}", tx.ctx().tenant_id(), tx.ctx().role());
    /// # }
    /// ```
    pub fn ctx(&self) -> &TenantCtx<R> {
        &self.ctx
    }

    /// Commits the transaction.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// sqlx::query("DELETE FROM app.projects WHERE name = 'old'").execute(&mut tx).await?;
    /// tx.commit().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - [`Error::Aborted`] if a statement failed, even if its error was ignored: the server then
    ///   keeps no change.
    /// - [`Error::Retryable`] after a serialization failure.
    /// - [`Error::UniqueViolation`] or [`Error::ForeignKeyViolation`] for constraints that are checked at the
    ///   end.
    /// - [`Error::LastManager`] if a deletion removed, by ON DELETE CASCADE, the last member who can
    ///   manage members.
    /// - [`Error::ContextLost`] if custom SQL ran, the transaction began read-only, and it has a
    ///   transaction ID, which the server assigns at the first write; with debug assertions, also if
    ///   custom SQL changed the role or the settings.
    /// - [`Error::Database`] if the connection is lost. Whether the commit took effect is then
    ///   unknown.
    pub async fn commit(mut self) -> Result<()> {
        let span = self.span.clone();
        async {
            self.flush_pending_rollback().await?;
            self.fail_if_aborted().await?;
            if self.read_only && self.raw {
                begin::check_not_written(&mut self.tx).await?;
            }
            if cfg!(debug_assertions) && self.raw {
                begin::check_context(&mut self.tx, &SessionContext::of(&self.ctx)).await?;
            }
            self.state.note(self.tx.commit().await)?;
            self.span.record("outcome", "committed");
            Ok(())
        }
        .instrument(span)
        .await
    }

    /// Rolls the transaction back. Dropping it does the same.
    ///
    /// ```no_run
    /// # use tenant_runtime::{roles::Member, *};
    /// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
    /// sqlx::query("DELETE FROM app.projects").execute(&mut tx).await?;
    /// tx.rollback().await
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`Error::Database`] if the connection is lost; the server then rolls back by itself.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().instrument(self.span).await?)
    }

    /// Returns an error if a statement has failed and its error was ignored.
    ///
    /// The server answers COMMIT in an aborted transaction without an error, and RELEASE is never sent, so only a
    /// further statement reveals the state.
    pub(super) async fn fail_if_aborted(&mut self) -> Result<()> {
        if self.state.suspect {
            self.vetted().execute(sqlx::raw_sql("SELECT")).await?;
            self.state.suspect = false;
        }
        Ok(())
    }

    /// Runs the pending `ROLLBACK TO SAVEPOINT` if a savepoint was dropped without `release`.
    pub(super) async fn flush_pending_rollback(&mut self) -> Result<()> {
        Ok(self.state.flush_pending_rollback(&mut self.tx).await?)
    }

    /// Returns the flag that is set after a failure that a retry can avoid. The flag can still be read after the
    /// transaction has ended.
    pub(super) fn retryable(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.state.retryable)
    }

    /// Returns the connection without the statement filter, for statements that the repository
    /// generated.
    pub(crate) fn vetted(&mut self) -> VettedExecutor<'_> {
        VettedExecutor {
            connection: &mut self.tx,
            state: &mut self.state,
            span: &self.span,
            prepared: self.statements.prepared,
        }
    }

    /// Passes a statement from the app through the filter.
    fn admit(&mut self, sql: &str) -> sqlx::Result<VettedExecutor<'_>> {
        if let Some(keyword) = statement_filter::refused(sql, <R::Tenancy as Tenancy>::DEF, self.statements.allowed) {
            self.span.in_scope(|| self.state.denials.note_statement(&keyword));
            return Err(Error::ForbiddenStatement { keyword }.into_sqlx());
        }
        self.raw = true;
        let prepared = self.statements.prepares_custom();
        Ok(VettedExecutor { prepared, ..self.vetted() })
    }
}

impl<R: Role> fmt::Debug for TenantTx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx").field("ctx", &self.ctx).field("suspect", &self.state.suspect).finish_non_exhaustive()
    }
}

impl<'c, R: Role> Executor<'c> for &'c mut TenantTx<R> {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        let query = OwnedQuery::new(query);
        Box::pin(match self.admit(query.sql.as_str()) {
            Ok(vetted) => vetted.fetch_many(query),
            Err(error) => ResultStream::refused(error),
        })
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        let query = OwnedQuery::new(query);
        Box::pin(async move { self.admit(query.sql.as_str())?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let vetted = self.admit(sql.as_str())?;
            vetted.run(async |connection| connection.prepare_with(sql, parameters).await).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let vetted = self.admit(sql.as_str())?;
            vetted.run(async |connection| connection.describe(sql).await).await
        })
    }
}
