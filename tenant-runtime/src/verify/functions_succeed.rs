//! Calls of each function by a principal with the required role, with generated arguments: they must succeed.
//!
//! The other probes test that the functions reject the calls that they must reject. A function that rejects
//! all calls, because it omits a required column or raises an error, would pass those probes.

use super::{
    VerifyError,
    fixture::row_id,
    principals::{Principal, TestUser, role_labels},
    row_data::{self, RowSpec},
    runner::Runner,
    session::TIMEOUTS,
    violation::Violation,
};
use crate::{
    error::server_error,
    ident::{Ident, literal, quoted},
    matrix::may,
    model::{
        def::{MembershipDef, ScopeDef, TableDef, TableName},
        names,
        schema::{Command, Function},
    },
};

/// The token of an invitation.
const TOKEN: &str = "verify-token-of-a-call";

/// The statements after each call: the deferred constraint triggers run as the caller, as at a
/// commit, and then the administrator runs the query.
const AFTERWARDS: &str = "SET CONSTRAINTS ALL IMMEDIATE; RESET ROLE; RESET SESSION AUTHORIZATION; ";

/// The placeholder for the key that a call returns.
const KEY: &str = "$KEY";

/// A call that must succeed.
struct Call {
    function: &'static str,
    about: (TableName, Command),
    principal: Principal,
    /// Statements that run before the call, as another principal.
    before: String,
    statement: String,
    /// A query that the administrator runs afterwards, and its result if the call had its effect. [`KEY`] is the returned key.
    effect: (String, &'static str),
}

/// The membership table, with a member who manages members and a user who is not a member.
struct Members {
    def: &'static TableDef,
    columns: MembershipDef,
    tenant: &'static str,
    manager: Principal,
    /// The manager's role.
    own: &'static str,
    outsider: TestUser,
    /// The lowest role that the manager can grant, and another such role if there is one.
    granted: [&'static str; 2],
}

impl Runner<'_> {
    /// Creates a tenant, signs up, adds, changes and removes a member, leaves a tenant, and invites a user who accepts.
    pub(super) async fn functions_succeed(&mut self) -> Result<(), VerifyError> {
        self.session.undo().await?;
        self.create_tenant_succeeds().await?;
        self.sign_up_succeeds().await?;
        self.member_functions_succeed().await?;
        self.invitations_succeed().await
    }

    fn generated_function(&self, name: &str) -> Option<&Function> {
        self.schema.functions().iter().find(|(function, _)| function.table.as_str() == name).map(|(_, found)| found)
    }

    /// Returns the principal of a user without a tenant; an empty `user` stands for an anonymous user.
    fn without_tenant(&self, user: &str) -> Principal {
        let no_tenant = self.schema.no_tenant().map(|role| role.name.to_string());
        Principal {
            user: Some(user.to_owned()),
            tenant: Some(String::new()),
            ..Principal::without_context(self.tenancy.login(None), no_tenant)
        }
    }

    async fn create_tenant_succeeds(&mut self) -> Result<(), VerifyError> {
        let tenants = self.fixture.tables.iter().copied().find(|def| def.creator_role.is_some());
        let (Some(def), Some(members)) = (tenants, self.fixture.membership()) else { return Ok(()) };
        let (Some(columns), Some(role), Some(user)) = (members.membership, def.creator_role, self.outsider()) else {
            return Ok(());
        };
        let Some(call) = self.call_with_row(names::CREATE_TENANT, def).await? else { return Ok(()) };
        let ScopeDef::Tenant { column: tenant } = members.scope else { return Ok(()) };
        let effect = format!(
            "SELECT count(*)::text FROM {} WHERE {} = {KEY} AND {} = {} AND {} = {}",
            row_data::name(members.name),
            quoted(tenant),
            quoted(columns.user),
            literal(&user.key),
            quoted(columns.role),
            literal(role)
        );
        self.must_succeed(Call {
            function: names::CREATE_TENANT,
            about: (def.name, Command::Insert),
            principal: self.without_tenant(&user.key),
            before: String::new(),
            statement: call,
            effect: (effect, "1"),
        })
        .await
    }

    async fn sign_up_succeeds(&mut self) -> Result<(), VerifyError> {
        let Some(def) = self.fixture.tables.iter().copied().find(|def| def.sign_up) else { return Ok(()) };
        let Some(call) = self.call_with_row(names::SIGN_UP, def).await? else { return Ok(()) };
        let id = row_id(def).map_or("", |id| id.name);
        let effect = format!("SELECT count(*)::text FROM {} WHERE {} = {KEY}", row_data::name(def.name), quoted(id));
        self.must_succeed(Call {
            function: names::SIGN_UP,
            about: (def.name, Command::Insert),
            principal: self.without_tenant(""),
            before: String::new(),
            statement: call,
            effect: (effect, "1"),
        })
        .await
    }

    /// Returns the call of a function whose arguments are the columns of a row, with values that the table accepts.
    async fn call_with_row(
        &mut self,
        function: &'static str,
        def: &'static TableDef,
    ) -> Result<Option<String>, VerifyError> {
        let Some(found) = self.generated_function(function) else { return Ok(None) };
        let names: Vec<_> = found.arguments.iter().map(|(name, _)| name.clone()).collect();
        let row = self.row_factory.insert(&mut self.session, &self.fixture, def, &RowSpec::default()).await?;
        self.session.undo().await?;
        let value = |name: &Ident| {
            let column = def.columns.iter().find(|column| Ident::derived(["p", column.name]) == *name);
            column.map_or_else(|| "NULL".to_owned(), |column| row.literal(column.name))
        };
        let values = names.iter().map(value).collect::<Vec<_>>().join(", ");
        Ok(Some(format!("SELECT {}({values})::text; ", self.function(function))))
    }

    async fn member_functions_succeed(&mut self) -> Result<(), VerifyError> {
        let Some(members) = self.managed_members() else { return Ok(()) };
        if self.generated_function(names::ADD_MEMBER).is_none() {
            return Ok(());
        }
        let user = literal(&members.outsider.key);
        let [first, second] = members.granted;
        let manager = &members.manager;
        let add = format!("SELECT FROM {}({user}, {}); ", self.function(names::ADD_MEMBER), literal(first));
        let needs_consent = self.fixture.invitations().is_some();
        if needs_consent {
            // The user can be added because the manager manages members of another tenant to which the user belongs.
            self.insert_member(&members, 1, manager.user.as_deref(), members.own).await?;
            self.insert_member(&members, 1, Some(&members.outsider.key), first).await?;
            self.session.keep().await?;
        }
        let added = self.members_call(&members, names::ADD_MEMBER, Command::Insert, manager, add, Some(first));
        self.must_succeed(added).await?;
        if needs_consent {
            self.session.forget().await?;
        }
        self.insert_member(&members, 0, Some(&members.outsider.key), first).await?;
        self.session.keep().await?;
        let change = format!("SELECT {}({user}, {}); ", self.function(names::CHANGE_MEMBER), literal(second));
        let remove = format!("SELECT {}({user}); ", self.function(names::REMOVE_MEMBER));
        let member = self.as_role(first, manager.tenant.as_deref(), Some(&members.outsider.key));
        for call in [
            self.members_call(&members, names::CHANGE_MEMBER, Command::Update, manager, change, Some(second)),
            self.members_call(&members, names::REMOVE_MEMBER, Command::Delete, manager, remove.clone(), None),
            // A member leaves the tenant.
            self.members_call(&members, names::REMOVE_MEMBER, Command::Delete, &member, remove, None),
        ] {
            self.must_succeed(call).await?;
        }
        self.session.forget().await
    }

    /// Inserts a membership, as the administrator.
    async fn insert_member(
        &mut self,
        members: &Members,
        tenant: usize,
        user: Option<&str>,
        role: &str,
    ) -> Result<(), VerifyError> {
        let fixed = [
            (members.tenant, Some(self.principals.tenants[tenant].clone())),
            (members.columns.user, user.map(str::to_owned)),
            (members.columns.role, Some(role.to_owned())),
        ];
        let spec = RowSpec { tenant, fixed: fixed.into() };
        self.row_factory.insert(&mut self.session, &self.fixture, members.def, &spec).await.map(drop)
    }

    fn members_call(
        &self,
        members: &Members,
        function: &'static str,
        command: Command,
        principal: &Principal,
        statement: String,
        role: Option<&str>,
    ) -> Call {
        Call {
            function,
            about: (members.def.name, command),
            principal: principal.clone(),
            before: String::new(),
            statement,
            effect: self.membership_effect(members, role),
        }
    }

    /// Returns the query for the outsider's membership in the first tenant, with the result that is
    /// expected for a role or for no membership.
    fn membership_effect(&self, members: &Members, role: Option<&str>) -> (String, &'static str) {
        let role_is = role.map(|role| format!(" AND {} = {}", quoted(members.columns.role), literal(role)));
        let query = format!(
            "SELECT count(*)::text FROM {} WHERE {} = {} AND {} = {}{}",
            row_data::name(members.def.name),
            quoted(members.tenant),
            literal(&self.principals.tenants[0]),
            quoted(members.columns.user),
            literal(&members.outsider.key),
            role_is.as_deref().unwrap_or_default()
        );
        (query, if role.is_some() { "1" } else { "0" })
    }

    async fn invitations_succeed(&mut self) -> Result<(), VerifyError> {
        let Some(members) = self.managed_members() else { return Ok(()) };
        let Some((def, columns)) = self.fixture.invitations().and_then(|def| Some((def, def.invitation?))) else {
            return Ok(());
        };
        if self.generated_function(names::INVITE).is_none() {
            return Ok(());
        }
        let user_column = members.def.columns.iter().find(|column| column.name == members.columns.user);
        let users = user_column.and_then(|column| self.fixture.table(column.references?.table));
        let id = users.and_then(row_id);
        let own = users.zip(id).and_then(|(users, id)| {
            let mut rows = self.fixture.rows_of(users.name);
            rows.find(|row| row.value(id.name) == Some(&members.outsider.key))?.value(columns.email)
        });
        let other = self.fixture.rows_of(def.name).find_map(|row| row.value(columns.email));
        // The user's own address, and an address that the invitation table accepts, which the user then gets.
        let addresses: Vec<_> = own.into_iter().chain(other).map(str::to_owned).collect();
        let role = members.granted[0];
        let mut first = None;
        for address in addresses {
            self.session.undo().await?;
            if let (Some(users), Some(id)) = (users, id) {
                let update = format!(
                    "UPDATE {} SET {} = {} WHERE {} = {}",
                    row_data::name(users.name),
                    quoted(columns.email),
                    literal(&address),
                    quoted(id.name),
                    literal(&members.outsider.key)
                );
                if self.session.try_rows(&update).await?.is_err() {
                    continue;
                }
            }
            self.session.keep().await?;
            let found = self.invite_and_accept(&members, def, &address, role).await?;
            self.session.forget().await?;
            match found {
                None => return Ok(()),
                found => first = first.or(found),
            }
        }
        first.into_iter().for_each(|violation| self.add_violation(violation));
        Ok(())
    }

    /// Invites the outsider and accepts the invitation; returns the violation of the first of the functions that fails.
    async fn invite_and_accept(
        &mut self,
        members: &Members,
        def: &'static TableDef,
        address: &str,
        role: &str,
    ) -> Result<Option<Violation>, VerifyError> {
        let token = def.invitation.map_or("", |invitation| invitation.token);
        let invite = format!(
            "SELECT FROM {}({}, {}, sha256({}::bytea), 3600); ",
            self.function(names::INVITE),
            literal(address),
            literal(role),
            literal(TOKEN)
        );
        let pending = format!(
            "SELECT count(*)::text FROM {} WHERE {} = sha256({}::bytea)",
            row_data::name(def.name),
            quoted(token),
            literal(TOKEN)
        );
        let call = Call {
            function: names::INVITE,
            about: (def.name, Command::Insert),
            principal: members.manager.clone(),
            before: String::new(),
            statement: invite.clone(),
            effect: (pending, "1"),
        };
        let violation = self.call(&call).await?;
        if violation.is_some() || self.generated_function(names::ACCEPT_INVITATION).is_none() {
            return Ok(violation);
        }
        let accept = format!("SELECT {}({}::bytea)::text; ", self.function(names::ACCEPT_INVITATION), literal(TOKEN));
        let call = Call {
            function: names::ACCEPT_INVITATION,
            about: (members.def.name, Command::Insert),
            principal: self.without_tenant(&members.outsider.key),
            before: format!("{}{invite}{AFTERWARDS}", self.context_sql(&members.manager)),
            statement: accept,
            effect: self.membership_effect(members, Some(role)),
        };
        self.call(&call).await
    }

    fn outsider(&self) -> Option<TestUser> {
        self.principals.users.iter().find(|person| person.roles.is_empty()).cloned()
    }

    fn managed_members(&self) -> Option<Members> {
        let def = self.fixture.membership()?;
        let manager = [def.insert, def.update, def.delete].into_iter().flatten().next()?;
        let (columns, ScopeDef::Tenant { column: tenant }) = (def.membership?, def.scope) else { return None };
        let includes = |role: &str, needed: &str| may(self.tenancy, role, Some(needed));
        // The last one, with the highest role, who is a member of this tenant only.
        let managers = self.principals.members(0).filter(|(_, role)| includes(role, manager));
        let (person, own) = managers.max_by_key(|(person, _)| person.roles.len() == 1)?;
        let labels = role_labels(def);
        let is_label = |role: &str| labels.is_none_or(|labels| labels.labels.contains(&role));
        let mut roles = self.tenancy.roles.iter().map(|role| role.name);
        let mut roles = roles.by_ref().filter(|role| includes(own, role) && is_label(role));
        let first = roles.next()?;
        Some(Members {
            def,
            columns,
            tenant,
            manager: self.as_role(own, Some(&self.principals.tenants[0]), Some(&person.key)),
            own,
            outsider: self.outsider()?,
            granted: [first, roles.next().unwrap_or(first)],
        })
    }

    async fn must_succeed(&mut self, call: Call) -> Result<(), VerifyError> {
        let violation = self.call(&call).await?;
        violation.into_iter().for_each(|violation| self.add_violation(violation));
        Ok(())
    }

    /// Runs a call and rolls back; returns the violation if it fails or has no effect.
    async fn call(&mut self, call: &Call) -> Result<Option<Violation>, VerifyError> {
        self.session.undo().await?;
        let violation = self.run_call(call).await?;
        self.session.undo().await?;
        Ok(violation)
    }

    async fn run_call(&mut self, call: &Call) -> Result<Option<Violation>, VerifyError> {
        let context = self.context_sql(&call.principal);
        let mut statement = format!("{}{context}{}{AFTERWARDS}", call.before, call.statement);
        self.session.probes += 1;
        let found = match self.session.try_rows(&statement).await? {
            Ok(rows) => {
                let key = rows.last().and_then(|row| row.first()?.as_deref());
                let effect = call.effect.0.replace(KEY, &key.map_or_else(|| "NULL".to_owned(), literal));
                let found = self.session.row(&effect).await?.into_iter().flatten().next();
                if found.as_deref() == Some(call.effect.1) {
                    return Ok(None);
                }
                statement += &effect;
                "the call raises no error, but does not have the declared effect on the rows".to_owned()
            }
            Err(error) => {
                let Some(server) = server_error(&error) else { return Err(VerifyError::database(error)) };
                if TIMEOUTS.contains(&server.code()) {
                    self.given_up.push(format!("{statement}: {}", server.message()));
                    return Ok(None);
                }
                format!("{} (SQLSTATE {})", server.message(), server.code())
            }
        };
        let arguments = self.generated_function(call.function).map(|function| &function.arguments);
        let arguments = arguments.into_iter().flatten().map(|(name, ty)| format!("{name} {ty}"));
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        let principal = &call.principal;
        Ok(Some(Violation {
            technique: "call that must succeed".to_owned(),
            table: Some(call.about.0.to_string()),
            command: Some(call.about.1),
            role: principal.role.clone().unwrap_or_else(|| principal.session.clone()),
            principal: principal.describe(self.principals),
            statement: format!("BEGIN; {}; ROLLBACK;", statement.trim_end().trim_end_matches(';')),
            expected: format!("{}({arguments}) succeeds", self.function(call.function)),
            found,
            meaning: "an allowed function call fails",
            more: 0,
        }))
    }
}
