//! The role and settings of a transaction: for a tenant context, for a user without a tenant, or for the system role.

use uuid::Uuid;

use crate::{
    model::def::TenancyDef,
    tenant::{ContextKey, Role, System, Tenancy, TenantCtx, no_tenant_role},
};

/// The role and settings of a transaction. An empty string means no user or no tenant.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SessionContext {
    pub(super) role: &'static str,
    pub(super) tenant_id: String,
    pub(super) user_id: String,
    /// The key of the row in `system_access_log`; only the system role has one.
    pub(super) system_access: Option<String>,
    pub(super) tenancy: &'static TenancyDef,
}

impl SessionContext {
    /// Creates the session context for the tenant, the user and the role of a tenant context.
    pub(super) fn of<R: Role>(ctx: &TenantCtx<R>) -> Self {
        Self {
            role: R::DB_ROLE,
            tenant_id: key_text(Some(ctx.tenant_id())),
            user_id: key_text(ctx.user_id()),
            system_access: None,
            tenancy: <R::Tenancy as Tenancy>::DEF,
        }
    }

    /// Creates the session context of a user without a tenant, or of an anonymous user.
    pub(super) fn user<T: Tenancy>(user_id: Option<&T::User>) -> Self {
        Self {
            role: no_tenant_role::<T>(),
            tenant_id: String::new(),
            user_id: key_text(user_id),
            system_access: None,
            tenancy: T::DEF,
        }
    }

    /// Creates the session context of the system role, for one tenant or for all tenants. Without a
    /// recorded reason, it cannot read any row.
    pub(super) fn system<T: Tenancy>(tenant_id: Option<&T::Key>, system_access: Option<Uuid>) -> Self {
        Self {
            role: System::<T>::DB_ROLE,
            tenant_id: key_text(tenant_id),
            user_id: String::new(),
            system_access: Some(system_access.map(|record| record.to_string()).unwrap_or_default()),
            tenancy: T::DEF,
        }
    }
}

fn key_text(key: Option<&impl ContextKey>) -> String {
    let mut text = String::new();
    if let Some(key) = key {
        key.write_text(&mut text);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::Organizations;

    #[test]
    fn no_tenant_context_has_an_empty_tenant_setting() {
        let user = Uuid::from_u128(7);
        let context = SessionContext::user::<Organizations>(Some(&user));
        assert_eq!(
            (context.role, context.tenant_id.as_str(), context.user_id),
            ("app_no_tenant", "", user.to_string())
        );
    }
}
