//! Logins: for whom each is meant, and that it can become nobody else.

use std::fmt;

use sqlx::PgConnection;

use super::login_check;
use crate::{
    error::{Error, Result},
    ident::quoted,
    model::{def::TenancyDef, names},
};

/// For whom a login is: for a role, or for visitors.
#[derive(Debug, Clone, Copy)]
pub(super) struct MeantFor {
    pub(super) tenancy: &'static TenancyDef,
    /// The role as attributes name it; visitors have none.
    pub(super) role: Option<&'static str>,
}

/// A role of a tenancy whose roles have logins of their own, and the URL for that login, if it was given.
#[derive(Clone)]
pub(super) struct RoleLogin {
    pub(super) meant_for: MeantFor,
    pub(super) url: Option<String>,
}

impl fmt::Debug for RoleLogin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The URL holds a password.
        f.debug_struct("RoleLogin").field("role", &self.meant_for.role).finish_non_exhaustive()
    }
}

/// Returns an error that names the roles of which no URL is known.
pub(super) fn require(logins: &[RoleLogin]) -> Result<()> {
    let missing = logins.iter().filter(|login| login.url.is_none());
    let findings: Vec<_> = missing.filter_map(|login| login.meant_for.missing()).collect();
    if findings.is_empty() { Ok(()) } else { Err(Error::RoleWithoutLogin { findings }) }
}

/// Says for whom the login of the app's own URL is, where roles have logins of their own.
///
/// With those at hand it is for visitors. A program that serves one role may know the login of that role alone. The visitors'
/// login without the others could serve nobody who acts in a tenant, which is a mistake.
pub(super) fn of_app(login: &str, logins: &[RoleLogin]) -> Result<Vec<MeantFor>> {
    let given = |tenancy: &TenancyDef| logins.iter().any(|login| login.meant_for.tenancy == tenancy);
    let visitors = logins.iter().map(|login| MeantFor { role: None, ..login.meant_for });
    let mut found: Vec<_> = visitors.collect();
    for tenancy in login_check::tenancies().into_iter().filter(|tenancy| tenancy.login_per_role && !given(tenancy)) {
        let mut roles = tenancy.roles.iter().map(|role| MeantFor { tenancy, role: Some(role.name) });
        if tenancy.login(None) == login {
            return Err(Error::RoleWithoutLogin { findings: roles.filter_map(MeantFor::missing).collect() });
        }
        found.extend(roles.find(|meant_for| tenancy.login(meant_for.role) == login));
    }
    Ok(found)
}

/// Which of the roles `$1` and of the own one, `$2`, the login can become, and by which direct membership besides the own.
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

impl MeantFor {
    fn missing(self) -> Option<String> {
        let role = self.role?;
        Some(format!(
            "`{role}` has no URL; give that of `{}` to `TenantDbOptions::login_per_role`",
            self.tenancy.login(Some(role))
        ))
    }

    /// Refuses a login that can become another role than it is for, or cannot become that.
    pub(super) async fn check(self, login: &str, connection: &mut PgConnection) -> Result<()> {
        let role = |name: &str| self.tenancy.database_role(name);
        let own = self.role.map(role);
        let others = self.tenancy.roles.iter().map(|role| role.name);
        // Before PostgreSQL 16 who can become a role can become those that it includes.
        let others = others.filter(|other| !self.role.is_some_and(|own| self.tenancy.includes(own, other)));
        let visitor = own.as_ref().map(|_| role(names::NO_TENANT));
        let others: Vec<_> = others.map(role).chain(visitor).collect();
        let query = sqlx::query_as(REACHED).bind(others).bind(own.as_deref().unwrap_or_default()).persistent(false);
        let reached: Vec<(String, bool, Option<String>)> = query.fetch_all(connection).await?;
        let meant_for = own.as_ref().map_or_else(|| "visitors".to_owned(), |role| format!("`{role}`"));
        let finding = |(role, _, through): &(String, bool, Option<String>)| {
            let (lost, from) = match (through, &own) {
                (None, Some(own)) => (role, own.as_str()),
                (through, _) => (through.as_ref().unwrap_or(role), login),
            };
            let mend = format!("REVOKE {} FROM {}", quoted(lost), quoted(from));
            format!("it is the login of {meant_for} alone, and can become `{role}`; run `{mend}`")
        };
        let findings: Vec<_> = reached.iter().filter(|(_, is_own, _)| !is_own).map(finding).collect();
        if !findings.is_empty() {
            return Err(Error::UnsafeLogin { login: login.to_owned(), findings });
        }
        match (self.role, own) {
            (Some(name), Some(own)) if reached.is_empty() => Err(Error::RoleWithoutLogin {
                findings: vec![format!(
                    "`{login}`, the login that was given for `{name}`, cannot become `{own}`; give that of `{}`, and apply the \
                     migrations to this database",
                    self.tenancy.login(Some(name))
                )],
            }),
            _ => Ok(()),
        }
    }
}
