//! What a migration that stopped has left for a later file: indexes that are not valid and constraints that are not validated.

use sqlx::{PgConnection, Row as _};

use super::migrations::Migrations;
use crate::error::{Error, MigrationError, Result};

/// The invalid indexes and the unvalidated constraints outside the server's own schemas. An index is named by its schema.
const SQL: &str = "
    SELECT 'index'::text, format('%I.%I', n.nspname, c.relname), c.relname::text
    FROM pg_catalog.pg_index AS i
    JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT i.indisvalid AND n.nspname NOT LIKE 'pg\\_%'
    UNION ALL
    SELECT 'constraint', format('%I on %I.%I', k.conname, n.nspname, c.relname), k.conname
    FROM pg_catalog.pg_constraint AS k
    JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE NOT k.convalidated AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY 1, 2";

impl Migrations {
    /// Adds to the error of a failed file what earlier files have left unfinished, each with its file and its effect.
    pub(super) async fn with_leftovers<T>(&self, connection: &mut PgConnection, result: Result<T>) -> Result<T> {
        let Err(Error::Migration(MigrationError::Failed { file, line, code, mut message })) = result else {
            return result;
        };
        // The failed transaction is over; without a connection, the message stays as it is.
        let _ = sqlx::raw_sql("ROLLBACK").execute(&mut *connection).await;
        let rows = sqlx::query(SQL).persistent(false).fetch_all(&mut *connection).await.unwrap_or_default();
        for row in rows {
            let [kind, shown, name] = [0, 1, 2].map(|at| row.try_get::<String, _>(at).unwrap_or_default());
            let Some(by) = self.file_naming(&name, &file) else { continue };
            let effect = match kind.as_str() {
                "index" => "it is not valid, so no query uses it; the next run builds it again",
                _ => "it applies to new and changed rows, and existing rows have not been checked",
            };
            message.push_str(&format!("\n  left by `{by}`: {kind} {shown}; {effect}"));
        }
        Err(MigrationError::Failed { file, line, code, message }.into())
    }

    /// Returns the newest file that contains a name; the failed file only if no other one does.
    fn file_naming(&self, name: &str, failed: &str) -> Option<&str> {
        let named = || self.ups.values().rev().filter(|file| file.migration.sql.as_str().contains(name));
        let file = named().find(|file| file.name != failed).or_else(|| named().next());
        file.map(|file| file.name.as_str())
    }
}
