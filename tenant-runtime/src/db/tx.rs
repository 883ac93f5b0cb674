//! A transaction that carries a tenant context, and the guard on what is run in it.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, PgConnection, Postgres, SqlStr, Transaction,
    error::BoxDynError,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{
    acting::{self, Acting},
    pool::Pools,
    refuse,
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
    /// Whether writes are refused.
    pub read_only: bool,
}

/// An isolation level of PostgreSQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees what was committed before it.
    ReadCommitted,
    /// All statements see what was committed before the first.
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
        format!("{isolation}{}", if self.read_only { " READ ONLY" } else { "" })
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
    /// A statement began and did not end cleanly, so the server may have aborted the transaction.
    suspect: bool,
    /// Statements ran that the repository did not write.
    raw: bool,
}

/// Begins a transaction in a context.
pub(super) async fn begin<R: Role>(pools: &Pools, ctx: TenantCtx<R>, options: TxOptions) -> Result<TenantTx<R>> {
    let tx = acting::begin(pools, &Acting::of(&ctx), options).await?;
    Ok(TenantTx { tx, ctx, suspect: false, raw: false })
}

impl<R: Role> TenantTx<R> {
    /// Returns the context.
    pub fn ctx(&self) -> &TenantCtx<R> {
        &self.ctx
    }

    /// Makes the changes of the transaction last.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`] when a statement failed, also where its error was not looked at: the server then keeps
    /// nothing. The errors of constraints that are checked at the end.
    pub async fn commit(mut self) -> Result<()> {
        if self.suspect {
            // COMMIT in an aborted transaction is answered like any other; only a statement tells.
            sqlx::raw_sql("SELECT").execute(&mut *self.tx).await?;
        }
        if cfg!(debug_assertions) && self.raw {
            acting::read_back(&mut self.tx, &Acting::of(&self.ctx)).await?;
        }
        Ok(self.tx.commit().await?)
    }

    /// Undoes the changes of the transaction.
    ///
    /// # Errors
    ///
    /// When the connection is gone; the server then undoes them by itself.
    pub async fn rollback(self) -> Result<()> {
        Ok(self.tx.rollback().await?)
    }

    /// Returns the connection to the repository, whose statements are its own.
    pub(crate) fn trusted(&mut self) -> Trusted<'_> {
        Trusted { connection: &mut self.tx, suspect: &mut self.suspect }
    }

    /// Notes that a statement of the app's begins, unless it is refused.
    fn admit(&mut self, sql: &str) -> sqlx::Result<Trusted<'_>> {
        if let Some(keyword) = refuse::refused(sql, <R::Tenancy as Tenancy>::DEF) {
            return Err(Error::ForbiddenStatement { keyword }.into_sqlx());
        }
        self.raw = true;
        Ok(self.trusted())
    }
}

impl<R: Role> fmt::Debug for TenantTx<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantTx").field("ctx", &self.ctx).field("suspect", &self.suspect).finish_non_exhaustive()
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
        let query = Admitted::new(query);
        Box::pin(match self.admit(query.sql.as_str()) {
            Ok(trusted) => trusted.fetch_many(query),
            Err(error) => Watched { refused: Some(error), inner: None, watch: None },
        })
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        let query = Admitted::new(query);
        Box::pin(async move { self.admit(query.sql.as_str())?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let trusted = self.admit(sql.as_str())?;
            let watch = Watch::start(trusted.suspect);
            let statement = trusted.connection.prepare_with(sql, parameters).await?;
            watch.end();
            Ok(statement)
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let trusted = self.admit(sql.as_str())?;
            let watch = Watch::start(trusted.suspect);
            let described = trusted.connection.describe(sql).await?;
            watch.end();
            Ok(described)
        })
    }
}

/// The connection, for statements that were admitted or that the repository wrote.
pub(crate) struct Trusted<'a> {
    connection: &'a mut PgConnection,
    suspect: &'a mut bool,
}

impl<'a> Trusted<'a> {
    fn fetch_many<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> Watched<'a> {
        let watch = Watch::start(self.suspect);
        Watched { refused: None, inner: Some(self.connection.fetch_many(query)), watch: Some(watch) }
    }

    pub(crate) async fn fetch_optional<'q: 'a>(
        self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> sqlx::Result<Option<PgRow>> {
        let watch = Watch::start(self.suspect);
        let row = self.connection.fetch_optional(query).await?;
        watch.end();
        Ok(row)
    }

    pub(crate) async fn fetch_all<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> sqlx::Result<Vec<PgRow>> {
        let watch = Watch::start(self.suspect);
        let rows = self.connection.fetch_all(query).await?;
        watch.end();
        Ok(rows)
    }

    pub(crate) async fn execute<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> sqlx::Result<u64> {
        let watch = Watch::start(self.suspect);
        let result = self.connection.execute(query).await?;
        watch.end();
        Ok(result.rows_affected())
    }
}

/// Marks the transaction as suspect while a statement runs; one that fails or is dropped midway leaves the mark.
struct Watch<'a> {
    suspect: &'a mut bool,
    before: bool,
}

impl<'a> Watch<'a> {
    fn start(suspect: &'a mut bool) -> Self {
        let before = *suspect;
        *suspect = true;
        Self { suspect, before }
    }

    fn end(self) {
        *self.suspect = self.before;
    }
}

/// The results of a statement, watched to their end.
struct Watched<'a> {
    refused: Option<sqlx::Error>,
    inner: Option<BoxStream<'a, sqlx::Result<Either<PgQueryResult, PgRow>>>>,
    watch: Option<Watch<'a>>,
}

impl Stream for Watched<'_> {
    type Item = sqlx::Result<Either<PgQueryResult, PgRow>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(error) = self.refused.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let Some(inner) = &mut self.inner else { return Poll::Ready(None) };
        let next = inner.as_mut().poll_next(context);
        match &next {
            Poll::Ready(None) => {
                self.inner = None;
                if let Some(watch) = self.watch.take() {
                    watch.end();
                }
            }
            // An error ends the statement, and the mark stays.
            Poll::Ready(Some(Err(_))) => {
                self.inner = None;
                self.watch = None;
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        next
    }
}

/// A query taken apart, since its text is needed before it runs and can be had only by consuming it.
struct Admitted {
    sql: SqlStr,
    statement: Option<PgStatement>,
    arguments: Option<Result<Option<PgArguments>, BoxDynError>>,
    persistent: bool,
}

impl Admitted {
    fn new<'q>(mut query: impl Execute<'q, Postgres> + 'q) -> Self {
        let arguments = Some(query.take_arguments());
        let statement = query.statement().cloned();
        let persistent = query.persistent();
        Self { sql: query.sql(), statement, arguments, persistent }
    }
}

impl Execute<'_, Postgres> for Admitted {
    fn sql(self) -> SqlStr {
        self.sql
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.as_ref()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.arguments.take().unwrap_or(Ok(None))
    }

    fn persistent(&self) -> bool {
        self.persistent
    }
}
