//! Transactions as sqlx executors: the app's SQL passes the statement filter.

use std::fmt;

use futures_core::{future::BoxFuture, stream::BoxStream};
use sqlx::{
    Describe, Either, Execute, Executor, Postgres, SqlStr,
    postgres::{PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};

use super::{
    context_tx::ContextTx,
    statement::{OwnedQuery, ResultStream},
};

/// The statements of a transaction. A [`TenantTx`](crate::TenantTx), a [`Savepoint`](crate::Savepoint) and a
/// [`SystemTx`](crate::SystemTx) dereference to it, so that `&mut *tx` is an sqlx executor, as `&mut tx` is:
///
/// ```no_run
/// # use tenant_runtime::{roles::Member, *};
/// # async fn f(mut tx: TenantTx<Member>) -> Result<()> {
/// sqlx::query("UPDATE app.projects SET name = $1").bind("first").execute(&mut *tx).await?;
/// # tx.commit().await }
/// ```
///
/// Repository methods take `&mut tx`.
pub struct TxStatements<C> {
    pub(super) tx: ContextTx,
    /// The context of the transaction. It is here, so that it cannot be separated from the transaction.
    pub(super) ctx: C,
}

impl<C: fmt::Debug> fmt::Debug for TxStatements<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TxStatements").field("ctx", &self.ctx).finish_non_exhaustive()
    }
}

impl<'c, C: fmt::Debug + Send> Executor<'c> for &'c mut TxStatements<C> {
    type Database = Postgres;

    fn fetch_many<'e, 'q, E>(self, query: E) -> BoxStream<'e, sqlx::Result<Either<PgQueryResult, PgRow>>>
    where
        'c: 'e,
        'q: 'e,
        E: Execute<'q, Postgres> + 'q,
    {
        let query = OwnedQuery::new(query);
        Box::pin(match self.tx.admit(query.sql.as_str()) {
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
        Box::pin(async move { self.tx.admit(query.sql.as_str())?.fetch_optional(query).await })
    }

    fn prepare_with<'e>(self, sql: SqlStr, parameters: &'e [PgTypeInfo]) -> BoxFuture<'e, sqlx::Result<PgStatement>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let vetted = self.tx.admit(sql.as_str())?;
            vetted.run(async |connection| connection.prepare_with(sql, parameters).await).await
        })
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, sqlx::Result<Describe<Postgres>>>
    where
        'c: 'e,
    {
        Box::pin(async move {
            let vetted = self.tx.admit(sql.as_str())?;
            vetted.run(async |connection| connection.describe(sql).await).await
        })
    }
}

/// Implements `Executor` for `&mut` of a transaction that dereferences to [`TxStatements`].
macro_rules! executor_through_deref {
    ([$parameter:ident: $bound:path] $tx:ty) => {
        impl<'c, $parameter: $bound> ::sqlx::Executor<'c> for &'c mut $tx {
            type Database = ::sqlx::Postgres;

            fn fetch_many<'e, 'q, E>(
                self,
                query: E,
            ) -> ::futures_core::stream::BoxStream<
                'e,
                ::sqlx::Result<::sqlx::Either<::sqlx::postgres::PgQueryResult, ::sqlx::postgres::PgRow>>,
            >
            where
                'c: 'e,
                'q: 'e,
                E: ::sqlx::Execute<'q, ::sqlx::Postgres> + 'q,
            {
                (&mut **self).fetch_many(query)
            }

            fn fetch_optional<'e, 'q, E>(
                self,
                query: E,
            ) -> ::futures_core::future::BoxFuture<'e, ::sqlx::Result<Option<::sqlx::postgres::PgRow>>>
            where
                'c: 'e,
                'q: 'e,
                E: ::sqlx::Execute<'q, ::sqlx::Postgres> + 'q,
            {
                (&mut **self).fetch_optional(query)
            }

            fn prepare_with<'e>(
                self,
                sql: ::sqlx::SqlStr,
                parameters: &'e [::sqlx::postgres::PgTypeInfo],
            ) -> ::futures_core::future::BoxFuture<'e, ::sqlx::Result<::sqlx::postgres::PgStatement>>
            where
                'c: 'e,
            {
                (&mut **self).prepare_with(sql, parameters)
            }

            fn describe<'e>(
                self,
                sql: ::sqlx::SqlStr,
            ) -> ::futures_core::future::BoxFuture<'e, ::sqlx::Result<::sqlx::Describe<::sqlx::Postgres>>>
            where
                'c: 'e,
            {
                (&mut **self).describe(sql)
            }
        }
    };
}

pub(super) use executor_through_deref;
