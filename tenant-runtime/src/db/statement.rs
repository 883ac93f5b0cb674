//! Statement execution in a transaction: first the pending rollback of a dropped savepoint, then the statement under a
//! failure guard.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll},
};

use futures_core::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Either, Execute, Executor as _, PgConnection, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement},
};
use tracing::{Instrument as _, Span};

use super::{
    context_tx::ContextTx, message::Answer, stale_plans::is_stale, statement_log::StatementTimer, tx_state::TxState,
};
use crate::error::Result;

/// The transaction, for statements that have passed the filter or that the repository generated.
pub(crate) struct VettedExecutor<'a> {
    pub(super) tx: &'a mut ContextTx,
    /// Whether statements stay prepared on the connection.
    pub(super) prepared: bool,
    /// Whether the statement reads deleted rows.
    pub(super) shows_deleted: bool,
}

impl<'a> VettedExecutor<'a> {
    /// Shows deleted rows to the statement, or hides them.
    pub(crate) fn showing_deleted(self, shows_deleted: bool) -> Self {
        Self { shows_deleted, ..self }
    }

    /// Begins the transaction if it has not begun, runs the pending rollback of a savepoint, and shows or hides deleted rows.
    async fn start(self) -> sqlx::Result<(&'a mut PgConnection, FailureGuard<'a>)> {
        self.tx.ensure_begun().await?;
        self.tx.settle_pending(self.shows_deleted).await?;
        let (connection, state) = self.tx.parts()?;
        Ok((connection, FailureGuard::start(state)))
    }

    pub(super) fn fetch_many<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> ResultStream<'a> {
        let (span, query) = (self.tx.span.clone(), self.owned(query));
        let timer = Some(StatementTimer::start(&query.sql));
        let start = async move {
            let (connection, guard) = self.start().await?;
            Ok((connection.fetch_many(query), guard))
        };
        ResultStream { stage: Stage::Starting(Box::pin(start)), span, timer }
    }

    /// Streams the rows as they arrive.
    pub(crate) fn fetch<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> RowStream<'a> {
        RowStream(self.fetch_many(query))
    }

    pub(crate) async fn fetch_optional<'q: 'a>(
        self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> sqlx::Result<Option<PgRow>> {
        let query = self.owned(query);
        self.run_query(query, async |connection, query| connection.fetch_optional(query).await).await
    }

    /// Runs a statement and returns its rows.
    pub(crate) async fn answer<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> sqlx::Result<Answer> {
        let query = self.owned(query);
        let collect = async |connection: &mut PgConnection, query| {
            let (mut results, mut answer) = (connection.fetch_many(query), Answer::default());
            while let Some(next) = poll_fn(|context| results.as_mut().poll_next(context)).await {
                match next? {
                    Either::Left(end) => answer.affected += end.rows_affected(),
                    Either::Right(row) => answer.rows.push(row),
                }
            }
            Ok(answer)
        };
        self.run_query(query, collect).await
    }

    fn owned<'q>(&self, query: impl Execute<'q, Postgres> + 'q) -> OwnedQuery {
        OwnedQuery::new(query).prepared(self.prepared)
    }

    /// Runs a query. If the query is the first of the transaction, and a migration has changed the type of its result since the
    /// connection prepared it, the query runs once more in a transaction on another connection.
    async fn run_query<T>(
        self,
        query: OwnedQuery,
        work: impl AsyncFn(&mut PgConnection, OwnedQuery) -> sqlx::Result<T>,
    ) -> sqlx::Result<T> {
        let timer = StatementTimer::start(&query.sql);
        let again = self.tx.state.is_unused().then(|| query.again()).flatten();
        let Self { tx, prepared, shows_deleted } = self;
        let first = VettedExecutor { tx: &mut *tx, prepared, shows_deleted };
        let result = first.run(async |connection| work(connection, query).await).await;
        timer.ended(match (result, again) {
            (Err(error), Some(again)) if is_stale(&error) => {
                tx.begin_again();
                let second = VettedExecutor { tx, prepared, shows_deleted };
                second.run(async |connection| work(connection, again).await).await
            }
            (result, _) => result,
        })
    }

    /// Runs an operation on the connection under a failure guard.
    pub(super) async fn run<T>(self, work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> sqlx::Result<T> {
        let span = self.tx.span.clone();
        async {
            let (connection, guard) = self.start().await?;
            guard.ended(work(connection).await)
        }
        .instrument(span)
        .await
    }
}

/// Marks the transaction as suspect while a statement runs. The mark remains if the statement fails
/// or is dropped midway.
pub(super) struct FailureGuard<'a> {
    state: &'a mut TxState,
    before: bool,
}

impl<'a> FailureGuard<'a> {
    fn start(state: &'a mut TxState) -> Self {
        let before = state.suspect;
        state.suspect = true;
        Self { state, before }
    }

    fn ended<T>(self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        if result.is_ok() {
            self.state.suspect = self.before;
            self.state.used();
        }
        self.state.note(result)
    }
}

/// The results of a statement, under a failure guard until they end.
pub(super) struct ResultStream<'a> {
    stage: Stage<'a>,
    span: Span,
    timer: Option<StatementTimer>,
}

type Rows<'a> = BoxStream<'a, sqlx::Result<Either<PgQueryResult, PgRow>>>;

enum Stage<'a> {
    Starting(BoxFuture<'a, sqlx::Result<(Rows<'a>, FailureGuard<'a>)>>),
    Running(Rows<'a>, FailureGuard<'a>),
    Ended,
}

impl ResultStream<'_> {
    /// Returns the results of a statement that was refused before it ran.
    pub(super) fn refused(error: sqlx::Error) -> Self {
        Self { stage: Stage::Starting(Box::pin(async { Err(error) })), span: Span::none(), timer: None }
    }
}

impl Stream for ResultStream<'_> {
    type Item = sqlx::Result<Either<PgQueryResult, PgRow>>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let _entered = this.span.enter();
        loop {
            match &mut this.stage {
                Stage::Starting(start) => match std::task::ready!(start.as_mut().poll(context)) {
                    Ok((rows, guard)) => this.stage = Stage::Running(rows, guard),
                    Err(error) => {
                        this.stage = Stage::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Stage::Running(rows, _) => {
                    let next = std::task::ready!(rows.as_mut().poll_next(context));
                    // The statement ends with its last result or with an error; after an error, the mark remains.
                    if !matches!(next, Some(Ok(_)))
                        && let Stage::Running(_, guard) = std::mem::replace(&mut this.stage, Stage::Ended)
                    {
                        if let Some(timer) = this.timer.take() {
                            timer.log(next.is_some());
                        }
                        return Poll::Ready(guard.ended(next.transpose()).transpose());
                    }
                    return Poll::Ready(next);
                }
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// The rows of a statement, read one by one.
pub(crate) struct RowStream<'a>(ResultStream<'a>);

impl RowStream<'_> {
    /// Waits for the next row; `None` after the last one.
    pub(crate) async fn next(&mut self) -> sqlx::Result<Option<PgRow>> {
        loop {
            let next = poll_fn(|context| Pin::new(&mut self.0).poll_next(context)).await;
            match next.transpose()? {
                Some(Either::Right(row)) => return Ok(Some(row)),
                Some(Either::Left(_)) => {}
                None => return Ok(None),
            }
        }
    }
}

/// A query split into its parts. The statement filter needs the text before the query runs, but sqlx returns the text
/// only when the query is consumed; and the statement cache can be switched off.
pub(super) struct OwnedQuery {
    pub(super) sql: SqlStr,
    statement: Option<PgStatement>,
    arguments: Option<Result<Option<PgArguments>, BoxDynError>>,
    persistent: bool,
}

impl OwnedQuery {
    pub(super) fn new<'q>(mut query: impl Execute<'q, Postgres> + 'q) -> Self {
        let arguments = Some(query.take_arguments());
        let statement = query.statement().cloned();
        let persistent = query.persistent();
        Self { sql: query.sql(), statement, arguments, persistent }
    }

    /// Returns the query for a second run; `None` if its arguments could not be encoded.
    fn again(&self) -> Option<Self> {
        let arguments = match &self.arguments {
            Some(Ok(arguments)) => Some(Ok(arguments.clone())),
            None => None,
            Some(Err(_)) => return None,
        };
        Some(Self { sql: self.sql.clone(), statement: None, arguments, persistent: self.persistent })
    }

    /// Switches the statement cache off for this query unless `enabled`.
    pub(super) fn prepared(self, enabled: bool) -> Self {
        Self { persistent: self.persistent && enabled, ..self }
    }
}

impl Execute<'_, Postgres> for OwnedQuery {
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
