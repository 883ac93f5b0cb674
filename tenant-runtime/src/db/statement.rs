//! How statements run in a transaction: watched to their end, and after what a dropped savepoint has left to do.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use futures_core::{Stream, future::BoxFuture, stream::BoxStream};
use sqlx::{
    Either, Execute, Executor as _, PgConnection, Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgQueryResult, PgRow, PgStatement},
};
use tracing::{Instrument as _, Span};

use super::{denial_counter::DenialCounter, savepoint::SavepointStack};
use crate::error::{Result, is_collision};

/// What is known of a transaction on the server.
#[derive(Debug)]
pub(super) struct TxState {
    /// A statement began and did not end cleanly, so the server may have aborted the transaction.
    pub(super) suspect: bool,
    /// The server broke a statement off because of another transaction, so it is worth while to begin anew.
    pub(super) collided: Arc<AtomicBool>,
    pub(super) marks: SavepointStack,
    pub(super) denials: DenialCounter,
}

impl TxState {
    pub(super) fn begin(denials: DenialCounter) -> Self {
        Self { suspect: false, collided: Arc::default(), marks: SavepointStack::default(), denials }
    }

    /// Goes back to a savepoint that was dropped, before anything else runs.
    ///
    /// Given up midway it is simply repeated: going back twice is the same as once.
    pub(super) async fn settle(&mut self, connection: &mut PgConnection) -> sqlx::Result<()> {
        if let Some(rollback) = self.marks.owed() {
            connection.execute(rollback).await?;
            self.marks.settled();
            // The server forgives what went wrong after the savepoint.
            self.suspect = false;
            self.collided.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Notes whether an error means a collision, or that something was denied.
    pub(super) fn note<T>(&self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        result.inspect_err(|error| {
            self.denials.note(error);
            if is_collision(error) {
                self.collided.store(true, Ordering::Relaxed);
            }
        })
    }
}

/// The connection, for statements that were admitted or that the repository wrote.
pub(crate) struct VettedExecutor<'a> {
    pub(super) connection: &'a mut PgConnection,
    pub(super) course: &'a mut TxState,
    pub(super) span: &'a Span,
    /// Whether statements stay prepared on the connection.
    pub(super) prepared: bool,
}

impl<'a> VettedExecutor<'a> {
    async fn start(self) -> sqlx::Result<(&'a mut PgConnection, FailureGuard<'a>)> {
        self.course.settle(self.connection).await?;
        Ok((self.connection, FailureGuard::start(self.course)))
    }

    pub(super) fn fetch_many<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> ResultStream<'a> {
        let (span, query) = (self.span.clone(), self.taken(query));
        let start = async move {
            let (connection, watch) = self.start().await?;
            Ok((connection.fetch_many(query), watch))
        };
        ResultStream { stage: Stage::Starting(Box::pin(start)), span }
    }

    /// Yields rows as they come.
    pub(crate) fn fetch<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> RowStream<'a> {
        RowStream(self.fetch_many(query))
    }

    pub(crate) async fn fetch_optional<'q: 'a>(
        self,
        query: impl Execute<'q, Postgres> + 'q,
    ) -> sqlx::Result<Option<PgRow>> {
        let query = self.taken(query);
        self.run(async |connection| connection.fetch_optional(query).await).await
    }

    pub(crate) async fn fetch_all<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> sqlx::Result<Vec<PgRow>> {
        let query = self.taken(query);
        self.run(async |connection| connection.fetch_all(query).await).await
    }

    pub(crate) async fn execute<'q: 'a>(self, query: impl Execute<'q, Postgres> + 'q) -> sqlx::Result<u64> {
        let query = self.taken(query);
        self.run(async |connection| connection.execute(query).await).await.map(|result| result.rows_affected())
    }

    fn taken<'q>(&self, query: impl Execute<'q, Postgres> + 'q) -> OwnedQuery {
        OwnedQuery::new(query).prepared(self.prepared)
    }

    /// Runs what talks to the server once.
    pub(super) async fn run<T>(self, work: impl AsyncFnOnce(&mut PgConnection) -> sqlx::Result<T>) -> sqlx::Result<T> {
        let span = self.span.clone();
        async {
            let (connection, watch) = self.start().await?;
            watch.ended(work(connection).await)
        }
        .instrument(span)
        .await
    }
}

/// SavepointStack the transaction as suspect while a statement runs; one that fails or is dropped midway leaves the mark.
pub(super) struct FailureGuard<'a> {
    course: &'a mut TxState,
    before: bool,
}

impl<'a> FailureGuard<'a> {
    fn start(course: &'a mut TxState) -> Self {
        let before = course.suspect;
        course.suspect = true;
        Self { course, before }
    }

    fn ended<T>(self, result: sqlx::Result<T>) -> sqlx::Result<T> {
        if result.is_ok() {
            self.course.suspect = self.before;
        }
        self.course.note(result)
    }
}

/// The results of a statement, watched to their end.
pub(super) struct ResultStream<'a> {
    stage: Stage<'a>,
    span: Span,
}

type Rows<'a> = BoxStream<'a, sqlx::Result<Either<PgQueryResult, PgRow>>>;

enum Stage<'a> {
    Starting(BoxFuture<'a, sqlx::Result<(Rows<'a>, FailureGuard<'a>)>>),
    Running(Rows<'a>, FailureGuard<'a>),
    Ended,
}

impl ResultStream<'_> {
    /// Makes the results of a statement that does not run.
    pub(super) fn refused(error: sqlx::Error) -> Self {
        Self { stage: Stage::Starting(Box::pin(async { Err(error) })), span: Span::none() }
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
                    Ok((rows, watch)) => this.stage = Stage::Running(rows, watch),
                    Err(error) => {
                        this.stage = Stage::Ended;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
                Stage::Running(rows, _) => {
                    let next = std::task::ready!(rows.as_mut().poll_next(context));
                    // The end and an error both end the statement, and after an error the mark stays.
                    if !matches!(next, Some(Ok(_)))
                        && let Stage::Running(_, watch) = std::mem::replace(&mut this.stage, Stage::Ended)
                    {
                        return Poll::Ready(watch.ended(next.transpose()).transpose());
                    }
                    return Poll::Ready(next);
                }
                Stage::Ended => return Poll::Ready(None),
            }
        }
    }
}

/// The rows of a statement, one by one.
pub(crate) struct RowStream<'a>(ResultStream<'a>);

impl RowStream<'_> {
    /// Waits for the next row; `None` after the last.
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

/// A query taken apart, since its text is needed before it runs and can be had only by consuming it, and since only so it
/// can be told not to stay prepared.
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

    /// Lets it stay prepared where it wants to and may.
    pub(super) fn prepared(self, may: bool) -> Self {
        Self { persistent: self.persistent && may, ..self }
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
