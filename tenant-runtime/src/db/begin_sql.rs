//! The SQL that begins transactions and savepoints, and the only place where a built string becomes SQL; callers quote
//! every name and literal.

use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{session_context::SessionContext, tx_options::TxOptions};
use crate::{
    ident::{literal, quoted},
    model::{def::TenancyDef, names},
};

/// Asserts that the values built into SQL text are only quoted names, quoted literals and placeholders.
pub(crate) fn assert_sql_safe(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

/// Removes the session state that outlives a transaction, except settings and prepared statements.
const DISCARD: &str =
    "CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// Raises an error if an SQL command has prepared a statement on the connection: a later transaction could run
/// that statement under the name of one that sqlx prepared. `from_sql` is false for all statements that sqlx
/// prepares.
///
/// Every name is qualified and no operator is used, so the session's search path has no effect. The error is raised by
/// a cast that only a superuser could replace.
const CHECK_NO_SQL_PREPARED: &str = "SELECT CAST(CASE WHEN EXISTS (\
     SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql\
     ) THEN 'SQL has prepared a statement on this connection' ELSE '0' END AS pg_catalog.int4)";

/// The SQLSTATE of a failed cast. The batch that begins a transaction contains no other cast.
pub(super) const FOREIGN_STATEMENT: &str = "22P02";

/// Returns the batch that begins a transaction in a context, for one round trip.
///
/// The settings come before `BEGIN`: they carry over into the transaction, and if setting one fails, the connection
/// remains idle and clean. After `BEGIN`, a failure would leave an aborted transaction. All settings are written, even
/// empty ones, so that no previous value remains.
///
/// Behind a connection pooler in transaction mode, the server connection can differ from the one that
/// this pool cleared. The batch then also removes the state that an earlier transaction left there, and
/// ends with the check for prepared statements. Both run after `BEGIN`: these statements need a
/// snapshot, which must not be taken before the isolation level is set, and a failed check should leave
/// an aborted transaction, so that this crate closes the connection and the pooler closes the server
/// connection.
///
/// A read-only transaction starts with a query, because PostgreSQL refuses READ WRITE only after the first snapshot. A
/// deferrable transaction waits for its snapshot in that query.
pub(super) fn begin(
    context: &SessionContext,
    options: TxOptions,
    statement_timeout: Option<Duration>,
    pooled: bool,
) -> SqlStr {
    let def = context.tenancy;
    // In milliseconds, at least 1: 0 would disable the timeout.
    let timeout = statement_timeout.map(|timeout| timeout.as_millis().clamp(1, i32::MAX as u128));
    let timeout = timeout.map(|timeout| format!("SET LOCAL statement_timeout = {timeout}; ")).unwrap_or_default();
    let system_access = context.system_access.as_ref();
    let system_access =
        system_access.map(|record| format!(" SET LOCAL {} = {};", setting(&def.access_setting()), literal(record)));
    assert_sql_safe(format!(
        "SET LOCAL ROLE {role};{system_access} SET LOCAL {tenant_setting} = {tenant_id}; \
         SET LOCAL {user_setting} = {user_id}; SET LOCAL search_path = {search_path}; SET LOCAL row_security = on; \
         {timeout}BEGIN{mode}{query}",
        role = quoted(context.role),
        system_access = system_access.unwrap_or_default(),
        tenant_setting = setting(def.tenant_setting),
        tenant_id = literal(&context.tenant_id),
        user_setting = setting(def.user_setting),
        user_id = literal(&context.user_id),
        search_path = search_path(def),
        mode = options.sql(),
        query = match (pooled, options.read_only) {
            (true, _) => format!("; {DISCARD}; {CHECK_NO_SQL_PREPARED}"),
            (false, true) => "; SELECT".to_owned(),
            (false, false) => String::new(),
        },
    ))
}

/// Returns the batch that resets the connection state that outlives a transaction: session user, settings,
/// cursors WITH HOLD and their rows, LISTEN, advisory locks, temporary tables, and the last values of
/// sequences.
///
/// Statements that sqlx has prepared remain. If an SQL command has prepared a statement, or deallocated one of sqlx's
/// statements, the batch fails. `cached` is the number of statements in sqlx's cache; `None` if a pooler renames
/// statements.
pub(super) fn clear(cached: Option<usize>) -> SqlStr {
    let none_missing = cached.filter(|&cached| cached > 0).map(|cached| {
        format!(
            "; SELECT CAST(CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<) {cached} \
             THEN 'SQL has deallocated a statement of this connection' ELSE '0' END AS pg_catalog.int4) \
             FROM pg_catalog.pg_prepared_statements"
        )
    });
    assert_sql_safe(format!(
        "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; {DISCARD}; {CHECK_NO_SQL_PREPARED}{}",
        none_missing.unwrap_or_default()
    ))
}

/// Returns the SQL that begins a savepoint; with `replace`, it first releases the previous savepoint with the same
/// name.
pub(super) fn savepoint(depth: u32, replace: bool) -> SqlStr {
    let release = if replace { format!("RELEASE SAVEPOINT sp_{depth}; ") } else { String::new() };
    assert_sql_safe(format!("{release}SAVEPOINT sp_{depth}"))
}

/// Returns the SQL that rolls back to a savepoint; the savepoint remains.
pub(super) fn rollback_to(depth: u32) -> SqlStr {
    assert_sql_safe(format!("ROLLBACK TO SAVEPOINT sp_{depth}"))
}

/// Returns the call that records the reason `$1` for cross-tenant access.
pub(super) fn begin_system_access(def: &TenancyDef) -> SqlStr {
    assert_sql_safe(format!("SELECT {}.{}($1)", names::auth_schema(def.schema).quoted(), names::BEGIN_SYSTEM_ACCESS))
}

/// Returns the batch that rolls back a transaction and begins it again.
pub(super) fn begin_again(batch: &SqlStr) -> SqlStr {
    assert_sql_safe(format!("ROLLBACK; {}", batch.as_str()))
}

/// Returns the search path. The schema of temporary tables is last: if it were not listed, it would be searched first,
/// and a temporary table could shadow a table of the app.
pub(super) fn search_path(def: &TenancyDef) -> String {
    format!("pg_catalog, {}, pg_temp", quoted(def.schema))
}

/// Quotes each part of a setting's name, such as `app.organization_id`.
pub(crate) fn setting(name: &str) -> String {
    name.split('.').map(|part| quoted(part).to_string()).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{db::Isolation, roles::Member, tenant::TenantCtx};

    #[test]
    fn begin_sends_role_and_settings_in_one_batch() {
        let ctx = TenantCtx::<Member>::assume_authorized_job(uuid::Uuid::nil());
        let options = TxOptions { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true };
        let timeout = Some(Duration::from_millis(1500));
        let settings = "SET LOCAL ROLE app_member; SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'; \
             SET LOCAL app.user_id = ''; SET LOCAL search_path = pg_catalog, app, pg_temp; \
             SET LOCAL row_security = on; SET LOCAL statement_timeout = 1500; ";
        let mode = "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE";
        let sql = |options, pooled| begin(&SessionContext::of(&ctx), options, timeout, pooled).as_str().to_owned();
        assert_eq!(sql(options, false), format!("{settings}{mode}; SELECT"));
        let end = format!("; {DISCARD}; {CHECK_NO_SQL_PREPARED}");
        assert_eq!(sql(options, true), format!("{settings}{mode}{end}"));
        assert_eq!(sql(TxOptions::default(), false), format!("{settings}BEGIN"));
        assert_eq!(sql(TxOptions::default(), true), format!("{settings}BEGIN{end}"));
    }

    #[test]
    fn connection_reset_qualifies_every_name() {
        let counted = clear(Some(7));
        assert!(counted.as_str().contains("pg_catalog.count(*) OPERATOR(pg_catalog.<) 7 "), "{}", counted.as_str());
        for cached in [None, Some(0)] {
            let sql = clear(cached);
            assert!(sql.as_str().ends_with(&format!("; {CHECK_NO_SQL_PREPARED}")), "{}", sql.as_str());
        }
    }
}
