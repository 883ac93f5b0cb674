//! The isolation level and access mode of a transaction.

/// The isolation level and access mode of a transaction; see
/// [`TenantDb::begin_with`](crate::TenantDb::begin_with).
///
/// By default, the database's defaults apply, which are usually `READ COMMITTED` and `READ WRITE`.
///
/// ```no_run
/// # use tenant_runtime::{roles::Viewer, *};
/// # async fn f(db: TenantDb, ctx: TenantCtx<Viewer>) -> Result<()> {
/// let report = TxOptions { isolation: Some(Isolation::RepeatableRead), read_only: true, ..TxOptions::default() };
/// let mut tx = db.begin_with(&ctx, report).await?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TxOptions {
    /// The isolation level. Default: the database's `default_transaction_isolation`.
    pub isolation: Option<Isolation>,
    /// Whether the transaction is `READ ONLY`. If custom SQL calls a function that makes the transaction writable and
    /// writes, the commit fails.
    pub read_only: bool,
    /// Whether the transaction is `DEFERRABLE`. A transaction that is also serializable and read-only then
    /// waits, in its first statement, for a snapshot with which it cannot fail and cannot cause another transaction to
    /// fail.
    pub deferrable: bool,
}

/// A transaction isolation level of PostgreSQL.
///
/// ```
/// # use tenant_runtime::{Isolation, TxOptions};
/// let options = TxOptions { isolation: Some(Isolation::Serializable), ..TxOptions::default() };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// Each statement sees the rows that were committed before it.
    ReadCommitted,
    /// All statements see the rows that were committed before the first statement.
    RepeatableRead,
    /// The result is as if transactions ran one after the other. A transaction for which this is impossible fails with
    /// [`Error::Retryable`](crate::Error::Retryable).
    Serializable,
}

impl Isolation {
    fn sql(self) -> &'static str {
        match self {
            Self::ReadCommitted => " ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => " ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => " ISOLATION LEVEL SERIALIZABLE",
        }
    }
}

impl TxOptions {
    /// Returns the transaction modes that follow `BEGIN`.
    pub(super) fn sql(self) -> String {
        let isolation = self.isolation.map(Isolation::sql).unwrap_or_default();
        format!("{isolation}{}", self.access_sql())
    }

    /// Returns the command that sets the isolation level before `BEGIN`, if it is not the default.
    pub(super) fn isolation_sql(self) -> Option<String> {
        self.isolation.map(|isolation| format!("SET TRANSACTION{}", isolation.sql()))
    }

    /// Returns the transaction modes without the isolation level.
    pub(super) fn access_sql(self) -> String {
        let read_only = if self.read_only { " READ ONLY" } else { "" };
        let deferrable = if self.deferrable { " DEFERRABLE" } else { "" };
        format!("{read_only}{deferrable}")
    }
}
