//! The one place where text that was put together becomes SQL: whoever calls it has quoted every name and literal.

use std::time::Duration;

use sqlx::{AssertSqlSafe, SqlSafeStr as _, SqlStr};

use super::{TxOptions, session_context::SessionContext};
use crate::{
    ident::{Ident, literal, quoted},
    model::def::TenancyDef,
};

/// Takes a text of quoted names, quoted literals and placeholders as SQL.
pub(crate) fn trusted(sql: String) -> SqlStr {
    AssertSqlSafe(sql).into_sql_str()
}

/// Writes the batch that begins a transaction in a context, for one round trip.
///
/// The settings stand before `BEGIN`: they carry over into the transaction, and where one fails the connection is left
/// idle and clean. After `BEGIN` a failure would leave an aborted transaction on it. Each is written, even where it is
/// empty: an older value must not remain.
pub(super) fn begin(acting: &SessionContext, options: TxOptions, statement_timeout: Option<Duration>) -> SqlStr {
    let def = acting.tenancy;
    // In milliseconds, of which none would mean that there is no limit.
    let timeout = statement_timeout.map(|timeout| timeout.as_millis().clamp(1, i32::MAX as u128));
    let timeout = timeout.map(|timeout| format!("SET LOCAL statement_timeout = {timeout}; ")).unwrap_or_default();
    let system_access = acting.system_access.as_ref();
    let system_access =
        system_access.map(|record| format!(" SET LOCAL {} = {};", setting(&def.access_setting()), literal(record)));
    trusted(format!(
        "SET LOCAL ROLE {role};{system_access} SET LOCAL {tenant_setting} = {org}; SET LOCAL {user_setting} = {user}; \
         SET LOCAL search_path = {search_path}; SET LOCAL row_security = on; {timeout}BEGIN{mode}",
        role = quoted(acting.role),
        system_access = system_access.unwrap_or_default(),
        tenant_setting = setting(def.tenant_setting),
        org = literal(&acting.org),
        user_setting = setting(def.user_setting),
        user = literal(&acting.user),
        search_path = search_path(def),
        mode = options.sql(),
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
    trusted(format!("SELECT {}.begin_system_access($1)", Ident::derived([def.schema, "auth"]).quoted()))
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
        let sql = begin(&SessionContext::of(&ctx), options, Some(Duration::from_millis(1500)));
        assert_eq!(
            sql.as_str(),
            "SET LOCAL ROLE app_member; SET LOCAL app.organization_id = '00000000-0000-0000-0000-000000000000'; \
             SET LOCAL app.user_id = ''; SET LOCAL search_path = pg_catalog, app, pg_temp; \
             SET LOCAL row_security = on; SET LOCAL statement_timeout = 1500; BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY DEFERRABLE"
        );
    }
}
