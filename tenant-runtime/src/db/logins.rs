//! Login roles: the application role that each serves, and the check that the login can assume no other roles than
//! intended.

use std::fmt;

use sqlx::PgConnection;

use super::login_check;
use crate::{
    error::{Error, Result},
    ident::quoted,
    model::{def::TenancyDef, names},
};

/// The purpose of a login role: one application role, or users without a tenant.
#[derive(Debug, Clone, Copy)]
pub(super) struct MeantFor {
    pub(super) tenancy: &'static TenancyDef,
    /// The role as attributes name it; `None` for users without a tenant.
    pub(super) role: Option<&'static str>,
}

/// An application role of a tenancy with `login_per_role: true`, and the URL of its login role, if
/// known.
#[derive(Clone)]
pub(super) struct RoleLogin {
    pub(super) meant_for: MeantFor,
    pub(super) url: Option<String>,
}

impl fmt::Debug for RoleLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL contains a password.
        f.debug_struct("RoleLogin").field("role", &self.meant_for.role).finish_non_exhaustive()
    }
}

/// Returns an error that lists the roles without a URL, if there are any.
pub(super) fn require(logins: &[RoleLogin]) -> Result<()> {
    let missing = logins.iter().filter(|login| login.url.is_none());
    let findings: Vec<_> = missing.filter_map(|login| login.meant_for.missing()).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::RoleWithoutLogin { findings }) }
}

/// Returns the purposes of the login role of the main URL, if roles have separate logins.
///
/// If the URLs of the roles are known, this login is for users without a tenant. A program that serves a single role
/// needs only the login of that role. If no URLs are known, the login for users without a tenant is an error, because
/// it could not run any tenant context.
pub(super) fn of_app(login: &str, logins: &[RoleLogin]) -> Result<Vec<MeantFor>> {
    let given = |tenancy: &TenancyDef| logins.iter().any(|login| login.meant_for.tenancy == tenancy);
    let without_tenant = logins.iter().map(|login| MeantFor { role: None, ..login.meant_for });
    let mut found: Vec<_> = without_tenant.collect();
    for tenancy in login_check::tenancies().into_iter().filter(|tenancy| tenancy.login_per_role && !given(tenancy)) {
        let mut roles = tenancy.roles.iter().map(|role| MeantFor { tenancy, role: Some(role.name) });
        if tenancy.login(None) == login {
            return Err(Error::RoleWithoutLogin { findings: roles.filter_map(MeantFor::missing).collect() });
        }
        found.extend(roles.find(|meant_for| tenancy.login(meant_for.role) == login));
    }
    Ok(found)
}

/// Selects the roles among `$1` and the intended role `$2` that the login can assume, and, unless it is `$2`, the
/// direct membership that leads to each.
const REACHED: &str = "
    SELECT role.rolname::text, role.rolname = $2, (
        SELECT min(direct.rolname::text)
        FROM pg_catalog.pg_auth_members AS membership
        JOIN pg_catalog.pg_roles AS direct ON direct.oid = membership.roleid
        JOIN pg_catalog.pg_roles AS member ON member.oid = membership.member
        WHERE member.rolname = session_user AND direct.rolname <> $2 AND pg_catalog.pg_has_role(direct.oid, role.oid, 'MEMBER'))
    FROM pg_catalog.pg_roles AS role
    WHERE (role.rolname = ANY ($1) OR role.rolname = $2) AND pg_catalog.pg_has_role(role.rolname, 'MEMBER')
    ORDER BY role.rolname";

/// A row of [`REACHED`]: the role, whether it is the intended one, and the direct membership that leads to the
/// role.
type Reached = (String, bool, Option<String>);

impl MeantFor {
    fn missing(self) -> Option<String> {
        let role = self.role?;
        Some(format!(
            "role `{role}` has no URL; return the URL of login `{}` from `TenantDbOptions::login_per_role`",
            self.tenancy.login(Some(role))
        ))
    }

    /// Refuses a login that cannot assume its intended role, or that can assume a role that the intended role does not
    /// include.
    pub(super) async fn check(self, login: &str, connection: &mut PgConnection) -> Result<()> {
        let intended = self.role.map(|role| self.tenancy.database_role(role));
        let others = self.tenancy.roles.iter().map(|role| role.name);
        // Before PostgreSQL 16, membership in a role always allows SET ROLE to the roles that this role
        // includes.
        let others = others.filter(|other| !self.role.is_some_and(|role| self.tenancy.includes(role, other)));
        let no_tenant = intended.as_ref().map(|_| names::NO_TENANT);
        let others: Vec<_> = others.chain(no_tenant).map(|name| self.tenancy.database_role(name)).collect();
        let query = sqlx::query_as(REACHED).bind(others).bind(intended.as_deref().unwrap_or_default());
        let reached: Vec<Reached> = query.persistent(false).fetch_all(connection).await?;
        let unintended = reached.iter().filter(|(_, is_intended, _)| !is_intended);
        let findings: Vec<_> = unintended.map(|reached| finding(login, intended.as_deref(), reached)).collect();
        if !findings.is_empty() {
            return Err(Error::UnsafeLogin { login: login.to_owned(), findings });
        }
        match (self.role, intended) {
            (Some(name), Some(intended)) if reached.is_empty() => Err(Error::RoleWithoutLogin {
                findings: vec![format!(
                    "login `{login}`, given for role `{name}`, cannot assume `{intended}`; use the URL of login `{}`, and apply \
                     the migrations to this database",
                    self.tenancy.login(Some(name))
                )],
            }),
            _ => Ok(()),
        }
    }
}

/// Returns the finding about a role that the login should not be able to assume, with the fix.
fn finding(login: &str, intended: Option<&str>, (role, _, through): &Reached) -> String {
    let (revoked, from) = match (through, intended) {
        (None, Some(intended)) => (role, intended),
        (through, _) => (through.as_ref().unwrap_or(role), login),
    };
    let meant_for = intended.map_or_else(|| "users without a tenant".to_owned(), |role| format!("`{role}`"));
    let fix = format!("REVOKE {} FROM {}", quoted(revoked), quoted(from));
    format!("it is the login for {meant_for} only, but can assume `{role}`; run `{fix}`")
}
