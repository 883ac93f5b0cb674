//! Probes of changes after a context was signed: settings, the role and the seal, before a statement, within it, and while a
//! cursor is open.

use std::collections::BTreeSet;

use crate::{
    db::setting,
    ident::{literal, quoted},
    matrix::may,
    model::{def::TableDef, schema::Command},
    verify::{
        VerifyError,
        outcome::{Expected, Outcome},
        principals::Principal,
        probe::Probe,
        probes::writes::DEFAULT_VALUES,
        row_data,
        runner::Runner,
        sealing::Sealing,
        signing::set_all,
    },
};

/// A change of a signed context: the technique, and the statements.
type Change = (&'static str, String);

/// The part of the technique's name that all probes in a changed context share.
const SEAL: &str = "change of the seal of a signed context";
const SETTING: &str = "change of a setting of a signed context";
const ROLE: &str = "change of the role of a signed context";

impl Runner<'_> {
    /// Changes the signed contexts of the members of the first tenant.
    pub(in crate::verify) async fn changed_contexts(&mut self) -> Result<(), VerifyError> {
        if self.sealing.is_some() {
            for principal in self.members(0) {
                if !self.is_done() {
                    self.changes_of(&principal).await?;
                    self.role_within_statement(&principal).await?;
                }
            }
        }
        Ok(())
    }

    /// Changes a signed context in every way, before a statement and within it.
    pub(in crate::verify) async fn changes_of(&mut self, principal: &Principal) -> Result<(), VerifyError> {
        let Some(sealing) = self.sealing.clone() else { return Ok(()) };
        for (technique, change) in self.changes(principal, &sealing) {
            self.everything_as(technique, &principal.then(change)).await?;
        }
        // A seal is for one transaction.
        for time in ["now() - interval '1 microsecond'", "now() + interval '1 microsecond'", "now() - interval '1 day'"]
        {
            let values = [&principal.tenant, &principal.user, &principal.record].map(Option::as_deref);
            let before = sealing.set_context_at(time, principal.role.as_deref().unwrap_or_default(), &values);
            let other = Principal { before, ..principal.unsigned_without_settings() };
            self.everything_as("seal of another transaction", &other).await?;
        }
        self.settings_within_statement(principal, &sealing).await
    }

    /// Returns the changes that injected SQL could make in the context of a principal.
    pub(in crate::verify) fn changes(&self, principal: &Principal, sealing: &Sealing) -> Vec<Change> {
        let (tenant_setting, user_setting) = (self.tenancy.tenant_setting, self.tenancy.user_setting);
        let seal = sealing.seal.as_str();
        let mut changes = Vec::new();
        let (tenant, user) = (principal.tenant.as_deref(), principal.user.as_deref());
        for other in self.principals.tenants.iter().map(String::as_str).chain([""]).filter(|key| Some(*key) != tenant) {
            changes.push((SETTING, set_all([(tenant_setting, other)])));
        }
        let users = || self.principals.users.iter().map(|person| person.key.as_str()).chain([""]);
        // The user of a job is not part of its context.
        for other in users().filter(|key| user.is_some() && Some(*key) != user) {
            changes.push((SETTING, set_all([(user_setting, other)])));
        }
        let login = principal.session.clone();
        let no_tenant = self.schema.no_tenant().map(|role| role.name.to_string());
        let no_tenant = no_tenant.filter(|_| login == self.tenancy.login(None));
        let members =
            [0, 1].map(|tenant| self.members(tenant)).into_iter().flatten().filter(|who| who.session == login);
        let members: Vec<_> =
            members.filter(|who| who.tenant != principal.tenant || who.role != principal.role).collect();
        let roles: BTreeSet<_> = members.iter().filter_map(|who| who.role.clone()).chain(no_tenant).collect();
        for role in roles.iter().filter(|role| Some(*role) != principal.role.as_ref()) {
            changes.push((ROLE, format!("SET LOCAL ROLE {}; ", quoted(role))));
        }
        changes.push((ROLE, "RESET ROLE; ".to_owned()));
        for who in &members {
            let settings = [
                (tenant_setting, who.tenant.as_deref().unwrap_or_default()),
                (user_setting, who.user.as_deref().unwrap_or_default()),
            ];
            let role = quoted(who.role.as_deref().unwrap_or_default());
            let text = format!("SET LOCAL ROLE {role}; {}", set_all(settings));
            changes.push(("change to the context of another user", text));
        }
        // Without a seal, the setting is not part of the context.
        for access in sealing.settings.iter().skip(2).filter(|_| principal.sealed) {
            let record = if principal.record.is_some() { "" } else { "76657269-6679-4000-8000-fffffffffff0" };
            changes.push((SETTING, set_all([(access.as_str(), record)])));
        }
        for name in sealing.settings.iter().map(String::as_str).chain([seal]) {
            if current(principal, sealing, name) != Some("") {
                changes.push((SETTING, format!("RESET {}; ", setting(name))));
            }
        }
        let current = format!("current_setting({})", literal(seal));
        for other in [
            "''".to_owned(),
            "repeat('0', 64)".to_owned(),
            format!("upper({current})"),
            format!("left({current}, 63)"),
            format!("{current} || '0'"),
            format!("reverse({current})"),
        ] {
            let block = format!("DO $set$BEGIN PERFORM set_config({}, {other}, true); END$set$; ", literal(seal));
            changes.push((SEAL, block));
        }
        changes
    }

    /// Reads and writes every table as a principal whose context must give no access to any row.
    pub(in crate::verify) async fn everything_as(
        &mut self,
        technique: &'static str,
        principal: &Principal,
    ) -> Result<(), VerifyError> {
        let mut probes = Vec::new();
        let context = principal.context();
        for def in self.fixture.tables.clone() {
            let mut add = |command, statement| {
                probes.push(Probe::new(technique, (def.name, command), principal, statement, Expected::Nothing));
            };
            let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.is_test_row(def));
            add(Command::Select, format!("SELECT {key} FROM {table} WHERE {ours}"));
            add(Command::Delete, format!("DELETE FROM {table} WHERE {ours} RETURNING {key}"));
            let update = self.update(principal, &context, def);
            update.into_iter().for_each(|probe| add(Command::Update, probe.statement));
            let mut inserts = Vec::new();
            self.insert(principal, &context, def, false, &mut inserts);
            inserts.into_iter().for_each(|probe| add(Command::Insert, probe.statement));
        }
        self.probe_all(probes).await
    }

    /// Changes a setting within a statement that reads rows: it reads at most the rows of the signed context.
    async fn settings_within_statement(&mut self, principal: &Principal, sealing: &Sealing) -> Result<(), VerifyError> {
        let technique = "change of a setting within a statement";
        let other_tenant = self.principals.tenants.iter().find(|key| Some(*key) != principal.tenant.as_ref());
        let other_users = self.principals.users.iter().filter(|person| Some(&person.key) != principal.user.as_ref());
        let targets = other_tenant.map(|tenant| (self.tenancy.tenant_setting, tenant.as_str())).into_iter();
        let targets = targets.chain([(self.tenancy.tenant_setting, "")]);
        let users = other_users.map(|person| (self.tenancy.user_setting, person.key.as_str()));
        let targets: Vec<_> = targets.chain(users.filter(|_| principal.user.is_some())).collect();
        let mut probes = Vec::new();
        for def in self.fixture.tables.clone() {
            let context = principal.context();
            let oracle = self.oracle(&context);
            let most = |rows: BTreeSet<String>| Expected::AtMost(rows);
            let readable = match oracle.select(def) {
                Expected::Is(Outcome::Rows(rows)) | Expected::AtMost(rows) => most(rows),
                other => other,
            };
            let (key, table, ours) = (Self::key(def, "t."), row_data::name(def.name), self.is_test_row(def));
            for (name, value) in &targets {
                let value_of = |name: &str| current(principal, sealing, name).unwrap_or_default();
                let set = |value: &str| format!("set_config({}, {}, true)", literal(name), literal(value));
                let (change, back) = (set(value), set(value_of(name)));
                let first = format!("SELECT {key} FROM {table} AS t WHERE {ours}");
                for statement in [
                    // Before the first row, at each row, and after a row.
                    format!("{first} AND (SELECT {change}) IS NOT NULL"),
                    format!("{first} AND {change} IS NOT NULL"),
                    format!("SELECT {key} FROM (SELECT {change} OFFSET 0) AS s, {table} AS t WHERE {ours}"),
                    format!("SELECT {key} FROM {table} AS t, LATERAL (SELECT {change} OFFSET 0) AS s WHERE {ours}"),
                    format!("SELECT k FROM (SELECT {key} AS k, {change} FROM {table} AS t WHERE {ours} OFFSET 0) AS s"),
                    format!(
                        "WITH s AS MATERIALIZED (SELECT {change}) SELECT {key} FROM {table} AS t WHERE ({ours}) AND EXISTS (SELECT FROM s)"
                    ),
                    // Another context for some rows of an outer loop, and the signed context for the others.
                    format!(
                        "SELECT r.k FROM generate_series(1, 4) AS n, LATERAL (SELECT CASE WHEN n % 2 = 1 THEN {change} ELSE {back} END OFFSET 0) AS s, \
                         LATERAL (SELECT {key} AS k FROM {table} AS t WHERE ({ours}) AND n > 0 OFFSET 0) AS r"
                    ),
                ] {
                    let about = (def.name, Command::Select);
                    probes.push(Probe::new(technique, about, principal, statement, readable.clone()));
                }
            }
        }
        self.probe_all(probes).await
    }

    /// Starts statements as another role, whose privileges the server checks first, and assumes the role of the signed
    /// context before the policies are evaluated. The user could act with a higher role than that of the context.
    async fn role_within_statement(&mut self, principal: &Principal) -> Result<(), VerifyError> {
        let (Some(own), Some(role)) = (principal.member_role(), principal.role.clone()) else { return Ok(()) };
        let highest = self.members(0).into_iter().last().and_then(|member| member.user);
        let principal = Principal { user: highest, ..principal.clone() };
        let others = self.tenancy.roles.iter().map(|role| role.name);
        let others = others.filter(|other| !may(self.tenancy, own, Some(other)));
        let others: Vec<_> = others.filter(|other| self.tenancy.login(Some(other)) == principal.session).collect();
        let back = format!("(SELECT set_config('role', {}, true)) IS NOT NULL", literal(&role));
        for other in others {
            let assume = format!("SET LOCAL ROLE {}; ", quoted(&self.tenancy.database_role(other)));
            let starting = principal.then(assume.clone());
            let mut probes = Vec::new();
            for def in self.fixture.tables.clone() {
                self.as_other_role(&starting, &role, &back, def, &mut probes);
            }
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    fn as_other_role<'p>(
        &self,
        starting: &'p Principal,
        role: &str,
        back: &str,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        // What the role of the signed context can do.
        let context = starting.context();
        let oracle = self.oracle(&context);
        let at_most = |expected| match expected {
            Expected::Is(Outcome::Rows(rows)) | Expected::AtMost(rows) | Expected::AtMostOrBroken(rows) => {
                Expected::AtMostOrError(rows)
            }
            _ => Expected::Nothing,
        };
        let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.is_test_row(def));
        let within = "change of the role within a statement";
        let cursor = "change of the role while a cursor is open";
        let mut add = |command, technique, statement, expected| {
            probes.push(Probe::new(technique, (def.name, command), starting, statement, expected));
        };
        let mut read = |what: &str, expected: &Expected| {
            let read = format!("SELECT {what} FROM {table} WHERE ({ours})");
            add(Command::Select, within, format!("{read} AND {back}"), expected.clone());
            let fetched =
                format!("DECLARE verify CURSOR FOR {read}; SET LOCAL ROLE {}; FETCH ALL FROM verify", quoted(role));
            add(Command::Select, cursor, fetched, expected.clone());
        };
        read(&key, &at_most(oracle.select(def)));
        for column in def.columns.iter().filter(|column| !oracle.has_column_privilege(def, Command::Select, column)) {
            read(&format!("coalesce({}::text, 'NULL')", quoted(column.name)), &Expected::Nothing);
        }
        let deletable = self.fixture.rows_of(def.name).filter_map(|row| match oracle.delete(def, row).0 {
            Expected::Is(Outcome::Rows(rows)) | Expected::AtMost(rows) => Some(rows),
            _ => None,
        });
        let deleted = Expected::AtMostOrError(deletable.flatten().collect());
        let deleted = if oracle.has_delete_privilege(def) { deleted } else { Expected::Nothing };
        let statement = format!("DELETE FROM {table} WHERE ({ours}) AND {back} RETURNING {key}");
        add(Command::Delete, within, statement, deleted);
        for column in def.columns.iter().filter(|column| !oracle.has_column_privilege(def, Command::Update, column)) {
            let name = quoted(column.name);
            let statement = format!("UPDATE {table} SET {name} = {name} WHERE ({ours}) AND {back} RETURNING {key}");
            add(Command::Update, within, statement, Expected::Nothing);
        }
        let mut inserts = Vec::new();
        self.insert(starting, &context, def, true, &mut inserts);
        for probe in inserts.into_iter().filter(|probe| matches!(probe.expected, Expected::Is(Outcome::Denied))) {
            let Some((start, values, returning)) = parts_of_insert(&probe.statement) else { continue };
            let statement = format!("{start} SELECT {values} WHERE {back}{returning}");
            add(Command::Insert, within, statement, Expected::Nothing);
        }
    }
}

/// Splits an INSERT into the text before its values, the values, and the text after them.
fn parts_of_insert(statement: &str) -> Option<(&str, &str, &str)> {
    if let Some((start, returning)) = statement.split_once(DEFAULT_VALUES) {
        return Some((start, "", returning));
    }
    let (start, values) = statement.split_once(" VALUES (")?;
    let (values, returning) = values.rsplit_once(')')?;
    Some((start, values, returning))
}

/// Returns the value of a setting in the context of a principal; `None` if it is not a setting of the context.
fn current<'a>(principal: &'a Principal, sealing: &Sealing, name: &str) -> Option<&'a str> {
    let values = [&principal.tenant, &principal.user, &principal.record];
    let at = sealing.settings.iter().position(|setting| setting == name)?;
    values.get(at).map(|value| value.as_deref().unwrap_or_default())
}
