//! The principals of a verification, each in a context.

use super::{oracle::Subject, principals::Principal, runner::Runner};
use crate::model::names;

impl Runner<'_> {
    /// Returns the principal that has a declared role, in a context with this tenant and user.
    pub(super) fn as_role(&self, role: &'static str, tenant: Option<&str>, user: Option<&str>) -> Principal {
        let database_role = self.tenancy.database_role(role);
        Principal {
            tenant: tenant.map(str::to_owned),
            user: user.map(str::to_owned),
            subject: Some(Subject::Member(role)),
            ..Principal::without_context(self.tenancy.login(Some(role)), Some(database_role))
        }
    }

    /// Returns the login of cross-tenant jobs, if the system role has access to a table.
    pub(super) fn jobs(&self) -> Option<String> {
        let is_there = self.fixture.tables.iter().any(|def| !def.system.is_empty());
        is_there.then(|| self.tenancy.database_role(names::JOBS))
    }

    /// Returns the jobs login with the system role, with or without a tenant, and without a recorded reason.
    pub(super) fn system(&self, tenant: Option<&str>) -> Option<Principal> {
        Some(Principal {
            tenant: tenant.map(str::to_owned),
            subject: Some(Subject::System { recorded: false }),
            ..Principal::without_context(self.jobs()?, Some(self.tenancy.database_role(names::SYSTEM)))
        })
    }

    /// Returns the principals without a membership: each login before SET ROLE, the no-tenant role, and the system role
    /// without a recorded reason. The context of each names the first tenant and its member with the highest role.
    pub(super) fn outsiders(&self) -> Vec<Principal> {
        let tenant = Some(self.principals.tenants[0].clone());
        let user = self.principals.members(0).last().map(|(person, _)| person.key.clone());
        let no_tenant = self.schema.no_tenant().map(|role| role.name.to_string());
        let mut outsiders: Vec<_> =
            self.logins().into_iter().map(|(login, _)| Principal::without_context(login, None)).collect();
        outsiders.extend(no_tenant.map(|role| Principal::without_context(self.tenancy.login(None), Some(role))));
        outsiders.extend(self.jobs().map(|jobs| Principal::without_context(jobs, None)));
        outsiders.extend(self.system(None));
        outsiders.into_iter().map(|who| Principal { tenant: tenant.clone(), user: user.clone(), ..who }).collect()
    }

    /// Returns the roles, each with a member who has it in a tenant, or with the highest role if no membership row can store it.
    pub(super) fn members(&self, tenant: usize) -> Vec<Principal> {
        let roles = self.tenancy.roles.iter().map(|role| role.name);
        let member = |role| {
            let mut members = self.principals.members(tenant);
            let person = members.find(|(_, has)| *has == role).or_else(|| self.principals.members(tenant).last());
            self.as_role(role, Some(&self.principals.tenants[tenant]), person.map(|(person, _)| person.key.as_str()))
        };
        roles.map(member).collect()
    }

    /// Returns all contexts of application roles: each role, with each tenant or none, and with each user or none.
    pub(super) fn contexts(&self) -> Vec<Principal> {
        let mut contexts = Vec::new();
        for role in self.tenancy.roles.iter().map(|role| role.name) {
            for tenant in self.principals.tenants.iter().map(String::as_str).chain([""]) {
                let users = self.principals.users.iter().map(|person| person.key.as_str()).chain([""]);
                contexts.extend(users.map(|user| self.as_role(role, Some(tenant), Some(user))));
            }
        }
        // Contexts with access come first, because they reveal most violations.
        contexts.sort_by_key(|principal| {
            let context = principal.context();
            !self.oracle(&context).is_authorized()
        });
        contexts
    }
}
