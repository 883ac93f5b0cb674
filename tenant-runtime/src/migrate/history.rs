//! The migrations that a database has applied: sqlx's table, so that sqlx and this crate can be used together.

use std::time::Duration;

use sqlx::{
    PgConnection,
    migrate::{MigrateError, Migration},
};

use crate::{
    db::{Lexer, Token, assert_sql_safe},
    error::{Error, MigrationError, Result, server_error},
    ident::{literal, quoted},
};

/// The schema of the table, unless its name contains a schema.
const SCHEMA: &str = "public";

/// A row of sqlx's table.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) checksum: Vec<u8>,
    /// False while a migration runs outside a transaction, and after such a migration was interrupted.
    pub(super) success: bool,
    /// The time at which the migration started, in UTC.
    pub(super) applied_at: String,
    /// The duration of the migration in nanoseconds; negative if unknown.
    pub(super) execution_time: i64,
}

/// The name of sqlx's table. It is never looked up through `search_path`, which can name another table than before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TableName {
    /// The schema, if the name contains it.
    schema: Option<String>,
    table: String,
}

/// sqlx's table in a database.
#[derive(Debug, Clone)]
pub(super) struct Table {
    /// The quoted name with its schema.
    pub(super) sql: String,
    pub(super) exists: bool,
}

impl TableName {
    /// Parses a name as written in SQL, with or without a schema.
    pub(super) fn parse(name: &str) -> Result<Self, String> {
        let mut lexer = Lexer::new(name);
        match [lexer.next(), lexer.next(), lexer.next(), lexer.next()] {
            [Some(Token::Word { text: table, .. }), None, None, None] => Ok(Self { schema: None, table }),
            [Some(Token::Word { text, .. }), Some(Token::Dot), Some(Token::Word { text: table, .. }), None] => {
                Ok(Self { schema: Some(text), table })
            }
            _ => Err(format!("`{name}` is not the name of a table, such as `{SCHEMA}._sqlx_migrations`")),
        }
    }

    /// Returns the quoted name with its schema.
    pub(super) fn sql(&self) -> String {
        format!("{}.{}", quoted(self.schema.as_deref().unwrap_or(SCHEMA)), quoted(&self.table))
    }

    /// Looks the table up in its schema. A table of the same name in another schema is an error, unless this name contains
    /// the schema: it can list the migrations that are applied, and they would be applied again.
    pub(super) async fn find(&self, connection: &mut PgConnection) -> Result<Table> {
        let sql = self.sql();
        let exists = sqlx::query_scalar("SELECT pg_catalog.to_regclass($1) IS NOT NULL").persistent(false).bind(&sql);
        let exists: bool = exists.fetch_one(&mut *connection).await?;
        let table = Table { sql, exists };
        if self.schema.is_none()
            && let Some(other) = self.elsewhere(connection).await?
        {
            return Err(table.conflict(connection, other).await.into());
        }
        Ok(table)
    }

    /// Returns a table with this name and sqlx's columns in another schema.
    async fn elsewhere(&self, connection: &mut PgConnection) -> sqlx::Result<Option<Table>> {
        let sql = "SELECT namespace.nspname::text
             FROM pg_catalog.pg_class AS relation
             JOIN pg_catalog.pg_namespace AS namespace ON namespace.oid = relation.relnamespace
             WHERE relation.relname = $1 AND namespace.nspname <> $2 AND relation.relkind IN ('r', 'p')
                 AND (SELECT count(*) FROM pg_catalog.pg_attribute AS attribute
                      WHERE attribute.attrelid = relation.oid AND NOT attribute.attisdropped
                          AND attribute.attname IN ('version', 'description', 'installed_on', 'success', 'checksum')) = 5
             ORDER BY namespace.nspname LIMIT 1";
        let schema: Option<String> =
            sqlx::query_scalar(sql).persistent(false).bind(&self.table).bind(SCHEMA).fetch_optional(connection).await?;
        Ok(schema.map(|schema| Table { sql: format!("{}.{}", quoted(&schema), quoted(&self.table)), exists: true }))
    }
}

impl Table {
    /// Returns the error about a second table, with the statements that leave one of them.
    async fn conflict(&self, connection: &mut PgConnection, other: Self) -> MigrationError {
        let (table, found) = (&self.sql, &other.sql);
        let here = if self.exists { self.count(connection).await } else { None };
        let there = other.count(connection).await;
        let schema = table.split('.').next().unwrap_or_default();
        let moved = format!("ALTER TABLE {found} SET SCHEMA {schema}");
        let own = match (self.exists, here, there) {
            (false, ..) => format!("move it, if it lists this product's migrations: `{moved}`"),
            (true, _, Some(0)) => format!("drop it, since it lists no migration: `DROP TABLE {found}`"),
            (true, Some(0), _) => {
                format!("if it lists this product's migrations, replace the empty table: `DROP TABLE {table}; {moved}`")
            }
            (true, ..) => "compare the two, and keep the one that lists this product's migrations".to_owned(),
        };
        let shown = |rows: Option<i64>| match rows {
            Some(1) => " (1 migration)".to_owned(),
            Some(rows) => format!(" ({rows} migrations)"),
            None => String::new(),
        };
        MigrationError::HistoryElsewhere {
            table: format!("`{table}`{}", if self.exists { shown(here) } else { " (which does not exist)".to_owned() }),
            found: format!("`{found}`{}", shown(there)),
            help: format!("{own}; if it belongs to another app, name this product's table: `--history {table}`"),
        }
    }

    /// Returns the number of migrations in the table; `None` if the login cannot read it.
    async fn count(&self, connection: &mut PgConnection) -> Option<i64> {
        let sql = assert_sql_safe(format!("SELECT count(*) FROM {}", self.sql));
        sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await.ok()
    }

    /// Reads the applied migrations by version. The result is empty if the table does not exist.
    pub(super) async fn rows(&self, connection: &mut PgConnection) -> Result<Vec<Row>> {
        if !self.exists {
            return Ok(Vec::new());
        }
        let rows = sqlx::query_as(assert_sql_safe(format!(
            "SELECT version, description, checksum, success, execution_time,
                    to_char(installed_on AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS applied_at
             FROM {} ORDER BY version",
            self.sql
        )));
        Ok(rows.fetch_all(connection).await?)
    }

    /// Records a migration as applied, or as started.
    pub(super) async fn record(
        &self,
        connection: &mut PgConnection,
        migration: &Migration,
        success: bool,
    ) -> sqlx::Result<()> {
        sqlx::query(assert_sql_safe(format!(
            "INSERT INTO {} (version, description, success, checksum, execution_time) VALUES ($1, $2, $3, $4, -1)
             ON CONFLICT (version) DO UPDATE SET success = excluded.success",
            self.sql
        )))
        .bind(migration.version)
        .bind(&*migration.description)
        .bind(success)
        .bind(&*migration.checksum)
        .execute(connection)
        .await?;
        Ok(())
    }

    /// Records that a migration has succeeded, and its duration.
    pub(super) async fn finish(
        &self,
        connection: &mut PgConnection,
        version: i64,
        elapsed: Duration,
    ) -> sqlx::Result<()> {
        let sql = format!("UPDATE {} SET success = true, execution_time = $1 WHERE version = $2", self.sql);
        sqlx::query(assert_sql_safe(sql))
            .bind(i64::try_from(elapsed.as_nanos()).unwrap_or(i64::MAX))
            .bind(version)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Deletes the record of a migration.
    pub(super) async fn remove(&self, connection: &mut PgConnection, version: i64) -> sqlx::Result<()> {
        sqlx::query(assert_sql_safe(format!("DELETE FROM {} WHERE version = $1", self.sql)))
            .bind(version)
            .execute(connection)
            .await?;
        Ok(())
    }

    /// Returns a condition that is true if the login has a privilege on the table.
    pub(super) fn privilege(&self, privilege: &str) -> String {
        format!("pg_catalog.has_table_privilege({}, {})", literal(&self.sql), literal(privilege))
    }
}

pub(super) fn code(error: &sqlx::Error) -> Option<&str> {
    server_error(error).map(|server| server.code())
}

pub(super) fn driver(error: MigrateError) -> Error {
    match error {
        MigrateError::Execute(error) => error.into(),
        error => Error::Database(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_names_are_parsed_as_in_sql() {
        let name = |schema: Option<&str>, table: &str| {
            Ok(TableName { schema: schema.map(str::to_owned), table: table.to_owned() })
        };
        assert_eq!(TableName::parse("_sqlx_migrations"), name(None, "_sqlx_migrations"));
        assert_eq!(TableName::parse("App.\"My table\""), name(Some("app"), "My table"));
        for wrong in ["", "a.b.c", "a b", "a;", "a.", "'a'"] {
            assert!(TableName::parse(wrong).is_err(), "{wrong}");
        }
    }
}
