//! Probes of counters: access to their tables, and the numbers that rows get.

use std::collections::BTreeSet;

use crate::{
    ident::{literal, quoted},
    model::{
        def::{ColumnDef, TableDef},
        names::{COUNTER_LAST, COUNTER_TENANT},
        schema::{Column, QualifiedName},
    },
    verify::{
        VerifyError,
        outcome::{Expected, Outcome},
        principals::Principal,
        probe::Probe,
        row_data,
        runner::Runner,
    },
};

impl Runner<'_> {
    /// Reads and changes the last numbers as every role, and inserts rows that are numbered.
    pub(in crate::verify) async fn counters(&mut self) -> Result<(), VerifyError> {
        let columns = self.schema.tables().values().flat_map(|table| &table.columns);
        let tables: Vec<_> = columns.filter_map(Column::counter).map(QualifiedName::quoted).collect();
        let owner = self.schema.owner().map(|role| Principal::without_context(role.name.to_string(), None));
        let others = self.members(0).into_iter().chain(self.outsiders()).map(|principal| (principal, false));
        let all: Vec<_> = others.chain(owner.map(|owner| (owner, true))).filter(|_| !tables.is_empty()).collect();
        for (principal, owns) in all {
            // The owner has all privileges, but RLS is forced.
            let reached = if owns { Outcome::Rows(BTreeSet::new()) } else { Outcome::Denied };
            let made = if owns { Outcome::Refused } else { Outcome::Denied };
            let tenant = literal(&self.principals.tenants[0]);
            let mut probes = Vec::new();
            for table in &tables {
                let returning = format!("RETURNING {COUNTER_LAST}::text");
                let statements = [
                    (format!("SELECT {COUNTER_LAST}::text FROM {table}"), &reached),
                    (format!("UPDATE {table} SET {COUNTER_LAST} = 0 {returning}"), &reached),
                    (format!("DELETE FROM {table} {returning}"), &reached),
                    (format!("INSERT INTO {table} ({COUNTER_TENANT}, {COUNTER_LAST}) VALUES ({tenant}, 0)"), &made),
                ];
                let technique = "access to the last numbers of a counter";
                probes.extend(statements.map(|(statement, expected)| {
                    Probe::of_database(technique, &principal, statement, Expected::Is(expected.clone()))
                }));
            }
            self.probe_all(probes).await?;
        }
        for def in self.fixture.tables.clone() {
            for column in def.columns.iter().filter(|column| column.counter) {
                self.numbers(def, column).await?;
            }
        }
        Ok(())
    }

    /// Inserts a row, rolls it back and inserts it again: it gets the number after the last one of its tenant.
    async fn numbers(&mut self, def: &'static TableDef, column: &ColumnDef) -> Result<(), VerifyError> {
        let Some(counter) = self.last_numbers(def, column) else { return Ok(()) };
        let Some(of) = def.tenant_column() else { return Ok(()) };
        for principal in self.members(0) {
            let Some((insert, tenant)) = self.successful_insert(&principal, def) else { continue };
            let tenant = literal(&self.principals.tenants[tenant]);
            let highest = format!(
                "SELECT concat((SELECT max({}) FROM {} WHERE {} = {tenant}), ' of ', \
                 (SELECT {COUNTER_LAST} FROM {counter} WHERE {COUNTER_TENANT} = {tenant}))",
                quoted(column.name),
                row_data::name(def.name),
                quoted(of)
            );
            self.session.undo().await?;
            let before = self.session.row(&highest).await?.into_iter().flatten().next().unwrap_or_default();
            let next = before.split(" of ").next().and_then(|last| last.parse().ok()).unwrap_or(0_i64) + 1;
            let statement = format!(
                "SAVEPOINT counted; {insert}; ROLLBACK TO counted; {insert}; RESET ROLE; RESET SESSION AUTHORIZATION; {highest}"
            );
            let expected = Expected::Is(Outcome::Rows([format!("{next} of {next}")].into()));
            self.probe(Probe::of_database("number of an inserted row", &principal, statement, expected)).await?;
        }
        Ok(())
    }

    /// Returns the table with the last numbers of a column.
    fn last_numbers(&self, def: &TableDef, column: &ColumnDef) -> Option<String> {
        let columns = &self.row_factory.table(def)?.columns;
        let found = columns.iter().find(|other| other.name.as_str() == column.name)?;
        found.counter().map(QualifiedName::quoted)
    }
}
