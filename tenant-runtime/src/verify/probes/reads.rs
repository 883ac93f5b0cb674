//! Probes that read and lock rows, in every context.

use crate::{
    ident::quoted,
    model::{
        def::{ScopeDef, TableDef},
        schema::Command,
    },
    verify::{
        VerifyError,
        oracle::Context,
        outcome::{Expected, Outcome},
        principals::Principal,
        probe::Probe,
        row_data,
        runner::Runner,
    },
};

/// The row locks of SELECT, each of which requires the UPDATE privilege.
const LOCKS: [&str; 4] = ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"];

impl Runner<'_> {
    /// Reads every table in a session without settings, in which `current_setting` returns NULL rather than an empty
    /// string.
    pub(in crate::verify) async fn without_settings(&mut self) -> Result<(), VerifyError> {
        let members = self.tenancy.roles.iter().map(|role| self.as_role(role.name, None, None));
        for principal in members.chain(self.system(None)).map(|principal| principal.unsigned()).collect::<Vec<_>>() {
            let probes = self.fixture.tables.iter().map(|def| self.read(&principal, def)).collect();
            self.probe_all(probes).await?;
        }
        Ok(())
    }

    /// Runs all row probes in all contexts.
    pub(in crate::verify) async fn rows(&mut self) -> Result<(), VerifyError> {
        for principal in self.contexts() {
            if self.is_done() {
                break;
            }
            self.rows_as(&principal).await?;
        }
        Ok(())
    }

    /// Runs all row probes as one principal.
    pub(in crate::verify) async fn rows_as(&mut self, principal: &Principal) -> Result<(), VerifyError> {
        let context = principal.context();
        let is_authorized = self.oracle(&context).is_authorized();
        let mut waiting = Vec::new();
        for def in self.fixture.tables.clone() {
            let mut probes = vec![self.read(principal, def)];
            probes.extend(self.update(principal, &context, def));
            self.insert(principal, &context, def, is_authorized, &mut probes);
            if is_authorized {
                self.lock(principal, &context, def, &mut probes);
                self.other_reads(principal, &context, def, &mut probes);
                self.name_others(principal, &context, def, &mut probes);
                self.delete_each(principal, &context, def, &mut probes);
                self.deleted_rows(principal, &context, def, &mut probes);
                self.merge(principal, &context, def, &mut probes);
            } else {
                probes.extend(self.delete_all(principal, &context, def));
            }
            waiting.append(&mut probes);
            // Runs the probes of a few tables at a time, so that the statements for many tables do not fill the memory.
            if waiting.len() > 1000 {
                self.probe_all(std::mem::take(&mut waiting)).await?;
            }
        }
        self.probe_all(waiting).await
    }

    /// Reads a table without WHERE, or restricted to the test rows if rows of other tenants are readable.
    pub(in crate::verify) fn read<'p>(&self, principal: &'p Principal, def: &'static TableDef) -> Probe<'p> {
        let context = principal.context();
        let expected = self.oracle(&context).select(def);
        let reads_others = def.scope == ScopeDef::Global || self.oracle(&context).is_cross_tenant();
        let filter = if reads_others { format!(" WHERE {}", self.is_test_row(def)) } else { String::new() };
        let statement = format!("SELECT {} FROM {}{filter} LIMIT 1000", Self::key(def, ""), row_data::name(def.name));
        Probe::new("SELECT", (def.name, Command::Select), principal, statement, expected)
    }

    fn lock<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let expected = self.oracle(context).lock(def);
        let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.is_test_row(def));
        probes.extend(LOCKS.map(|technique| {
            let statement = format!("SELECT {key} FROM {table} WHERE {ours} {technique}");
            Probe::new(technique, (def.name, Command::Update), principal, statement, expected.clone())
        }));
    }

    /// Reads with techniques other than a plain SELECT.
    fn other_reads<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let about = (def.name, Command::Select);
        let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.is_test_row(def));
        let expected = self.oracle(context).select(def);
        // An error would reveal a hidden row, so the division must not be evaluated on a hidden row.
        let hidden = self.fixture.rows_of(def.name).filter(|row| !self.oracle(context).can_select(def, row));
        let hidden = hidden.map(|row| format!("({})", row_data::is_row(def, row))).collect::<Vec<_>>().join(" OR ");
        if !hidden.is_empty() {
            let statement =
                format!("SELECT {key} FROM {table} WHERE 1 / CASE WHEN {hidden} THEN 0 ELSE 1 END = 1 AND ({ours})");
            let technique = "condition that raises an error on hidden rows";
            probes.push(Probe::new(technique, about, principal, statement, expected.clone()));
        }
        let statement = format!("WITH t AS MATERIALIZED (SELECT {key} AS k FROM {table} WHERE {ours}) SELECT k FROM t");
        probes.push(Probe::new("subquery", about, principal, statement, expected.clone()));
        let statement = format!("SET LOCAL row_security = off; SELECT {key} FROM {table} WHERE {ours}");
        let refused = match expected {
            Expected::Is(Outcome::Denied) => Expected::OneOf(vec![Outcome::Denied, Outcome::Refused]),
            _ => Expected::Is(Outcome::Refused),
        };
        probes.push(Probe::new("row_security = off", about, principal, statement, refused));
        for reference in def.references() {
            let Some(target) = self.fixture.table(reference.to.table) else { continue };
            let same = |ours: &str, theirs: &str| format!("a.{} = b.{}", quoted(ours), quoted(theirs));
            let pairs = reference.columns.iter().zip(target.own_key());
            let mut on: Vec<_> = pairs.map(|(column, key)| same(column.name, key.name)).collect();
            if let (Some(ours), Some(theirs)) = (def.tenant_column(), target.tenant_column())
                && reference.columns.iter().all(|column| column.name != ours)
            {
                on.push(same(ours, theirs));
            }
            let rows = self.fixture.rows_of(def.name).map(|row| format!("({})", row_data::is_row_of(def, row, "a.")));
            let statement = format!(
                "SELECT {} FROM {table} AS a JOIN {} AS b ON {} WHERE {}",
                Self::key(def, "a."),
                row_data::name(target.name),
                on.join(" AND "),
                rows.collect::<Vec<_>>().join(" OR ")
            );
            let expected = self.oracle(context).join(def, &reference, target);
            probes.push(Probe::new("join", about, principal, statement, expected));
        }
    }
}
