//! Attacks as the system role, by which jobs cross tenants: without a reason, with one, with somebody else's.

use std::collections::BTreeSet;

use super::{
    VerifyError,
    oracle::{Expected, Outcome, Subject},
    principals::Principal,
    row_data,
    runner::{Probe, Runner},
};
use crate::{
    ident::{literal, quoted},
    model::{names, schema::Command},
};

/// A key that no record has.
const MADE_UP: &str = "70726f76-6500-4000-8000-ffffffffffff";

impl Runner<'_> {
    /// Crosses tenants in every way that a job could try.
    pub(super) async fn system_role(&mut self) -> Result<(), VerifyError> {
        let Some(system) = self.system(None) else { return Ok(()) };
        let Some(record) = self.begin_system_access(&system).await? else { return Ok(()) };
        // A record of another login's, which no function could have made.
        self.session.run("RESET ROLE; RESET SESSION AUTHORIZATION").await?;
        let made = format!(
            "INSERT INTO {} (reason, db_user, at) VALUES ('prove', {}, 'epoch') RETURNING id::text",
            self.uses(),
            literal(&self.tenancy.login(None))
        );
        let others = self.session.row(&made).await?.into_iter().flatten().next().unwrap_or_default();
        self.session.keep().await?;
        let acting = |tenant: &str, record: &str, recorded| Principal {
            tenant: Some(tenant.to_owned()),
            asker: Some(Subject::System { recorded }),
            record: Some(record.to_owned()),
            ..system.clone()
        };
        // One of the same transaction is as good as none: it could be rolled back.
        self.rows_as(&acting("", &record, false)).await?;
        self.session.undo().await?;
        let committed_before = format!("UPDATE {} SET at = 'epoch' WHERE id = {}", self.uses(), literal(&record));
        self.session.run(&committed_before).await?;
        self.session.keep().await?;
        for tenant in [""].into_iter().chain(self.cast.tenants.iter().map(String::as_str)) {
            for (record, recorded) in [(record.as_str(), true), ("", false), (&others, false), (MADE_UP, false)] {
                if !self.is_done() {
                    self.rows_as(&acting(tenant, record, recorded)).await?;
                }
            }
            for malformed in ["acme", "' OR true --", " "] {
                self.malformed_record(&acting(tenant, malformed, false)).await?;
            }
        }
        self.members_name(&record).await?;
        self.records(&record).await?;
        self.session.forget().await
    }

    /// Records a reason as everybody: the system role alone may, and not a blank one.
    async fn begin_system_access(&mut self, system: &Principal) -> Result<Option<String>, VerifyError> {
        let door = "recording a reason";
        let call = format!("SELECT {}", self.function(names::BEGIN_SYSTEM_ACCESS));
        for acting in self.members(0).into_iter().chain(self.outsiders()).filter(|acting| acting.role != system.role) {
            let statement = format!("{call}('prove')::text");
            let expected = Expected::Is(Outcome::Denied);
            self.probe(Probe { door, about: None, acting: &acting, statement, expected }).await?;
        }
        for blank in ["''", "' '", "NULL"] {
            let statement = format!("{call}({blank})::text");
            self.probe(Probe { door, about: None, acting: system, statement, expected: Expected::Nothing }).await?;
        }
        // Which key it gets is the database's to say.
        let statement = format!("{call}('prove')::text");
        let found = self.session.attempt(&system.sql(self.tenancy), &statement).await?;
        let record = match &found {
            Outcome::Rows(rows) => rows.first().cloned(),
            _ => None,
        };
        if record.is_none() {
            let expected = Expected::Is(Outcome::Rows(["the key of a record".to_owned()].into()));
            self.differ(&Probe { door, about: None, acting: system, statement, expected }, &found);
        }
        Ok(record)
    }

    /// Names as a record what is none.
    async fn malformed_record(&mut self, acting: &Principal) -> Result<(), VerifyError> {
        for def in self.world.tables.clone() {
            let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.ours(def));
            let commands = [
                (Command::Select, format!("SELECT {key} FROM {table} WHERE {ours}")),
                (Command::Delete, format!("DELETE FROM {table} WHERE {ours} RETURNING {key}")),
            ];
            for (command, statement) in commands {
                let about = Some((def.name, command));
                let expected = Expected::Nothing;
                self.probe(Probe { door: "a malformed record", about, acting, statement, expected }).await?;
            }
        }
        Ok(())
    }

    /// Names a job's record as a member, and as who has no rights: it gives them none.
    async fn members_name(&mut self, record: &str) -> Result<(), VerifyError> {
        let system = self.system(None).and_then(|system| system.role);
        let others = self.outsiders().into_iter().filter(|acting| acting.role != system);
        for acting in self.members(0).into_iter().chain(others).collect::<Vec<_>>() {
            let acting = Principal { record: Some(record.to_owned()), ..acting };
            for def in self.world.tables.clone() {
                self.read(&acting, def).await?;
            }
        }
        Ok(())
    }

    /// Reads and changes the records themselves, which nobody may; the tables' owner reaches none of them.
    async fn records(&mut self, record: &str) -> Result<(), VerifyError> {
        let owner = self.schema.owner().map(|role| Principal::nobody(role.name.to_string(), None));
        let mut everybody: Vec<_> = self.members(0).into_iter().chain(self.outsiders()).collect();
        everybody.extend(self.system(None).map(|system| Principal {
            asker: Some(Subject::System { recorded: true }),
            record: Some(record.to_owned()),
            ..system
        }));
        let everybody = everybody.into_iter().map(|acting| (acting, false)).chain(owner.map(|acting| (acting, true)));
        let (uses, this) = (self.uses(), literal(record));
        let door = "the records of why tenants are crossed";
        for (acting, owns) in everybody {
            let reaching = [
                format!("SELECT id::text FROM {uses} WHERE id = {this}"),
                format!("UPDATE {uses} SET reason = 'another' WHERE id = {this} RETURNING id::text"),
                format!("DELETE FROM {uses} WHERE id = {this} RETURNING id::text"),
            ];
            let making = format!("INSERT INTO {uses} (reason) VALUES ('prove')");
            let reached = if owns { Outcome::Rows(BTreeSet::new()) } else { Outcome::Denied };
            let made = if owns { Outcome::Refused } else { Outcome::Denied };
            let tries = reaching.map(|statement| (statement, reached.clone())).into_iter().chain([(making, made)]);
            for (statement, expected) in tries {
                let expected = Expected::Is(expected);
                self.probe(Probe { door, about: None, acting: &acting, statement, expected }).await?;
            }
        }
        Ok(())
    }

    /// The table of the records, as it stands in SQL.
    fn uses(&self) -> String {
        format!("{}.{}", quoted(self.tenancy.schema), names::SYSTEM_ACCESS_LOG)
    }
}
