//! Probes as the system role of cross-tenant jobs: without a recorded reason, with a recorded
//! reason, and with a reason that another login recorded.

use std::collections::BTreeSet;

use super::{
    VerifyError,
    oracle::Subject,
    outcome::{Expected, Outcome},
    principals::Principal,
    probe::Probe,
    row_data,
    runner::Runner,
};
use crate::{
    ident::{literal, quoted},
    model::{names, schema::Command},
};

/// The time of a record of an earlier transaction. All probes are in one transaction, whose time is the same in all of
/// them, and this time keeps the record valid however long they take.
const EARLIER: &str = "now() + interval '1 day'";

/// Reads the result of a call as the administrator.
const AFTERWARDS: &str = "RESET ROLE; RESET SESSION AUTHORIZATION; SELECT";

/// An access ID for which no record exists.
const MADE_UP: &str = "76657269-6679-4000-8000-ffffffffffff";

impl Runner<'_> {
    /// Runs all probes of the system role.
    pub(super) async fn system_role(&mut self) -> Result<(), VerifyError> {
        let Some(system) = self.system(None) else { return Ok(()) };
        let Some(record) = self.begin_system_access(&system).await? else { return Ok(()) };
        // A record that another login has created.
        self.session.run("RESET ROLE; RESET SESSION AUTHORIZATION").await?;
        let made = format!(
            "INSERT INTO {} (reason, db_user, at) VALUES ('verify', {}, {EARLIER}) RETURNING id::text",
            self.access_log(),
            literal(&self.tenancy.login(None))
        );
        let others = self.session.row(&made).await?.into_iter().flatten().next().unwrap_or_default();
        self.session.keep().await?;
        let principal = |tenant: &str, record: &str, recorded| Principal {
            tenant: Some(tenant.to_owned()),
            subject: Some(Subject::System { recorded }),
            record: Some(record.to_owned()),
            ..system.clone()
        };
        // A record from the same transaction is not valid, because it could be rolled back.
        self.rows_as(&principal("", &record, false)).await?;
        self.session.undo().await?;
        let recorded_at =
            |at: &str| format!("UPDATE {} SET at = {at} WHERE id = {}", self.access_log(), literal(&record));
        let (expired, valid) = (recorded_at(&self.expired()), recorded_at(EARLIER));
        self.session.run(&expired).await?;
        self.session.keep().await?;
        for tenant in [""].into_iter().chain(self.principals.tenants.iter().map(String::as_str)) {
            self.unusable_record("expired access ID", &principal(tenant, &record, false)).await?;
        }
        self.session.forget().await?;
        self.session.run(&valid).await?;
        self.session.keep().await?;
        for tenant in [""].into_iter().chain(self.principals.tenants.iter().map(String::as_str)) {
            for (record, recorded) in [(record.as_str(), true), ("", false), (&others, false), (MADE_UP, false)] {
                if !self.is_done() {
                    self.rows_as(&principal(tenant, record, recorded)).await?;
                }
            }
            for malformed in ["acme", "' OR true --", " "] {
                self.unusable_record("malformed access ID", &principal(tenant, malformed, false)).await?;
            }
        }
        for tenant in ["", &self.principals.tenants[0]] {
            self.changes_of(&principal(tenant, &record, true)).await?;
        }
        self.members_name(&record).await?;
        self.records(&record).await?;
        self.deletes_records(&record).await?;
        self.session.forget().await
    }

    /// Records a reason as every principal; only the system role can record one, and the reason must be long enough.
    async fn begin_system_access(&mut self, system: &Principal) -> Result<Option<String>, VerifyError> {
        let technique = "recording a reason";
        let call = format!("SELECT {}", self.function(names::BEGIN_SYSTEM_ACCESS));
        let length = usize::from(self.tenancy.system_access.reason_length);
        let reason = literal(&"verify ".repeat(length));
        for principal in
            self.members(0).into_iter().chain(self.outsiders()).filter(|principal| principal.role != system.role)
        {
            let statement = format!("{call}({reason})::text");
            let expected = Expected::Is(Outcome::Denied);
            self.probe(Probe::of_database(technique, &principal, statement, expected)).await?;
        }
        let short = "v".repeat(length.saturating_sub(1));
        let padded = format!(" {short}\t\n");
        for short in ["''", "' '", "NULL", &literal(&short), &literal(&padded)] {
            let statement = format!("{call}({short})::text");
            self.probe(Probe::of_database(technique, system, statement, Expected::Nothing)).await?;
        }
        // The database generates the key.
        let statement = format!("{call}({reason})::text");
        let found = self.session.attempt(&self.context_sql(system), &statement).await?;
        let record = match &found {
            Outcome::Rows(rows) => rows.first().cloned(),
            _ => None,
        };
        if record.is_none() {
            let expected = Expected::Is(Outcome::Rows(["an access ID".to_owned()].into()));
            self.record_violation(&Probe::of_database(technique, system, statement, expected), &found);
        }
        Ok(record)
    }

    /// Reads and deletes rows with an access ID that must give no access.
    async fn unusable_record(&mut self, technique: &'static str, principal: &Principal) -> Result<(), VerifyError> {
        let mut probes = Vec::new();
        for def in &self.fixture.tables {
            let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.is_test_row(def));
            let commands = [
                (Command::Select, format!("SELECT {key} FROM {table} WHERE {ours}")),
                (Command::Delete, format!("DELETE FROM {table} WHERE {ours} RETURNING {key}")),
            ];
            probes.extend(commands.map(|(command, statement)| {
                Probe::new(technique, (def.name, command), principal, statement, Expected::Nothing)
            }));
        }
        self.probe_all(probes).await
    }

    /// Sets a valid access ID as other principals, to whom the ID must give no access.
    async fn members_name(&mut self, record: &str) -> Result<(), VerifyError> {
        let system = self.system(None).and_then(|system| system.role);
        let others = self.outsiders().into_iter().filter(|principal| principal.role != system);
        for principal in self.members(0).into_iter().chain(others).collect::<Vec<_>>() {
            let principal = Principal { record: Some(record.to_owned()), ..principal };
            let probes = self.fixture.tables.iter().map(|def| self.read(&principal, def)).collect();
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    /// Reads and changes the access log, on which no tested role has privileges; RLS hides its rows from the owner.
    async fn records(&mut self, record: &str) -> Result<(), VerifyError> {
        let owner = self.schema.owner().map(|role| Principal::without_context(role.name.to_string(), None));
        let mut all: Vec<_> = self.members(0).into_iter().chain(self.outsiders()).collect();
        all.extend(self.system(None).map(|system| Principal {
            subject: Some(Subject::System { recorded: true }),
            record: Some(record.to_owned()),
            ..system
        }));
        let all = all.into_iter().map(|principal| (principal, false)).chain(owner.map(|principal| (principal, true)));
        let (uses, this) = (self.access_log(), literal(record));
        let technique = "access to the log of cross-tenant jobs";
        for (principal, owns) in all {
            let reaching = [
                format!("SELECT id::text FROM {uses} WHERE id = {this}"),
                format!("UPDATE {uses} SET reason = 'another' WHERE id = {this} RETURNING id::text"),
                format!("DELETE FROM {uses} WHERE id = {this} RETURNING id::text"),
            ];
            let making = format!("INSERT INTO {uses} (reason) VALUES ('verify')");
            let reached = if owns { Outcome::Rows(BTreeSet::new()) } else { Outcome::Denied };
            let made = if owns { Outcome::Refused } else { Outcome::Denied };
            let tries = reaching.map(|statement| (statement, reached.clone())).into_iter().chain([(making, made)]);
            for (statement, expected) in tries {
                let expected = Expected::Is(expected);
                self.probe(Probe::of_database(technique, &principal, statement, expected)).await?;
            }
        }
        Ok(())
    }

    /// Deletes records as every principal: only the schema owner can, and only old ones.
    async fn deletes_records(&mut self, record: &str) -> Result<(), VerifyError> {
        let technique = "deletion of records of cross-tenant jobs";
        let (function, log) = (self.function(names::DELETE_SYSTEM_ACCESS), self.access_log());
        let old = format!("interval '{} days'", self.tenancy.system_access.retention_days);
        let delete = format!("SELECT FROM {function}({old})");
        let system = self.system(None).map(|system| Principal { record: Some(record.to_owned()), ..system });
        for principal in self.members(0).into_iter().chain(self.outsiders()).chain(system).collect::<Vec<_>>() {
            let expected = Expected::Is(Outcome::Denied);
            self.probe(Probe::of_database(technique, &principal, delete.clone(), expected)).await?;
        }
        let Some(owner) = self.schema.owner().map(|role| role.name.to_string()) else { return Ok(()) };
        let owner = Principal::without_context(owner, None);
        let look = format!("{AFTERWARDS} 'kept' FROM {log} WHERE id = {}", literal(record));
        let kept = || Outcome::Rows(["kept".to_owned()].into());
        // The record is younger or older than the minimum age by a minute.
        for (age, outcome) in [("-", kept()), ("+", Outcome::Rows(BTreeSet::new()))] {
            let at = format!("now() - ({old} {age} interval '1 minute')");
            self.session.undo().await?;
            self.session.run(&format!("UPDATE {log} SET at = {at} WHERE id = {}", literal(record))).await?;
            self.session.keep().await?;
            let statement = format!("{delete}; {look}");
            self.probe(Probe::of_database(technique, &owner, statement, Expected::Is(outcome))).await?;
            for early in [format!("{old} - interval '1 second'"), "interval '0'".to_owned(), "NULL".to_owned()] {
                let statement = format!("SELECT 'deleted' FROM {function}({early})");
                self.probe(Probe::of_database(technique, &owner, statement, Expected::Nothing)).await?;
            }
            self.session.forget().await?;
        }
        Ok(())
    }

    /// Returns the time of a record that has just expired, as SQL.
    fn expired(&self) -> String {
        format!("now() - interval '{} seconds'", self.tenancy.system_access.timeout)
    }

    /// Returns the quoted name of the access log.
    fn access_log(&self) -> String {
        format!("{}.{}", quoted(self.tenancy.schema), names::SYSTEM_ACCESS_LOG)
    }
}
