//! Savepoints: a part of a transaction that can be undone by itself, under the same context.

use std::fmt;

use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{begin_sql, tx::TenantTx};
use crate::{
    error::Result,
    tenant::{Role, TenantCtx},
};

/// A part of a transaction that can be undone by itself. Begun by [`TenantTx::savepoint`].
///
/// `&mut savepoint` is what repository methods and sqlx's queries take, as `&mut tx` is. Dropped without
/// [`release`](Self::release), what ran in it is undone, and the transaction goes on as if it had never run, also where
/// a statement failed. The context stays: it was set before the transaction began, so going back does not undo it.
///
/// ```no_run
/// # use tenant_runtime::{*, roles::Member};
/// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
/// let mut savepoint = tx.savepoint().await?;
/// match sqlx::query("INSERT INTO app.projects (…) VALUES (…)").execute(&mut savepoint).await {
///     Ok(_) => savepoint.release().await?,
///     Err(_) => drop(savepoint),
/// }
/// tx.commit().await
/// # }
/// ```
#[must_use = "what runs in a savepoint is undone when it is dropped"]
pub struct Savepoint<'a, R: Role> {
    tx: &'a mut TenantTx<R>,
    depth: u32,
    /// Neither released nor undone yet.
    open: bool,
}

impl<'a, R: Role> Savepoint<'a, R> {
    pub(super) async fn begin(tx: &'a mut TenantTx<R>) -> Result<Self> {
        tx.settle().await?;
        let (depth, batch) = tx.course.marks.deeper();
        tx.trusted().execute(sqlx::raw_sql(batch)).await?;
        tx.course.marks.reached(depth);
        Ok(Self { tx, depth, open: true })
    }

    /// Returns the context, which is the transaction's.
    pub fn ctx(&self) -> &TenantCtx<R> {
        self.tx.ctx()
    }

    /// Begins a savepoint inside this one.
    ///
    /// # Errors
    ///
    /// As [`TenantTx::savepoint`].
    pub fn savepoint(&mut self) -> BoxFuture<'_, Result<Savepoint<'_, R>>> {
        self.tx.savepoint()
    }

    /// Keeps what ran in the savepoint; it lasts when the transaction is committed.
    ///
    /// # Errors
    ///
    /// [`Error::Aborted`](crate::Error::Aborted) when a statement failed, also where its error was not looked at. What
    /// ran in the savepoint is then undone, and the transaction can go on.
    pub async fn release(mut self) -> Result<()> {
        self.tx.settle().await?;
        self.tx.probe().await?;
        // On the server it stays until the next one takes its place. That saves a round trip, and a release that is
        // given up midway leaves no doubt about whether it took place.
        self.open = false;
        self.tx.course.marks.left(self.depth);
        Ok(())
    }

    /// Undoes what ran in the savepoint. Dropping does the same, together with the next statement.
    ///
    /// # Errors
    ///
    /// When the connection is gone; the server then undoes the whole transaction by itself.
    pub async fn rollback(mut self) -> Result<()> {
        self.open = false;
        self.tx.course.marks.undo(self.depth);
        self.tx.settle().await
    }

    /// Returns the transaction, for repository methods.
    pub(crate) fn tx(&mut self) -> &mut TenantTx<R> {
        self.tx
    }
}

impl<R: Role> Drop for Savepoint<'_, R> {
    fn drop(&mut self) {
        if self.open {
            self.tx.course.marks.undo(self.depth);
        }
    }
}

impl<R: Role> fmt::Debug for Savepoint<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Savepoint").field("depth", &self.depth).field("tx", &self.tx).finish()
    }
}

impl<'c, R: Role> Executor<'c> for &'c mut Savepoint<'_, R> {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        self.tx().fetch_many(query)
    }

    fn fetch_optional<'e, 'q, E>(self, query: E) -> BoxFuture<'e, sqlx::Result<Option<PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        self.tx().fetch_optional(query)
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        self.tx().prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        self.tx().describe(sql)
    }
}

/// Which savepoints a transaction has, numbered by their depth from 1 on.
///
/// What is noted here stays below what the server has: a statement that was given up midway may have left a savepoint
/// that is not noted. It does no harm, since a later one of the same name covers it.
#[derive(Debug, Default)]
pub(super) struct SavepointStack {
    /// How many are open, each inside the one before.
    open: u32,
    /// How many the server surely has; more than are open after one was released or undone.
    held: u32,
    /// The one to which the server is still to go back.
    owed: Option<u32>,
}

impl SavepointStack {
    /// Returns the depth of the next savepoint and what begins it. Until it is [reached](Self::reached) it is not noted.
    fn deeper(&mut self) -> (u32, SqlStr) {
        let depth = self.open + 1;
        let batch = begin_sql::savepoint(depth, self.held >= depth);
        self.held = self.open;
        (depth, batch)
    }

    fn reached(&mut self, depth: u32) {
        (self.open, self.held) = (depth, depth);
    }

    fn left(&mut self, depth: u32) {
        self.open = depth - 1;
    }

    fn undo(&mut self, depth: u32) {
        self.open = depth - 1;
        self.owed = Some(depth);
    }

    /// Returns what goes back to the savepoint that was dropped, if one was.
    pub(super) fn owed(&self) -> Option<SqlStr> {
        self.owed.map(begin_sql::rollback_to)
    }

    /// Notes that the server went back.
    pub(super) fn settled(&mut self) {
        self.held = self.owed.take().unwrap_or(self.held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(marks: &mut SavepointStack) -> String {
        let (depth, batch) = marks.deeper();
        marks.reached(depth);
        batch.as_str().to_owned()
    }

    #[test]
    fn new_savepoint_releases_the_previous_one_at_its_depth() {
        let mut marks = SavepointStack::default();
        assert_eq!(begin(&mut marks), "SAVEPOINT sp_1");
        assert_eq!(begin(&mut marks), "SAVEPOINT sp_2");
        marks.left(2);
        assert_eq!(begin(&mut marks), "RELEASE SAVEPOINT sp_2; SAVEPOINT sp_2");
        marks.left(2);
        marks.left(1);
        assert_eq!(begin(&mut marks), "RELEASE SAVEPOINT sp_1; SAVEPOINT sp_1");
        assert_eq!(begin(&mut marks), "SAVEPOINT sp_2");
    }

    #[test]
    fn dropping_nested_savepoints_rolls_back_to_the_outermost() {
        let mut marks = SavepointStack::default();
        begin(&mut marks);
        begin(&mut marks);
        marks.undo(2);
        marks.undo(1);
        assert_eq!(marks.owed().expect("one was dropped").as_str(), "ROLLBACK TO SAVEPOINT sp_1");
        marks.settled();
        assert!(marks.owed().is_none());
        assert_eq!(begin(&mut marks), "RELEASE SAVEPOINT sp_1; SAVEPOINT sp_1");
    }

    #[test]
    fn cancelled_savepoint_begin_is_not_assumed_to_exist() {
        let mut marks = SavepointStack::default();
        begin(&mut marks);
        marks.left(1);
        let _given_up = marks.deeper();
        assert_eq!(begin(&mut marks), "SAVEPOINT sp_1");
    }
}
