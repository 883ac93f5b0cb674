//! The runner: runs probes as principals and records the violations.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    VerifyError,
    fixture::{Fixture, Row, keys},
    oracle::Oracle,
    outcome::{Expected, Outcome},
    principals::{NAMES, Principal, Principals},
    probe::Probe,
    row_data::{self, RowFactory, RowSpec},
    sealing::Sealing,
    session::{Session, TIMEOUTS},
    violation::{Violation, meaning, plain},
};
use crate::{
    ident::quoted,
    matrix::{is_by_function, system_may},
    model::{
        def::{ScopeDef, TableDef, TableName, TenancyDef},
        names,
        schema::{Command, Schema},
    },
};

/// The verification of one database.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    pub(super) session: Session,
    pub(super) schema: &'a Schema,
    pub(super) tenancy: &'static TenancyDef,
    pub(super) principals: &'a Principals,
    /// Seals the contexts, if the tenancy has signed contexts.
    pub(super) sealing: Option<Sealing>,
    pub(super) fixture: Fixture,
    pub(super) row_factory: RowFactory<'a>,
    /// Rows that can be inserted, each with its tenant: one row per owner.
    pub(super) templates: BTreeMap<TableName, Vec<(usize, Row)>>,
    /// Whether to stop after the first group of probes with a violation.
    pub(super) first_only: bool,
    pub(super) violations: Vec<Violation>,
    /// Statements without an outcome, because of a timeout or another session's lock.
    pub(super) given_up: Vec<String>,
    /// The foreign keys between declared tables in the database, as pairs of referencing and referenced table.
    foreign_keys: BTreeSet<(TableName, TableName)>,
    /// The partitions and other children of each table in the database, by quoted names.
    pub(super) children: BTreeMap<String, Vec<String>>,
}

/// The maximum number of statements in one round trip.
const BATCH: usize = 200;

impl<'a> Runner<'a> {
    pub(super) fn new(
        session: Session,
        schema: &'a Schema,
        fixture: Fixture,
        row_factory: RowFactory<'a>,
        first_only: bool,
    ) -> Self {
        Self {
            session,
            schema,
            tenancy: fixture.tenancy,
            principals: row_factory.principals,
            sealing: Sealing::new(fixture.tenancy, schema),
            fixture,
            row_factory,
            templates: BTreeMap::new(),
            first_only,
            violations: Vec::new(),
            given_up: Vec::new(),
            foreign_keys: BTreeSet::new(),
            children: BTreeMap::new(),
        }
    }
}

impl Runner<'_> {
    /// Runs a statement, and records a violation if the outcome differs from the expected outcome.
    pub(super) async fn probe(&mut self, probe: Probe<'_>) -> Result<(), VerifyError> {
        self.probe_alone(&probe).await
    }

    /// Runs statements, with as few round trips as possible for each principal. Each statement runs as if it were the
    /// only one.
    pub(super) async fn probe_all(&mut self, probes: Vec<Probe<'_>>) -> Result<(), VerifyError> {
        let (single, mut alone): (Vec<_>, Vec<_>) = probes.iter().partition(|probe| probe.is_single());
        let mut rest = single.as_slice();
        while let Some(first) = rest.first() {
            let same = rest.iter().take(BATCH).take_while(|probe| probe.principal == first.principal).count();
            let (batch, others) = rest.split_at(same);
            rest = others;
            let statements: Vec<_> = batch.iter().map(|probe| probe.statement.as_str()).collect();
            let Some(outcomes) = self.session.attempt_all(&self.context_sql(first.principal), &statements).await?
            else {
                alone.extend(batch);
                continue;
            };
            for (probe, found) in batch.iter().zip(&outcomes) {
                // The batch is rolled back, so a DELETE runs again before the remaining rows are read.
                if probe.has_removed_rows(found) {
                    alone.push(probe);
                } else {
                    self.compare(probe, found);
                }
            }
        }
        for probe in alone {
            self.probe_alone(probe).await?;
        }
        Ok(())
    }

    async fn probe_alone(&mut self, probe: &Probe<'_>) -> Result<(), VerifyError> {
        let found = self.session.attempt(&self.context_sql(probe.principal), &probe.statement).await?;
        self.compare(probe, &found);
        if probe.has_removed_rows(&found) {
            self.compare_remaining_rows(probe).await?;
        }
        Ok(())
    }

    fn compare(&mut self, probe: &Probe<'_>, found: &Outcome) {
        match found {
            Outcome::Failed(message)
                if TIMEOUTS.iter().any(|code| message.ends_with(&format!("(SQLSTATE {code})"))) =>
            {
                let principal = self.context_sql(probe.principal);
                self.given_up.push(format!("{principal}{}: {message}", probe.statement));
            }
            found if !probe.expected.is_met_by(found) => self.record_violation(probe, found),
            _ => {}
        }
    }

    /// Compares the rows that remain after a DELETE with the rows that should remain according to the declaration.
    async fn compare_remaining_rows(&mut self, probe: &Probe<'_>) -> Result<(), VerifyError> {
        let (Some(gone), Some((table, _))) = (&probe.removes, probe.about) else { return Ok(()) };
        let tables = self.tables_reached_by_delete(table);
        if tables.len() < 2 {
            return Ok(());
        }
        let left = self.remaining_rows(&tables).await?;
        let mut wrong = Vec::new();
        for def in tables {
            let keys = self.fixture.rows_of(def.name).map(|row| (def.name, row.key(def)));
            wrong.extend(keys.filter(|key| left.contains(key) == gone.contains(key)));
        }
        for (table, key) in wrong {
            let rows = Outcome::Rows([key.clone()].into());
            let expected = if gone.contains(&(table, key)) { rows.clone() } else { Outcome::Rows(BTreeSet::new()) };
            let found = if expected == rows { Outcome::Rows(BTreeSet::new()) } else { rows };
            let about = (table, Command::Delete);
            let probe =
                Probe::new("cascading DELETE", about, probe.principal, probe.statement.clone(), Expected::Is(expected));
            self.record_violation(&probe, &found);
        }
        Ok(())
    }

    /// Returns a table and the tables whose rows a DELETE on it can remove through the database's foreign keys.
    fn tables_reached_by_delete(&self, table: TableName) -> Vec<&'static TableDef> {
        let mut reached = vec![table];
        let mut next = 0;
        while let Some(target) = reached.get(next).copied() {
            for (from, _) in self.foreign_keys.iter().filter(|(_, to)| *to == target) {
                if !reached.contains(from) {
                    reached.push(*from);
                }
            }
            next += 1;
        }
        reached.into_iter().filter_map(|name| self.fixture.table(name)).collect()
    }

    /// Reads the foreign keys between the declared tables, and the partitions, from the database.
    pub(super) async fn read_catalog(&mut self) -> Result<(), VerifyError> {
        let foreign_keys = "SELECT a.nspname::text, f.relname::text, b.nspname::text, t.relname::text
             FROM pg_catalog.pg_constraint AS k
             JOIN pg_catalog.pg_class AS f ON f.oid = k.conrelid JOIN pg_catalog.pg_namespace AS a ON a.oid = f.relnamespace
             JOIN pg_catalog.pg_class AS t ON t.oid = k.confrelid JOIN pg_catalog.pg_namespace AS b ON b.oid = t.relnamespace
             WHERE k.contype = 'f'";
        for row in self.session.rows(foreign_keys).await? {
            let [Some(schema), Some(from), Some(target_schema), Some(to)] = row.as_slice() else { continue };
            let declared = |schema: &str, table: &str| {
                self.fixture.tables.iter().map(|def| def.name).find(|name| name.schema == schema && name.table == table)
            };
            if let (Some(from), Some(to)) = (declared(schema, from), declared(target_schema, to)) {
                self.foreign_keys.insert((from, to));
            }
        }
        let children = "WITH RECURSIVE child AS (
                 SELECT inhparent AS root, inhrelid FROM pg_catalog.pg_inherits
                 UNION SELECT child.root, i.inhrelid FROM pg_catalog.pg_inherits AS i JOIN child ON i.inhparent = child.inhrelid)
             SELECT format('%I.%I', m.nspname, r.relname), format('%I.%I', n.nspname, c.relname) FROM child
                 JOIN pg_catalog.pg_class AS r ON r.oid = root JOIN pg_catalog.pg_namespace AS m ON m.oid = r.relnamespace
                 JOIN pg_catalog.pg_class AS c ON c.oid = inhrelid JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
             ORDER BY 1, 2";
        for row in self.session.rows(children).await? {
            if let [Some(root), Some(child)] = row.as_slice() {
                self.children.entry(root.clone()).or_default().push(child.clone());
            }
        }
        Ok(())
    }

    /// Records a violation: the first violation of its kind in full, further violations only as a count.
    pub(super) fn record_violation(&mut self, probe: &Probe<'_>, found: &Outcome) {
        let violation = self.violation(probe, found);
        self.add_violation(violation);
    }

    /// Adds a violation: the first of its kind in full, the others as a number.
    pub(super) fn add_violation(&mut self, violation: Violation) {
        match self.violations.iter_mut().find(|other| other.is_like(&violation)) {
            Some(other) => other.more += 1,
            None => self.violations.push(violation),
        }
    }

    /// Returns the statements that set a principal's login, role and context.
    pub(super) fn context_sql(&self, principal: &Principal) -> String {
        principal.sql(self.tenancy, self.sealing.as_ref())
    }

    /// Returns the quoted name of a generated function.
    pub(super) fn function(&self, name: &str) -> String {
        names::auth_object(self.tenancy.schema, name)
    }

    /// Returns whether a principal is the administrator, for whom only foreign keys apply.
    pub(super) fn is_administrator(&self, principal: &Principal) -> bool {
        principal.session == self.session.user
    }

    /// Returns the expression for the key of a row.
    pub(super) fn key(def: &TableDef, alias: &str) -> String {
        let keys = keys(def).map(|column| format!("{alias}{}::text", quoted(column.name)));
        format!("concat_ws('|', {})", keys.collect::<Vec<_>>().join(", "))
    }

    /// Returns the condition that a row is a test row.
    pub(super) fn is_test_row(&self, def: &TableDef) -> String {
        let rows = self.fixture.rows_of(def.name).map(|row| format!("({})", row_data::is_row(def, row)));
        rows.collect::<Vec<_>>().join(" OR ")
    }

    /// Returns the index of the tenant to which a row belongs.
    pub(super) fn tenant_of(&self, def: &TableDef, row: &Row) -> Option<usize> {
        self.principals.tenant_of(def, &row.values)
    }

    /// Inserts one row per tenant and owner, keeps the rows as templates, and rolls back.
    pub(super) async fn make_templates(&mut self) -> Result<(), VerifyError> {
        for def in self.fixture.tables.clone() {
            // A table without INSERT requires no template.
            let by_members = def.insert.is_some()
                && !is_by_function(def, Command::Insert)
                && !matches!(def.scope, ScopeDef::Shared { .. });
            if !by_members && !system_may(def, Command::Insert) {
                continue;
            }
            let mut made = Vec::new();
            for tenant in 0..2 {
                let base = self.row_factory.of_tenant(def, tenant);
                let owners: Vec<_> = match def.owner {
                    Some(owner) => {
                        self.principals.members(tenant).map(|(person, _)| Some((owner, person.key.clone()))).collect()
                    }
                    None => vec![None],
                };
                for owner in owners {
                    let mut wanted: RowSpec = base.clone();
                    wanted.fixed.extend(owner.map(|(name, key)| (name, Some(key))));
                    if def.scope == (ScopeDef::Tenant { column: keys(def).last().map_or("", |key| key.name) })
                        && keys(def).count() == 1
                    {
                        // A row of the tenant table is itself a tenant.
                        wanted.fixed.clear();
                    }
                    match self.row_factory.insert_minimal(&mut self.session, &self.fixture, def, &wanted).await {
                        Ok(row) => made.push((tenant, row)),
                        // A unique constraint allows no further rows, such as in a table with one row per user.
                        Err(VerifyError::Data { .. }) => {}
                        Err(error) => return Err(error),
                    }
                    self.session.undo().await?;
                }
            }
            self.templates.insert(def.name, made);
        }
        Ok(())
    }

    /// Returns the remaining test rows of the given tables, by table and key.
    async fn remaining_rows(
        &mut self,
        tables: &[&'static TableDef],
    ) -> Result<BTreeSet<(TableName, String)>, VerifyError> {
        let parts = tables.iter().enumerate().filter(|(_, def)| self.fixture.rows_of(def.name).next().is_some());
        let parts = parts.map(|(at, def)| {
            format!(
                "SELECT '{at}', {} FROM {} WHERE {}",
                Self::key(def, ""),
                row_data::name(def.name),
                self.is_test_row(def)
            )
        });
        let asked =
            format!("RESET ROLE; RESET SESSION AUTHORIZATION; {}", parts.collect::<Vec<_>>().join(" UNION ALL "));
        let rows = self.session.rows(&asked).await?;
        let row = |row: Vec<Option<String>>| match row.as_slice() {
            [Some(at), Some(key)] => Some((tables.get(at.parse::<usize>().ok()?)?.name, key.clone())),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    pub(super) fn oracle<'w>(&'w self, context: &'w super::oracle::Context) -> Oracle<'w> {
        Oracle { fixture: &self.fixture, context, shows_deleted: false }
    }

    /// Describes rows by their number and tenant.
    pub(super) fn describe_rows(&self, table: TableName, found: &BTreeSet<String>) -> String {
        let Some(def) = self.fixture.table(table) else { return format!("{} rows", found.len()) };
        let mut of = BTreeMap::<String, usize>::new();
        for key in found {
            let row = self.fixture.rows_of(table).find(|row| row.key(def) == *key);
            let whose = match row.map(|row| self.tenant_of(def, row)) {
                Some(Some(tenant)) => format!("of tenant {}", NAMES[tenant]),
                Some(None) => "of no tenant".to_owned(),
                None if key.starts_with("changed") => "changed".to_owned(),
                None => "that are not test rows".to_owned(),
            };
            *of.entry(whose).or_default() += 1;
        }
        let parts =
            of.iter().map(|(whose, count)| format!("{count} {} {whose}", if *count == 1 { "row" } else { "rows" }));
        if of.is_empty() { "no rows".to_owned() } else { parts.collect::<Vec<_>>().join(", ") }
    }

    fn violation(&self, probe: &Probe<'_>, found: &Outcome) -> Violation {
        let principal = probe.principal;
        let describe = |outcome: &Outcome| match (outcome, probe.about) {
            (Outcome::Rows(rows), Some((table, _))) => self.describe_rows(table, rows),
            (outcome, _) => plain(outcome),
        };
        let expected = match &probe.expected {
            Expected::Is(outcome) => describe(outcome),
            Expected::OneOf(outcomes) => outcomes.iter().map(describe).collect::<Vec<_>>().join(", or "),
            Expected::AtMost(rows) | Expected::AtMostOrBroken(rows) | Expected::AtMostOrError(rows) => {
                format!("at most {}", describe(&Outcome::Rows(rows.clone())))
            }
            Expected::Nothing => "nothing".to_owned(),
            Expected::Rejected => "an error".to_owned(),
        };
        let found_text = describe(found);
        let own = self.principals.tenants.iter().position(|key| Some(key) == principal.tenant.as_ref());
        let crosses = !self.is_administrator(principal)
            && NAMES.iter().enumerate().any(|(tenant, name)| {
                let rows = format!("of tenant {name}");
                Some(tenant) != own && found_text.contains(&rows) && !expected.contains(&rows)
            });
        Violation {
            technique: probe.technique.to_owned(),
            table: probe.about.map(|(table, _)| table.to_string()),
            command: probe.about.map(|(_, command)| command),
            role: principal.role.clone().unwrap_or_else(|| principal.session.clone()),
            principal: principal.describe(self.principals),
            statement: format!("BEGIN; {}{}; ROLLBACK;", self.context_sql(principal), probe.statement),
            meaning: meaning(&probe.expected, found, crosses),
            expected,
            found: found_text,
            more: 0,
        }
    }
}
