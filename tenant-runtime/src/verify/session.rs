//! The transaction in which all probes run and which is then rolled back.

use std::collections::BTreeSet;

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::{VerifyError, outcome::Outcome};
use crate::{
    db::{assert_sql_safe, connection_options, open_for_writing},
    error::server_error,
    ident::{Ident, literal},
    model::{schema::Schema, sqlstate::CONTEXT_NOT_SIGNED},
};

/// A superuser's connection in a transaction that is rolled back.
///
/// If the connection breaks or the process is killed, the server rolls back the transaction.
#[derive(Debug)]
pub(crate) struct Session {
    connection: PgConnection,
    /// The administrator.
    pub(super) user: String,
    /// The server's version text.
    pub(super) server: String,
    /// The number of probes.
    pub(super) probes: usize,
}

impl Session {
    /// Connects as a superuser, begins the transaction and runs the statements in `first`.
    pub(crate) async fn begin(url: &str, schema: &Schema, first: &str) -> Result<Self, VerifyError> {
        let options = connection_options(url)?;
        let connection = open_for_writing(&options).await?;
        let mut session = Self { connection, user: String::new(), server: String::new(), probes: 0 };
        // Ensures that neither this transaction nor other sessions wait long for locks.
        session
            .run(
                "BEGIN; SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '10s'; \
                 SET LOCAL client_min_messages = error",
            )
            .await?;
        let asked = "SELECT current_user::text, version(), rolsuper::text
                         FROM pg_catalog.pg_roles WHERE rolname = current_user";
        let mut asked = session.row(asked).await?.into_iter().flatten();
        session.user = asked.next().unwrap_or_default();
        session.server = asked.next().unwrap_or_default();
        if asked.next().as_deref() != Some("true") {
            let user = session.user.clone();
            session.end().await?;
            return Err(VerifyError::NotSuperuser { user });
        }
        // Types and operators of extensions are resolved through the search_path, in which pg_catalog comes first.
        let extensions: String = schema.extension_schemas().iter().map(|name| format!("{}, ", name.quoted())).collect();
        let first_schemas = literal(&format!("pg_catalog, {extensions}"));
        let search_path = format!("{first_schemas} || current_setting('search_path')");
        session.run(&format!("SELECT pg_catalog.set_config('search_path', {search_path}, true)")).await?;
        if !first.is_empty() {
            session.run(first).await?;
        }
        session.run("SET LOCAL row_security = on").await?;
        session.run("SAVEPOINT probe").await?;
        Ok(session)
    }

    /// Checks deferred foreign keys at the end of each statement, so that a probe notices a violation: the transaction is never
    /// committed.
    pub(super) async fn check_foreign_keys_at_once(&mut self, schemas: &[Ident]) -> Result<(), VerifyError> {
        let schemas = schemas.iter().map(|schema| literal(schema.as_str())).collect::<Vec<_>>().join(", ");
        let asked = format!(
            "SELECT DISTINCT format('%I.%I', n.nspname, k.conname)
             FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_namespace AS n ON n.oid = k.connamespace
             WHERE n.nspname IN ({schemas}) AND k.contype = 'f' AND k.condeferred AND k.conparentid = 0"
        );
        let deferred: Vec<_> = self.rows(&asked).await?.into_iter().flatten().flatten().collect();
        if !deferred.is_empty() {
            self.run(&format!("SET CONSTRAINTS {} IMMEDIATE", deferred.join(", "))).await?;
            self.keep().await?;
        }
        Ok(())
    }

    /// Rolls back and closes the connection.
    pub(crate) async fn end(mut self) -> Result<(), VerifyError> {
        self.run("ROLLBACK").await?;
        self.connection.close().await.map_err(VerifyError::database)
    }

    /// Commits and closes the connection.
    #[cfg(feature = "testing")]
    pub(crate) async fn commit(mut self) -> Result<(), VerifyError> {
        self.run("COMMIT").await?;
        self.connection.close().await.map_err(VerifyError::database)
    }

    /// Sets a savepoint, from which the next probes start.
    pub(crate) async fn keep(&mut self) -> Result<(), VerifyError> {
        self.run("SAVEPOINT probe").await
    }

    /// Rolls back to the savepoint before the last one.
    pub(crate) async fn forget(&mut self) -> Result<(), VerifyError> {
        self.run("ROLLBACK TO probe; RELEASE probe; ROLLBACK TO probe").await
    }

    /// Runs statements as the administrator; the next probe rolls them back.
    pub(crate) async fn run(&mut self, sql: &str) -> Result<(), VerifyError> {
        let ran = self.connection.execute(sqlx::raw_sql(assert_sql_safe(sql.to_owned()))).await;
        ran.map(drop).map_err(|error| VerifyError::statement(sql, error))
    }

    /// Reads one row of text values as the administrator; empty if there is no row.
    pub(crate) async fn row(&mut self, sql: &str) -> Result<Vec<Option<String>>, VerifyError> {
        Ok(self.rows(sql).await?.into_iter().next().unwrap_or_default())
    }

    /// Reads rows of text values as the administrator.
    pub(crate) async fn rows(&mut self, sql: &str) -> Result<Vec<Vec<Option<String>>>, VerifyError> {
        self.try_rows(sql).await?.map_err(|error| VerifyError::statement(sql, error))
    }

    /// Reads rows of text values; the inner error comes from the server.
    pub(crate) async fn try_rows(
        &mut self,
        sql: &str,
    ) -> Result<Result<Vec<Vec<Option<String>>>, sqlx::Error>, VerifyError> {
        let rows = match self.connection.fetch_all(sqlx::raw_sql(assert_sql_safe(sql.to_owned()))).await {
            Ok(rows) => rows,
            Err(error) if server_error(&error).is_some() => return Ok(Err(error)),
            Err(error) => return Err(VerifyError::database(error)),
        };
        let texts = rows.iter().map(|row| (0..row.len()).map(|at| row.try_get_unchecked(at)).collect());
        Ok(texts.collect())
    }

    /// Rolls back to the savepoint, runs the statements that set the context and then a statement, and returns its
    /// outcome.
    pub(super) async fn attempt(&mut self, context: &str, statement: &str) -> Result<Outcome, VerifyError> {
        self.probes += 1;
        let sql = format!("ROLLBACK TO probe; {context}{statement}");
        if returns_only_a_count(statement) {
            return match self.connection.execute(sqlx::raw_sql(assert_sql_safe(sql))).await {
                Ok(done) => Ok(Outcome::Rows((0..done.rows_affected()).map(|row| format!("changed {row}")).collect())),
                Err(error) if server_error(&error).is_some() => Ok(rejection(&error)),
                Err(error) => Err(VerifyError::database(error)),
            };
        }
        let outcome = match self.try_rows(&sql).await? {
            Ok(rows) => {
                Outcome::Rows(rows.into_iter().filter_map(|row| row.into_iter().next()?).collect::<BTreeSet<_>>())
            }
            Err(error) => rejection(&error),
        };
        Ok(outcome)
    }

    /// Creates the function that runs many probes in one round trip. The function lasts until the transaction ends.
    pub(super) async fn create_batch_function(&mut self) -> Result<(), VerifyError> {
        self.run(BATCH_FUNCTION).await
    }

    /// Does the same as [`attempt`](Self::attempt) for several single statements in one context, in one round
    /// trip; returns `None` if a statement exceeds the time limit, which ends the batch without an outcome.
    pub(super) async fn attempt_all(
        &mut self,
        context: &str,
        statements: &[&str],
    ) -> Result<Option<Vec<Outcome>>, VerifyError> {
        let list = |items: Vec<String>| format!("ARRAY[{}]", items.join(", "));
        let texts = list(statements.iter().map(|statement| literal(statement)).collect());
        let counted = list(statements.iter().map(|statement| returns_only_a_count(statement).to_string()).collect());
        let sql = format!(
            "ROLLBACK TO probe; {context}SELECT at, code, message, keys FROM pg_temp.verify_batch({texts}::text[], {counted}::boolean[])"
        );
        let rows = match self.connection.fetch_all(sqlx::raw_sql(assert_sql_safe(sql))).await {
            Ok(rows) => rows,
            Err(error) if server_error(&error).is_some() => return Ok(None),
            Err(error) => return Err(VerifyError::database(error)),
        };
        self.probes += statements.len();
        let read = |row: &sqlx::postgres::PgRow| {
            let (code, message) = (row.try_get::<Option<String>, _>(1)?, row.try_get::<Option<String>, _>(2)?);
            let keys = row.try_get::<Vec<String>, _>(3)?;
            Ok(match code {
                Some(code) => classify(&code, &message.unwrap_or_default()),
                None => Outcome::Rows(keys.into_iter().collect()),
            })
        };
        rows.iter().map(read).collect::<sqlx::Result<Vec<_>>>().map(Some).map_err(VerifyError::database)
    }

    /// Rolls back to the savepoint.
    pub(crate) async fn undo(&mut self) -> Result<(), VerifyError> {
        self.run("ROLLBACK TO probe").await
    }
}

/// The errors of a statement timeout and of a lock timeout.
pub(super) const TIMEOUTS: [&str; 2] = ["57014", "55P03"];

/// Runs each statement as the caller, in a subtransaction that is rolled back, and returns each statement's keys or
/// error.
const BATCH_FUNCTION: &str = "
CREATE FUNCTION pg_temp.verify_batch(statements text[], counted boolean[])
    RETURNS TABLE (at integer, code text, message text, keys text[]) LANGUAGE plpgsql AS $batch$
DECLARE
    key text;
    changed bigint;
BEGIN
    FOR place IN 1 .. cardinality(statements) LOOP
        at := place;
        code := NULL;
        message := NULL;
        keys := '{}';
        BEGIN
            IF counted[place] THEN
                EXECUTE statements[place];
                GET DIAGNOSTICS changed = ROW_COUNT;
                keys := ARRAY(SELECT 'changed ' || n FROM generate_series(0, changed - 1) AS n);
            ELSE
                FOR key IN EXECUTE statements[place] LOOP
                    IF key IS NOT NULL THEN
                        keys := keys || key;
                    END IF;
                END LOOP;
            END IF;
            RAISE EXCEPTION 'rolled back' USING ERRCODE = 'VERFY';
        EXCEPTION
            WHEN SQLSTATE 'VERFY' THEN
                NULL;
            WHEN OTHERS THEN
                code := SQLSTATE;
                message := SQLERRM;
                keys := '{}';
        END;
        RETURN NEXT;
    END LOOP;
END
$batch$;
GRANT EXECUTE ON FUNCTION pg_temp.verify_batch(text[], boolean[]) TO PUBLIC";

/// Returns whether a statement returns only the number of changed rows.
fn returns_only_a_count(statement: &str) -> bool {
    ["MERGE", "INSERT", "UPDATE", "DELETE"].iter().any(|word| statement.starts_with(word))
        && !statement.contains(" RETURNING ")
}

/// Classifies an error from the server.
fn rejection(error: &sqlx::Error) -> Outcome {
    match server_error(error) {
        Some(server) => classify(server.code(), server.message()),
        None => Outcome::Failed(error.to_string()),
    }
}

fn classify(code: &str, message: &str) -> Outcome {
    match (code, message) {
        ("42501", message) if message.starts_with("permission denied") || message.starts_with("must be owner") => {
            Outcome::Denied
        }
        ("42501", message) if message.contains("row-level security") => Outcome::Refused,
        (CONTEXT_NOT_SIGNED, _) => Outcome::NotSigned,
        ("23503" | "23505" | "23001" | "23514", _) => Outcome::Broken,
        // The labels of an enum type, which are a CHECK constraint if the labels are stored as text.
        ("22P02", message) if message.starts_with("invalid input value for enum ") => Outcome::Broken,
        (code, message) => Outcome::Failed(format!("{message} (SQLSTATE {code})")),
    }
}
