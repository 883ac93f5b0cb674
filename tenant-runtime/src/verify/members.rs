//! Probes of the functions that add, change and remove members, if there is a membership table.

use super::{
    VerifyError,
    outcome::{Expected, Outcome},
    principals::Principal,
    probe::Probe,
    runner::Runner,
};
use crate::{
    ident::literal,
    matrix::may,
    model::{def::ScopeDef, names, schema::Command},
};

impl Runner<'_> {
    /// Adds, changes and removes members in every context, which is allowed only in the caller's tenant and up to the
    /// caller's role.
    pub(super) async fn members_by_function(&mut self) -> Result<(), VerifyError> {
        let Some(def) = self.fixture.membership() else { return Ok(()) };
        let Some(manager) = [def.insert, def.update, def.delete].into_iter().flatten().next() else { return Ok(()) };
        if !self.schema.functions().keys().any(|name| name.table.as_str() == names::ADD_MEMBER) {
            return Ok(());
        }
        let [add, change, remove] =
            [names::ADD_MEMBER, names::CHANGE_MEMBER, names::REMOVE_MEMBER].map(|name| self.function(name));
        let roles: Vec<_> = self.tenancy.roles.iter().map(|role| role.name).collect();
        let includes = |role: &str, needed: &str| may(self.tenancy, role, Some(needed));
        let Some(outsider) = self.principals.users.iter().find(|person| person.roles.is_empty()).cloned() else {
            return Ok(());
        };
        // With invitations, a user whom the caller does not manage in any tenant cannot be added.
        let needs_consent = self.fixture.invitations().is_some();
        let mut probes: Vec<(Command, Principal, String, Expected)> = Vec::new();
        for principal in self.contexts() {
            let Some(tenant) = self.principals.tenants.iter().position(|key| Some(key) == principal.tenant.as_ref())
            else {
                continue;
            };
            let caller =
                self.principals.members(tenant).find(|(person, _)| Some(&person.key) == principal.user.as_ref());
            let manages = caller.filter(|(_, role)| {
                includes(role, manager) && principal.member_role().is_some_and(|role| includes(role, manager))
            });
            // The target is a member without the manager role, so that a change never removes the last manager.
            let Some((target, old)) = self.principals.members(tenant).find(|(_, role)| !includes(role, manager)) else {
                continue;
            };
            let user = literal(&target.key);
            let expect = |allowed: bool, outcome: &str| match allowed {
                true => Expected::OneOf(vec![Outcome::Rows([outcome.to_owned()].into()), Outcome::Broken]),
                false => Expected::Nothing,
            };
            for role in &roles {
                let within = |role: &str| manages.is_some_and(|(_, own)| includes(own, role));
                let statement = format!("SELECT 'added' FROM {add}({}, {})", literal(&outsider.key), literal(role));
                probes.push((
                    Command::Insert,
                    principal.clone(),
                    statement,
                    expect(within(role) && !needs_consent, "added"),
                ));
                let statement = format!("SELECT CASE WHEN {change}({user}, {}) THEN 'changed' END", literal(role));
                probes.push((
                    Command::Update,
                    principal.clone(),
                    statement,
                    expect(within(role) && within(old), "changed"),
                ));
            }
            let oneself = caller.is_some_and(|(person, _)| person.key == target.key);
            let statement = format!("SELECT CASE WHEN {remove}({user}) THEN 'removed' END");
            let allowed = oneself || manages.is_some_and(|(_, own)| includes(own, old));
            probes.push((Command::Delete, principal.clone(), statement, expect(allowed, "removed")));
            let mut others = self.principals.members(1 - tenant);
            let is_here = |key: &str| self.principals.members(tenant).any(|(person, _)| person.key == key);
            if let Some((stranger, _)) = others.find(|(person, _)| !is_here(&person.key)) {
                let statement = format!("SELECT CASE WHEN {remove}({}) THEN 'removed' END", literal(&stranger.key));
                probes.push((Command::Delete, principal.clone(), statement, Expected::Nothing));
                // A member of another tenant, in which the caller usually cannot manage members.
                if needs_consent {
                    let lowest = roles.first().copied().unwrap_or_default();
                    let manages_there = self
                        .principals
                        .members(1 - tenant)
                        .any(|(person, role)| Some(&person.key) == principal.user.as_ref() && includes(role, manager));
                    let statement =
                        format!("SELECT 'added' FROM {add}({}, {})", literal(&stranger.key), literal(lowest));
                    let allowed = manages_there && manages.is_some_and(|(_, own)| includes(own, lowest));
                    probes.push((Command::Insert, principal.clone(), statement, expect(allowed, "added")));
                }
            }
        }
        debug_assert!(matches!(def.scope, ScopeDef::Tenant { .. }), "a membership table has a tenant column");
        for (command, principal, statement, expected) in probes {
            let about = (def.name, command);
            self.probe(Probe::new("member function", about, &principal, statement, expected)).await?;
        }
        Ok(())
    }
}
