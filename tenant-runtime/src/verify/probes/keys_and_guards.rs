//! Probes of the keys for signatures, of functions in a context that is not signed, and of bound logins.

use std::collections::BTreeSet;

use crate::{
    ident::{Ident, literal, quoted},
    model::{
        names,
        schema::{Command, Function},
    },
    verify::{
        VerifyError,
        outcome::{Expected, Outcome},
        principals::Principal,
        probe::Probe,
        runner::Runner,
        signing::{KEY, Limits, Signing, set_all},
    },
};

/// The functions that need no signed context: they lead to one, or return nothing of it.
const BEFORE_SIGNATURE: [&str; 3] = [names::CONTEXT_CHALLENGE, names::SET_CONTEXT, names::STATEMENT_ROLE];

impl Runner<'_> {
    /// Reads and changes the keys, the bound logins and the sequence of the numbers as every role.
    pub(in crate::verify) async fn keys(&mut self) -> Result<(), VerifyError> {
        let Some(sealing) = self.sealing.clone() else { return Ok(()) };
        let owner = self.schema.owner().map(|role| Principal::without_context(role.name.to_string(), None));
        let all = self.members(0).into_iter().chain(self.outsiders()).map(|principal| (principal, false));
        let bound = format!("{}.{}", quoted(self.tenancy.schema), names::BOUND_LOGINS);
        let bound = self.fixture.membership().map(|_| bound);
        let numbers = self.function(names::CONTEXT_NUMBERS);
        let named = literal(&numbers).to_string();
        let technique = "access to the keys and numbers of signatures";
        let install = Signing::new(&sealing, self.tenancy).install(KEY, Limits::NONE);
        let bind = bound.iter().map(|bound| {
            let user =
                self.principals.users.first().map_or("NULL".to_owned(), |person| literal(&person.key).to_string());
            let tenant = literal(&self.principals.tenants[0]);
            format!(
                "INSERT INTO {bound} (login, login_oid, role, tenant_id, user_id) VALUES ('verify', 0, 'verify', {tenant}, {user}); "
            )
        });
        let bind = bind.collect::<String>();
        // Not in the statements of the probes, whose changed rows are counted.
        self.session.undo().await?;
        self.session.run(&format!("{install}{bind}")).await?;
        self.session.keep().await?;
        let all: Vec<_> = all.chain(owner.map(|owner| (owner, true))).collect();
        for (principal, owns) in all {
            let reached = if owns { Outcome::Rows(BTreeSet::new()) } else { Outcome::Denied };
            let made = if owns { Outcome::Refused } else { Outcome::Denied };
            let mut tries = Vec::new();
            for (table, key, change) in [(Some(&sealing.keys), "id", "not_after"), (bound.as_ref(), "login", "role")] {
                let Some(table) = table else { continue };
                tries.push((format!("SELECT {key}::text FROM {table}"), reached.clone()));
                let update = format!("UPDATE {table} SET {change} = {change} RETURNING {key}::text");
                tries.push((update, reached.clone()));
                tries.push((format!("DELETE FROM {table} RETURNING {key}::text"), reached.clone()));
                tries.push((format!("INSERT INTO {table} SELECT * FROM {table}"), reached.clone()));
            }
            let block = "decode(repeat('00', 64), 'hex')";
            let insert =
                format!("INSERT INTO {} (id, inner_block, outer_block) VALUES (32002, {block}, {block})", sealing.keys);
            tries.push((insert, made));
            for use_of_numbers in [
                format!("SELECT nextval({named})::text"),
                format!("SELECT currval({named})::text"),
                "SELECT lastval()::text".to_owned(),
                format!("SELECT setval({named}, 1)::text"),
                format!("SELECT last_value::text FROM {numbers}"),
                format!("ALTER SEQUENCE {numbers} RESTART"),
            ] {
                self.probe(Probe::of_database(technique, &principal, use_of_numbers, Expected::Rejected)).await?;
            }
            for (statement, outcome) in tries {
                self.probe(Probe::of_database(technique, &principal, statement, Expected::Is(outcome))).await?;
            }
        }
        self.session.forget().await
    }

    /// Calls each function in contexts that are not signed: it raises the error before it does anything else.
    pub(in crate::verify) async fn unsigned_functions(&mut self) -> Result<(), VerifyError> {
        if self.sealing.is_none() {
            return Ok(());
        }
        let others = self.outsiders().into_iter().filter(|principal| principal.role.is_some());
        let user = |not: &Option<String>| {
            let mut users = self.principals.users.iter().map(|person| person.key.clone());
            users.find(|key| Some(key) != not.as_ref())
        };
        let mut callers = Vec::new();
        for principal in self.members(0).into_iter().chain(others) {
            let other_user = set_all([(self.tenancy.user_setting, user(&principal.user).unwrap_or_default().as_str())]);
            let other_tenant = set_all([(self.tenancy.tenant_setting, self.principals.tenants[1].as_str())]);
            callers.push(("function in a context that is not signed", principal.unsigned()));
            callers.push(("function after a change of the user", principal.then(other_user)));
            callers.push(("function after a change of the tenant", principal.then(other_tenant)));
        }
        for (technique, caller) in callers {
            let mut probes = Vec::new();
            for (name, function) in self.schema.functions() {
                let name = name.table.as_str();
                if function.returns.is_trigger() || BEFORE_SIGNATURE.contains(&name) {
                    continue;
                }
                let outcome = if self.executes(&caller, function) { Outcome::NotSigned } else { Outcome::Denied };
                let statement = format!("SELECT 'called' FROM {}", self.call_with_nulls(name, function));
                probes.push(Probe::of_database(technique, &caller, statement, Expected::Is(outcome)));
            }
            self.probe_all(probes).await?;
        }
        self.role_of_functions().await
    }

    /// Returns a call with NULL for each argument. NULL has no type here: a caller can lack USAGE on the schema of a type.
    fn call_with_nulls(&self, name: &str, function: &Function) -> String {
        format!("{}({})", self.function(name), vec!["NULL"; function.arguments.len()].join(", "))
    }

    /// Returns whether the role of a principal has EXECUTE on a function.
    fn executes(&self, principal: &Principal, function: &Function) -> bool {
        let includes = |granted: &Ident| {
            let mut roles = self.tenancy.roles.iter().map(|role| role.name);
            let needed = roles.find(|name| self.tenancy.database_role(name) == granted.as_str());
            principal.role.as_deref() == Some(granted.as_str())
                || needed
                    .zip(principal.member_role())
                    .is_some_and(|(needed, role)| crate::matrix::may(self.tenancy, role, Some(needed)))
        };
        function.execute.iter().any(includes)
    }

    /// Calls functions of the no-tenant role in the signed context of a member, with the no-tenant role only when the
    /// server checks the privilege.
    async fn role_of_functions(&mut self) -> Result<(), VerifyError> {
        let Some(no_tenant) = self.schema.no_tenant().map(|role| role.name.to_string()) else { return Ok(()) };
        let technique = "change of the role while a function is called";
        for principal in self.members(0).into_iter().filter(|who| who.session == self.tenancy.login(None)) {
            let role = literal(principal.role.as_deref().unwrap_or_default()).to_string();
            let starting = principal.then(format!("SET LOCAL ROLE {}; ", quoted(&no_tenant)));
            let mut probes = Vec::new();
            for (name, function) in self.schema.functions() {
                let name = name.table.as_str();
                let is_of_members = self.executes(&principal, function);
                let is_called = function.execute.iter().any(|role| role.as_str() == no_tenant);
                if is_of_members || !is_called || BEFORE_SIGNATURE.contains(&name) {
                    continue;
                }
                let call = self.call_with_nulls(name, function);
                let statement = format!(
                    "SELECT 'called' FROM (SELECT set_config('role', {role}, true) OFFSET 0) AS s, LATERAL (SELECT {call} OFFSET 0) AS c"
                );
                let expected = Expected::Is(Outcome::NotSigned);
                probes.push(Probe::of_database(technique, &starting, statement, expected));
            }
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    /// Binds the login of each role to a member: it has the rows of that member without a signature, and no others.
    pub(in crate::verify) async fn bound_logins(&mut self) -> Result<(), VerifyError> {
        let (Some(sealing), Some(_)) = (self.sealing.clone(), self.fixture.membership()) else { return Ok(()) };
        let table = format!("{}.{}", quoted(self.tenancy.schema), names::BOUND_LOGINS);
        // Not with the function, which refuses the logins of the app.
        let bind = |login: &str, member: &Principal| {
            let values = [member.role.as_deref(), member.tenant.as_deref(), member.user.as_deref()];
            let values = values.map(|value| literal(value.unwrap_or_default())).join(", ");
            let login = literal(login);
            format!(
                "INSERT INTO {table} (login, login_oid, role, tenant_id, user_id) VALUES ({login}, \
                 COALESCE((SELECT oid FROM pg_catalog.pg_roles WHERE rolname = {login}), 0), {values}); "
            )
        };
        let members: Vec<_> = self
            .members(0)
            .into_iter()
            .map(|member| {
                let bound = Principal { before: bind(&member.session, &member), ..member.unsigned() };
                let others = Principal { before: bind("verify", &member), ..member.unsigned() };
                (member, bound, others)
            })
            .collect();
        for (member, bound, others) in members {
            let mut probes = Vec::new();
            for def in self.fixture.tables.clone() {
                let read = self.read(&member, def);
                let about = (def.name, Command::Select);
                probes.push(Probe::new("bound login", about, &bound, read.statement, read.expected));
            }
            self.probe_all(probes).await?;
            for (technique, change) in self.changes(&bound, &sealing) {
                // A bound login has no seal: setting an empty one changes nothing.
                if !change.contains(sealing.seal.as_str()) {
                    self.everything_as(technique, &bound.then(change)).await?;
                }
            }
            self.everything_as("binding of another login", &others).await?;
            let other = Principal { user: None, ..bound.clone() };
            self.everything_as("bound login without its user", &other).await?;
            let sealed = set_all([(sealing.seal.as_str(), "0")]);
            self.everything_as("bound login with a seal", &bound.then(sealed)).await?;
        }
        Ok(())
    }
}
