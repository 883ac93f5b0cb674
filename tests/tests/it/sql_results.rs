//! Results of SQL in tests: rows as sets, and the SQLSTATE of an error.

use std::collections::BTreeSet;

use sqlx::{AssertSqlSafe, PgConnection};
use tenant_tests::{refusal, run};

pub(super) type Rows = BTreeSet<String>;

/// Reads rows of one text column.
pub(super) async fn rows(connection: &mut PgConnection, sql: &str) -> Rows {
    let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql)).fetch_all(connection).await.expect(sql);
    rows.into_iter().collect()
}

pub(super) fn wanted<T: Into<String>>(rows: impl IntoIterator<Item = T>) -> Rows {
    rows.into_iter().map(Into::into).collect()
}

/// The SQLSTATE of the error or, without an error, the number of rows.
pub(super) async fn sqlstate_or_rows(connection: &mut PgConnection, sql: &str) -> Result<u64, String> {
    run(connection, sql).await.map_err(|error| refusal(error).0)
}

pub(super) fn denied() -> Result<u64, String> {
    Err("42501".to_owned())
}
