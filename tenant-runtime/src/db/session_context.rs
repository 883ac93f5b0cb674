//! Who acts in a transaction, and how one begins: a tenant's user in a role, or a visitor in no tenant.

use std::panic::resume_unwind;

use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use super::{
    TxOptions, begin_sql,
    pool::{Pools, is_broken},
};
use crate::{
    error::{Error, Result, server_error},
    model::{def::TenancyDef, names},
    tenant::{ContextKey, DerivedRoleName, Role, RoleSuffix, System, Tenancy, TenantCtx},
};

/// What the settings of a transaction say. An empty text stands for nobody, and for no tenant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SessionContext {
    pub(super) role: &'static str,
    pub(super) org: String,
    pub(super) user: String,
    /// The record of why the system role acts; none for other roles.
    pub(super) system_access: Option<String>,
    pub(super) tenancy: &'static TenancyDef,
}

impl SessionContext {
    /// A context's tenant and user, in its role.
    pub(super) fn of<R: Role>(ctx: &TenantCtx<R>) -> Self {
        let tenancy = <R::Tenancy as Tenancy>::DEF;
        Self {
            role: R::DB_ROLE,
            org: key_text(Some(ctx.tenant_id())),
            user: key_text(ctx.user_id()),
            system_access: None,
            tenancy,
        }
    }

    /// A user in no tenant, or nobody.
    pub(super) fn visitor<T: Tenancy>(user: Option<&T::User>) -> Self {
        Self {
            role: no_tenant_role::<T>(),
            org: String::new(),
            user: key_text(user),
            system_access: None,
            tenancy: T::DEF,
        }
    }

    /// The system role, in a tenant or in none. Without a record of why it reaches no row.
    pub(super) fn system<T: Tenancy>(org: Option<&T::Key>, system_access: Option<Uuid>) -> Self {
        let system_access = Some(system_access.map(|record| record.to_string()).unwrap_or_default());
        let role = System::<T>::DB_ROLE;
        Self { role, org: key_text(org), user: String::new(), system_access, tenancy: T::DEF }
    }
}

fn key_text(key: Option<&impl ContextKey>) -> String {
    let mut text = String::new();
    if let Some(key) = key {
        key.write_text(&mut text);
    }
    text
}

/// Returns the database role in which visitors act, such as `app_no_tenant`.
pub(crate) fn no_tenant_role<T: Tenancy>() -> &'static str {
    DerivedRoleName::<T, NoTenantSuffix>::NAME
}

struct NoTenantSuffix;

impl RoleSuffix for NoTenantSuffix {
    const BYTES: &'static [u8] = names::NO_TENANT.as_bytes();
}

/// Begins a transaction, on another connection where the server has closed the one at hand.
pub(super) async fn begin(
    pools: &Pools,
    acting: &SessionContext,
    options: TxOptions,
) -> Result<Transaction<'static, Postgres>> {
    let batch = begin_sql::begin(acting, options, pools.options().statement_timeout_of(acting.role), pools.pooled());
    let mut attempts = pools.attempts(acting.role);
    loop {
        let connection = pools.acquire(acting.role).await?;
        // sqlx counts a transaction once the server has answered. Dropped before that, the future would leave the
        // connection in a transaction that nobody knows of. So the begin runs to its end in a task of its own; where
        // nobody waits for it any more, the task drops the transaction, which rolls it back. Waiting for the connection
        // stays outside, lest callers that left keep their place in the queue.
        let begun = tokio::spawn(Transaction::begin(connection, Some(batch.clone())));
        let error = match begun.await {
            Ok(Ok(mut tx)) => {
                if cfg!(debug_assertions) {
                    read_back(&mut tx, acting).await?;
                }
                return Ok(tx);
            }
            Ok(Err(error)) => error,
            Err(join) if join.is_panic() => resume_unwind(join.into_panic()),
            // The runtime shuts down.
            Err(_) => sqlx::Error::PoolClosed,
        };
        attempts -= 1;
        if !is_broken(&error) || attempts == 0 {
            return Err(refusal(acting.role, error));
        }
    }
}

/// Tells a role that is missing or not granted from other errors.
pub(super) fn refusal(role: &'static str, source: sqlx::Error) -> Error {
    match server_error(&source).map(|server| server.code().to_owned()).as_deref() {
        Some("42501" | "22023" | "42704") => Error::RoleUnavailable { role, source },
        _ => source.into(),
    }
}

/// Holds the server's view of who acts against what it should be.
pub(super) async fn read_back(connection: &mut PgConnection, acting: &SessionContext) -> Result<()> {
    let def = acting.tenancy;
    let wanted =
        (acting.role.to_owned(), acting.org.clone(), acting.user.clone(), begin_sql::search_path(def), "on".to_owned());
    let sql = "SELECT current_user::text, current_setting($1), current_setting($2), \
               current_setting('search_path'), current_setting('row_security')";
    let found: (String, String, String, String, String) = sqlx::query_as(sql)
        .bind(def.tenant_setting)
        .bind(def.user_setting)
        .persistent(false)
        .fetch_one(connection)
        .await?;
    if found == wanted {
        return Ok(());
    }
    Err(Error::ContextLost { what: format!("it should be {wanted:?}, and the server has {found:?}") })
}

/// Refuses a transaction that began read-only and has written.
///
/// PostgreSQL 15 does not check `RESET transaction_read_only` (17 refuses it), so a function can run it, write, and set it back.
pub(super) async fn has_not_written(connection: &mut PgConnection) -> Result<()> {
    let sql = "SELECT pg_catalog.pg_current_xact_id_if_assigned() IS NULL";
    let unwritten: bool = sqlx::query_scalar(sql).persistent(false).fetch_one(connection).await?;
    if unwritten {
        return Ok(());
    }
    Err(Error::ContextLost { what: "the transaction began read-only, and a statement has written in it".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Organizations;

    #[test]
    fn no_tenant_context_has_an_empty_tenant_setting() {
        let user = Uuid::from_u128(7);
        let acting = SessionContext::visitor::<Organizations>(Some(&user));
        assert_eq!((acting.role, acting.org.as_str(), acting.user), ("app_no_tenant", "", user.to_string()));
    }
}
