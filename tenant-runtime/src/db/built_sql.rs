//! The only place where a built string becomes SQL; callers quote every name and literal.

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

/// Asserts that the values built into SQL text are only quoted names, quoted literals and placeholders.
pub(crate) fn assert_sql_safe(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}
