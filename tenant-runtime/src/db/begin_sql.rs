//! The one place where text that was put together becomes SQL: whoever calls it has quoted every name and literal.

use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{TxOptions, session_context::SessionContext};
use crate::{
    ident::{literal, quoted},
    model::{def::TenancyDef, names},
};

/// Takes a text of quoted names, quoted literals and placeholders as SQL.
pub(crate) fn trusted(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

/// Removes what outlives a transaction, without settings and prepared statements.
const LEFT_OVERS: &str =
    "CLOSE ALL; UNLISTEN *; SELECT pg_catalog.pg_advisory_unlock_all(); DISCARD TEMP; DISCARD SEQUENCES";

/// Fails where SQL has prepared a statement on the connection: a later transaction would run it under the name of one that
/// sqlx prepared. `from_sql` is false for everything that sqlx prepares.
///
/// Every name is qualified and no operator is used, so the session's search path changes nothing. The error is that of a cast
/// which only a superuser could replace.
const NO_FOREIGN_STATEMENT: &str = "SELECT CAST(CASE WHEN EXISTS (\
     SELECT FROM pg_catalog.pg_prepared_statements WHERE from_sql\
     ) THEN 'SQL has prepared a statement on this connection' ELSE '0' END AS pg_catalog.int4)";

/// The SQLSTATE of a cast that fails. Nothing else in the batch that begins a transaction casts anything.
pub(super) const FOREIGN_STATEMENT: &str = "22P02";

/// Writes the batch that begins a transaction in a context, for one round trip.
///
/// The settings are written before `BEGIN`: they carry over into the transaction, and where one fails the connection is left
/// idle and clean. After `BEGIN` a failure would leave an aborted transaction on it. Each is written, even where it is
/// empty: an older value must not remain.
///
/// Behind a pooler of transactions the server's connection is another one than the pool cleared. So the batch itself removes what an
/// earlier transaction left there, and ends with the check for prepared statements. Both run after `BEGIN`: these statements take a
/// snapshot, which must not come before the isolation level, and the failure of the check should leave an aborted transaction. That
/// closes the connection here, and at the pooler the server's.
///
/// A read-only transaction begins with a query, since PostgreSQL refuses READ WRITE only after the first snapshot. One that is
/// deferrable waits there.
pub(super) fn begin(
    acting: &SessionContext,
    options: TxOptions,
    statement_timeout: Option<Duration>,
    pooled: bool,
) -> SqlStr {
    let def = acting.tenancy;
    // In milliseconds, of which none would mean that there is no limit.
    let timeout = statement_timeout.map(|timeout| timeout.as_millis().clamp(1, i32::MAX as u128));
    let timeout = timeout.map(|timeout| format!("SET LOCAL statement_timeout = {timeout}; ")).unwrap_or_default();
    let system_access = acting.system_access.as_ref();
    let system_access =
        system_access.map(|record| format!(" SET LOCAL {} = {};", setting(&def.access_setting()), literal(record)));
    trusted(format!(
        "SET LOCAL ROLE {role};{system_access} SET LOCAL {tenant_setting} = {org}; SET LOCAL {user_setting} = {user}; \
         SET LOCAL search_path = {search_path}; SET LOCAL row_security = on; {timeout}BEGIN{mode}{query}",
        role = quoted(acting.role),
        system_access = system_access.unwrap_or_default(),
        tenant_setting = setting(def.tenant_setting),
        org = literal(&acting.org),
        user_setting = setting(def.user_setting),
        user = literal(&acting.user),
        search_path = search_path(def),
        mode = options.sql(),
        query = match (pooled, options.read_only) {
            (true, _) => format!("; {LEFT_OVERS}; {NO_FOREIGN_STATEMENT}"),
            (false, true) => "; SELECT".to_owned(),
            (false, false) => String::new(),
        },
    ))
}

/// Writes the batch that clears a connection of everything that outlives a transaction: whom the session acts as, settings,
/// cursors WITH HOLD and their rows, LISTEN, advisory locks, temporary tables, the last numbers of sequences.
///
/// What sqlx keeps prepared stays. A statement that SQL prepared, or one of sqlx's that SQL deallocated, is an error. `cached` is the
/// number of those that sqlx has; `None` where a pooler gives statements other names.
pub(super) fn clear(cached: Option<usize>) -> SqlStr {
    let none_missing = cached.filter(|&cached| cached > 0).map(|cached| {
        format!(
            "; SELECT CAST(CASE WHEN pg_catalog.count(*) OPERATOR(pg_catalog.<) {cached} \
             THEN 'SQL has deallocated a statement of this connection' ELSE '0' END AS pg_catalog.int4) \
             FROM pg_catalog.pg_prepared_statements"
        )
    });
    trusted(format!(
        "SET SESSION AUTHORIZATION DEFAULT; RESET ALL; {LEFT_OVERS}; {NO_FOREIGN_STATEMENT}{}",
        none_missing.unwrap_or_default()
    ))
}

/// Writes what begins a savepoint, in the place of one that is left from before.
pub(super) fn savepoint(depth: u32, again: bool) -> SqlStr {
    let release = if again { format!("RELEASE SAVEPOINT sp_{depth}; ") } else { String::new() };
    trusted(format!("{release}SAVEPOINT sp_{depth}"))
}

/// Writes what goes back to a savepoint, which stays.
pub(super) fn rollback_to(depth: u32) -> SqlStr {
    trusted(format!("ROLLBACK TO SAVEPOINT sp_{depth}"))
}

/// Calls the function that records why the system role is to act, which is `$1`.
pub(super) fn begin_system_access(def: &TenancyDef) -> SqlStr {
    trusted(format!("SELECT {}.{}($1)", names::auth_schema(def.schema).quoted(), names::BEGIN_SYSTEM_ACCESS))
}

/// The schema of temporary tables comes last: unnamed, it would come first, and a temporary table could pose as one of
/// the app's.
pub(super) fn search_path(def: &TenancyDef) -> String {
    format!("pg_catalog, {}, pg_temp", quoted(def.schema))
}

/// Quotes the parts of a setting's name, such as `app.organization_id`.
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
        let end = format!("; {LEFT_OVERS}; {NO_FOREIGN_STATEMENT}");
        assert_eq!(sql(options, true), format!("{settings}{mode}{end}"));
        assert_eq!(sql(TxOptions::default(), false), format!("{settings}BEGIN"));
        assert_eq!(sql(TxOptions::default(), true), format!("{settings}BEGIN{end}"));
    }

    #[test]
    fn a_connection_is_cleared_with_every_name_qualified() {
        let counted = clear(Some(7));
        assert!(counted.as_str().contains("pg_catalog.count(*) OPERATOR(pg_catalog.<) 7 "), "{}", counted.as_str());
        for cached in [None, Some(0)] {
            let sql = clear(cached);
            assert!(sql.as_str().ends_with(&format!("; {NO_FOREIGN_STATEMENT}")), "{}", sql.as_str());
        }
    }
}
