//! A transaction that carries a tenant context, and the guard on what is run in it.

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
    pool::Pools,
    savepoint::Savepoint,
    session_context::{self, SessionContext},
    statement::{OwnedQuery, ResultStream, TxState, VettedExecutor},
    statement_filter,
};
use crate::{
    error::{Error, Result},
    tenant::{Role, Tenancy, TenantCtx},
};

/// How a transaction runs, where it is not as the database's default says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TxOptions {
    /// The isolation level.
    pub isolation: Option<Isolation>,
    /// Whether writes are refused. A transaction that writes all the same, by what a function runs, cannot be committed.
    pub read_only: bool,
    /// Whether a serializable transaction that only reads waits at its begin, and then can neither fail nor hinder others.
    pub deferrable: bool,
}

/// An isolation level of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first, or, in a read-only transaction and behind a pooler, before the begin.
    RepeatableRead,
    /// As if transactions ran one after the other; one of two that collide fails and is to be repeated.
    Serializable,
}

impl TxOptions {
    /// Returns what follows `BEGIN`.
    pub(super) fn sql(self) -> String {
        let isolation = match self.isolation {
            None => "",
            Some(Isolation::ReadCommitted) => " ISOLATION LEVEL READ COMMITTED",
            Some(Isolation::RepeatableRead) => " ISOLATION LEVEL REPEATABLE READ",
            Some(Isolation::Serializable) => " ISOLATION LEVEL SERIALIZABLE",
        };
        let read_only = if self.read_only { " READ ONLY" } else { "" };
        let deferrable = if self.deferrable { " DEFERRABLE" } else { "" };
        format!("{isolation}{read_only}{deferrable}")
    }
}

/// A transaction in which everything runs for one tenant and as one role. Begun by
/// [`TenantDb::begin`](super::TenantDb::begin).
///
/// `&mut tx` is what repository methods take, and an sqlx `Executor`: `sqlx::query(…).fetch_all(&mut tx)`. Dropped
/// without [`commit`](Self::commit), it is rolled back.
///
/// Statements that would end the transaction or change the role or the settings are refused as far as their text shows
/// it. Where a function does it all the same, a repository method still says the context's tenant in its statement, so
/// it finds nothing rather than another tenant's rows; builds with debug assertions read the context back on commit.
///
/// The connection underneath cannot be had:
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
    pub(super) course: TxState,
    /// Statements ran that the repository did not write.
    raw: bool,
    read_only: bool,
    span: Span,
    prepared: bool,
}

/// Begins a transaction in a context.
pub(super) async fn begin<R: Role>(pools: &Pools, ctx: TenantCtx<R>, options: TxOptions) -> Result<TenantTx<R>> {
    let acting = SessionContext::of(&ctx);
    begin_as(pools, &acting, ctx, options).await
}

/// Begins a transaction in a context, where the settings say more than it does.
pub(super) async fn begin_as<R: Role>(
    pools: &Pools,
    acting: &SessionContext,
    ctx: TenantCtx<R>,
    options: TxOptions,
) -> Result<TenantTx<R>> {
    let span = tracing::info_span!("tenant_tx", role = acting.role, tenant = field::Empty, outcome = field::Empty);
    if pools.options().trace_tenants {
        span.record("tenant", &acting.org);
    }
    let tx = session_context::begin(pools, acting, options).instrument(span.clone()).await?;
    let course = TxState::begin(pools.denials(acting.role));
    Ok(TenantTx { tx, ctx, course, raw: false, read_only: options.read_only, span, prepared: pools.options().prepared })
}

impl<R: Role> TenantTx<R> {
    /// Returns the context.
    pub fn ctx(&self) -> &TenantCtx<R> {
        &self.ctx
    }

    /// Begins a savepoint: a part of the transaction that can be undone by itself.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] when a statement of the transaction failed before.
    pub fn savepoint(&mut self) -> BoxFuture<'_, Result<Savepoint<'_, R>>> {
        Box::pin(Savepoint::begin(self))
    }

    /// Makes the changes of the transaction last.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] when a statement failed, also where its error was not looked at: the server then keeps
    /// nothing. [`Error::Retryable`] and the errors of constraints that are checked at the end. [`Error::ContextLost`] when
    /// the transaction began read-only and has a transaction ID, which the server assigns at the first write.
    pub async fn commit(mut self) -> Result<()> {
        let span = self.span.clone();
        async {
            self.settle().await?;
            self.probe().await?;
            if self.read_only && self.raw {
                session_context::has_not_written(&mut self.tx).await?;
            }
            if cfg!(debug_assertions) && self.raw {
                session_context::read_back(&mut self.tx, &SessionContext::of(&self.ctx)).await?;
            }
            self.course.note(self.tx.commit().await)?;
            self.span.record("outcome", "committed");
            Ok(())
        }
        .instrument(span)
        .await
    }

    /// Undoes the changes of the transaction.
    ///
    /// # Errors
    ///
    /// When the connection is gone; the server then undoes them by itself.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().instrument(self.span).await?)
    }

    /// Fails where a statement failed whose error nobody looked at.
    ///
    /// COMMIT in an aborted transaction is answered like any other, and so is the end of a savepoint; only a statement
    /// tells.
    pub(super) async fn probe(&mut self) -> Result<()> {
        if self.course.suspect {
            self.trusted().execute(sqlx::raw_sql("SELECT")).await?;
            self.course.suspect = false;
        }
        Ok(())
    }

    /// Undoes what ran in a savepoint that was dropped.
    pub(super) async fn settle(&mut self) -> Result<()> {
        Ok(self.course.settle(&mut self.tx).await?)
    }

    /// Returns what says whether the server broke the transaction off because of another one, also after it has ended.
    pub(super) fn collided(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.course.collided)
    }

    /// Returns the connection to the repository, whose statements are its own.
    pub(crate) fn trusted(&mut self) -> VettedExecutor<'_> {
        VettedExecutor { connection: &mut self.tx, course: &mut self.course, span: &self.span, prepared: self.prepared }
    }

    /// Notes that a statement of the app's begins, unless it is refused.
    fn admit(&mut self, sql: &str) -> sqlx::Result<VettedExecutor<'_>> {
        if let Some(keyword) = statement_filter::refused(sql, <R::Tenancy as Tenancy>::DEF) {
            self.span.in_scope(|| self.course.denials.note_statement(&keyword));
            return Err(Error::ForbiddenStatement { keyword }.into_sqlx());
        }
        self.raw = true;
        Ok(self.trusted())
    }
}

impl<R: Role> fmt::Debug for TenantTx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx")
            .field("ctx", &self.ctx)
            .field("suspect", &self.course.suspect)
            .finish_non_exhaustive()
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
            Ok(trusted) => trusted.fetch_many(query),
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
            let trusted = self.admit(sql.as_str())?;
            trusted.run(async |connection| connection.prepare_with(sql, parameters).await).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let trusted = self.admit(sql.as_str())?;
            trusted.run(async |connection| connection.describe(sql).await).await
        })
    }
}
