//! Probes of invitations, such as inviting to too high a role and accepting another user's invitation.

use super::{
    VerifyError,
    fixture::row_id,
    outcome::{Expected, Outcome},
    principals::{Principal, TestUser},
    probe::Probe,
    row_data::{self, RowSpec},
    runner::Runner,
};
use crate::{
    ident::{literal, quoted},
    matrix::may,
    model::{
        def::{InvitationDef, MembershipDef, ScopeDef, TableDef},
        names,
        schema::Command,
    },
};

/// The token of an invitation.
const TOKEN: &str = "verify-token";

/// Reads the result of a call as the administrator.
const AFTERWARDS: &str = "RESET ROLE; RESET SESSION AUTHORIZATION; SELECT";

/// The invitation table and the membership table.
#[derive(Debug, Clone, Copy)]
struct Invites {
    def: &'static TableDef,
    columns: InvitationDef,
    members: &'static TableDef,
    member: MembershipDef,
    /// The tenant columns of both tables.
    tenant: &'static str,
    of: &'static str,
    /// The minimum role required to invite.
    manager: &'static str,
}

/// A pending invitation to the first tenant.
#[derive(Debug, Clone, Copy)]
struct Made<'m> {
    inviter: &'m TestUser,
    role: &'static str,
    is_valid: bool,
    expired: bool,
}

impl Runner<'_> {
    /// Creates and accepts invitations as every principal. An invitation is allowed up to the inviter's role, and can
    /// be accepted with the invited address, once, and before it expires.
    pub(super) async fn invitations(&mut self) -> Result<(), VerifyError> {
        let Some(invites) = self.invites() else { return Ok(()) };
        let principals = self.principals;
        let Some(outsider) = principals.users.iter().find(|person| person.roles.is_empty()) else { return Ok(()) };
        let Some(address) = self.address(&invites, &outsider.key) else { return Ok(()) };
        self.invite(&invites, &address).await?;
        let includes = |role: &str, needed: &str| may(self.tenancy, role, Some(needed));
        let mut scenarios = Vec::new();
        for (inviter, own) in principals.members(0) {
            for role in self.tenancy.roles.iter().map(|role| role.name) {
                let is_valid = includes(own, invites.manager) && includes(own, role);
                scenarios.push(Made { inviter, role, is_valid, expired: false });
                if is_valid {
                    scenarios.push(Made { inviter, role, is_valid: false, expired: true });
                }
            }
        }
        for made in scenarios {
            let expires = if made.expired { "- interval '1 hour'" } else { "+ interval '1 hour'" };
            let asked = format!("SELECT sha256({TOKEN}::bytea)::text, (now() {expires})::text", TOKEN = literal(TOKEN));
            self.session.undo().await?;
            let mut asked = self.session.row(&asked).await?.into_iter();
            let (hash, expires) = (asked.next().flatten(), asked.next().flatten());
            let InvitationDef { email, role, token, expires: until, by } = invites.columns;
            let fixed = [
                (invites.of, Some(principals.tenants[0].clone())),
                (email, Some(address.clone())),
                (role, Some(made.role.to_owned())),
                (token, hash),
                (until, expires),
                (by, Some(made.inviter.key.clone())),
            ];
            let wanted = RowSpec { tenant: 0, fixed: fixed.into() };
            match self.row_factory.insert(&mut self.session, &self.fixture, invites.def, &wanted).await {
                Ok(_) => {}
                // The table's check constraint rejects such an invitation.
                Err(VerifyError::Data { .. }) if !made.is_valid => {
                    self.session.undo().await?;
                    continue;
                }
                Err(error) => return Err(error),
            }
            self.session.keep().await?;
            self.accept(&invites, outsider, made).await?;
            self.session.forget().await?;
        }
        Ok(())
    }

    fn invites(&self) -> Option<Invites> {
        let def = self.fixture.tables.iter().copied().find(|def| def.invitation.is_some())?;
        let members = self.fixture.membership()?;
        let (ScopeDef::Tenant { column: of }, ScopeDef::Tenant { column: tenant }) = (def.scope, members.scope) else {
            return None;
        };
        Some(Invites {
            def,
            columns: def.invitation?,
            members,
            member: members.membership?,
            tenant,
            of,
            manager: def.insert?,
        })
    }

    /// Returns the address of a user.
    fn address(&self, invites: &Invites, user: &str) -> Option<String> {
        let column = invites.members.columns.iter().find(|column| column.name == invites.member.user)?;
        let users = self.fixture.table(column.references?.table)?;
        let id = row_id(users)?.name;
        let row = self.fixture.rows_of(users.name).find(|row| row.value(id) == Some(user))?;
        row.value(invites.columns.email).map(str::to_owned)
    }

    /// Creates invitations for every role in every context.
    async fn invite(&mut self, invites: &Invites, address: &str) -> Result<(), VerifyError> {
        let about = (invites.def.name, Command::Insert);
        let includes = |role: &str, needed: &str| may(self.tenancy, role, Some(needed));
        let call = |role: &str| {
            format!(
                "SELECT FROM {}({}, {}, sha256({}::bytea), 3600)",
                self.function(names::INVITE),
                literal(address),
                literal(role),
                literal(TOKEN)
            )
        };
        let InvitationDef { role: invited, token, by, .. } = invites.columns;
        let look = format!(
            "{AFTERWARDS} concat_ws(' ', {}, {}, {}) FROM {} WHERE {} = sha256({}::bytea)",
            quoted(invites.of),
            quoted(invited),
            quoted(by),
            row_data::name(invites.def.name),
            quoted(token),
            literal(TOKEN)
        );
        let mut probes = Vec::new();
        for principal in self.contexts() {
            let tenant = self.principals.tenants.iter().position(|key| Some(key) == principal.tenant.as_ref());
            let caller = tenant.and_then(|tenant| {
                self.principals.members(tenant).find(|(person, _)| Some(&person.key) == principal.user.as_ref())
            });
            let is_authorized = principal.member_role().is_some_and(|role| includes(role, invites.manager));
            for role in self.tenancy.roles.iter().map(|role| role.name) {
                let is_within =
                    caller.filter(|(_, own)| is_authorized && includes(own, invites.manager) && includes(own, role));
                let expected = match (is_within, &principal.tenant) {
                    (Some((caller, _)), Some(tenant)) => {
                        Expected::Is(Outcome::Rows([format!("{tenant} {role} {}", caller.key)].into()))
                    }
                    _ => Expected::Nothing,
                };
                probes.push((principal.clone(), format!("{}; {look}", call(role)), expected));
            }
            probes.push((principal, format!("{}; {look}", call("verify")), Expected::Nothing));
        }
        let lowest = self.tenancy.roles.first().map_or("", |role| role.name);
        for principal in self.outsiders() {
            probes.push((principal, call(lowest), Expected::Is(Outcome::Denied)));
        }
        for (principal, statement, expected) in probes {
            self.probe(Probe::new("creating an invitation", about, &principal, statement, expected)).await?;
        }
        Ok(())
    }

    /// Accepts an invitation as the invited user, as every other user, and with other tokens.
    async fn accept(&mut self, invites: &Invites, invited: &TestUser, made: Made<'_>) -> Result<(), VerifyError> {
        let call = |token: &str| format!("SELECT {}({token})::text", self.function(names::ACCEPT_INVITATION));
        let taking = call(&format!("{}::bytea", literal(TOKEN)));
        let no_tenant = self.schema.no_tenant().map(|role| role.name.to_string());
        let as_user = |user: &str| Principal {
            user: Some(user.to_owned()),
            tenant: Some(String::new()),
            ..Principal::without_context(self.tenancy.login(None), no_tenant.clone())
        };
        // The remaining invitation, and the new role of the user.
        let look = format!(
            "{taking}; {AFTERWARDS} 'the invitation remains' FROM {} WHERE {} = sha256({}::bytea); SELECT {} FROM {} WHERE {} = {} AND {} = {}",
            row_data::name(invites.def.name),
            quoted(invites.columns.token),
            literal(TOKEN),
            quoted(invites.member.role),
            row_data::name(invites.members.name),
            quoted(invites.tenant),
            literal(&self.principals.tenants[0]),
            quoted(invites.member.user),
            literal(&invited.key)
        );
        let taken = Outcome::Rows([self.principals.tenants[0].clone(), made.role.to_owned()].into());
        let expected = if made.is_valid { Expected::Is(taken) } else { Expected::Nothing };
        let mut probes = vec![(as_user(&invited.key), look, expected)];
        let twice = format!("{taking}; {taking}");
        probes.push((as_user(&invited.key), twice, Expected::Nothing));
        for other in self.principals.users.iter().filter(|person| person.key != invited.key) {
            probes.push((as_user(&other.key), taking.clone(), Expected::Nothing));
        }
        probes.push((as_user(""), taking.clone(), Expected::Nothing));
        for token in ["'another'::bytea", "''::bytea", "NULL", &format!("sha256({}::bytea)", literal(TOKEN))] {
            probes.push((as_user(&invited.key), call(token), Expected::Nothing));
        }
        let is_no_tenant_role = |principal: &Principal| principal.role.is_some() && principal.role == no_tenant;
        let others =
            self.members(0).into_iter().chain(self.outsiders()).filter(|principal| !is_no_tenant_role(principal));
        for principal in others {
            let principal = Principal { user: Some(invited.key.clone()), ..principal };
            probes.push((principal, taking.clone(), Expected::Is(Outcome::Denied)));
        }
        let about = (invites.members.name, Command::Insert);
        for (principal, statement, expected) in probes {
            self.probe(Probe::new("accepting an invitation", about, &principal, statement, expected)).await?;
        }
        Ok(())
    }
}
