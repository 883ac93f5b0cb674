//! Attacks on rows in every context: reading and locking them; writing them is `writes.rs`.

use super::{
    VerifyError,
    fixture::row_id,
    oracle::{Context, Expected, Outcome},
    principals::Principal,
    row_data,
    runner::{Probe, Runner},
};
use crate::{
    ident::quoted,
    model::{
        def::{ScopeDef, TableDef},
        schema::Command,
    },
};

/// The locks that a SELECT may take, each of which takes the right to update.
const LOCKS: [&str; 4] = ["FOR UPDATE", "FOR NO KEY UPDATE", "FOR SHARE", "FOR KEY SHARE"];

impl Runner<'_> {
    /// Reads every table in sessions in which no setting was ever made, which PostgreSQL tells from an empty one.
    pub(super) async fn without_settings(&mut self) -> Result<(), VerifyError> {
        let members = self.tenancy.roles.iter().map(|role| self.tier(role.name, None, None));
        for acting in members.chain(self.system(None)).collect::<Vec<_>>() {
            for def in self.world.tables.clone() {
                self.read(&acting, def).await?;
            }
        }
        Ok(())
    }

    /// Tries everything on rows, as everybody.
    pub(super) async fn rows(&mut self) -> Result<(), VerifyError> {
        for acting in self.contexts() {
            if self.is_done() {
                break;
            }
            self.rows_as(&acting).await?;
        }
        Ok(())
    }

    /// Tries everything on rows, as somebody.
    pub(super) async fn rows_as(&mut self, acting: &Principal) -> Result<(), VerifyError> {
        let context = acting.context();
        let acts = self.reference(&context).acts();
        for def in self.world.tables.clone() {
            self.read(acting, def).await?;
            self.update(acting, &context, def).await?;
            self.insert(acting, &context, def, acts).await?;
            if acts {
                self.lock(acting, &context, def).await?;
                self.other_reads(acting, &context, def).await?;
                self.name_others(acting, &context, def).await?;
                self.delete_each(acting, &context, def).await?;
                self.merge(acting, &context, def).await?;
            } else {
                self.delete_all(acting, &context, def).await?;
            }
        }
        Ok(())
    }

    /// Reads a table without WHERE, which no policy adds rows to; where rows of any tenant are read, only those of the proof.
    pub(super) async fn read(&mut self, acting: &Principal, def: &'static TableDef) -> Result<(), VerifyError> {
        let context = acting.context();
        let expected = self.reference(&context).select(def);
        let is_everybodys = def.scope == ScopeDef::Global || self.reference(&context).crosses();
        let whose = if is_everybodys { format!(" WHERE {}", self.ours(def)) } else { String::new() };
        let statement = format!("SELECT {} FROM {}{whose} LIMIT 1000", Self::key(def, ""), row_data::name(def.name));
        self.probe(Probe { door: "SELECT", about: Some((def.name, Command::Select)), acting, statement, expected })
            .await?;
        Ok(())
    }

    async fn lock(&mut self, acting: &Principal, context: &Context, def: &'static TableDef) -> Result<(), VerifyError> {
        for door in LOCKS {
            let expected = self.reference(context).lock(def);
            let statement = format!(
                "SELECT {} FROM {} WHERE {} {door}",
                Self::key(def, ""),
                row_data::name(def.name),
                self.ours(def)
            );
            self.probe(Probe { door, about: Some((def.name, Command::Update)), acting, statement, expected }).await?;
        }
        Ok(())
    }

    /// Reads by other ways than a plain SELECT.
    async fn other_reads(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Result<(), VerifyError> {
        let about = Some((def.name, Command::Select));
        let (key, table, ours) = (Self::key(def, ""), row_data::name(def.name), self.ours(def));
        let expected = self.reference(context).select(def);
        // An error would tell of a row that the policies hide, so it must not be reached.
        let hidden = self.world.rows_of(def.name).filter(|row| !self.reference(context).sees(def, row));
        let hidden = hidden.map(|row| format!("({})", row_data::is_row(def, row))).collect::<Vec<_>>().join(" OR ");
        if !hidden.is_empty() {
            let statement =
                format!("SELECT {key} FROM {table} WHERE 1 / CASE WHEN {hidden} THEN 0 ELSE 1 END = 1 AND ({ours})");
            let door = "a condition that fails on hidden rows";
            self.probe(Probe { door, about, acting, statement, expected: expected.clone() }).await?;
        }
        let door = "a sub-query";
        let statement = format!("WITH t AS MATERIALIZED (SELECT {key} AS k FROM {table} WHERE {ours}) SELECT k FROM t");
        self.probe(Probe { door, about, acting, statement, expected: expected.clone() }).await?;
        let door = "row_security = off";
        let statement = format!("SET LOCAL row_security = off; SELECT {key} FROM {table} WHERE {ours}");
        let refused = match expected {
            Expected::Is(Outcome::Denied) => Expected::OneOf(vec![Outcome::Denied, Outcome::Refused]),
            _ => Expected::Is(Outcome::Refused),
        };
        self.probe(Probe { door, about, acting, statement, expected: refused }).await?;
        for column in def.columns {
            let Some(target) = column.references.and_then(|to| self.world.table(to.table)) else { continue };
            let Some(id) = row_id(target) else { continue };
            let tenants = match (def.scope, target.scope) {
                (ScopeDef::Tenant { column: ours }, ScopeDef::Tenant { column: theirs }) if ours != column.name => {
                    format!(" AND a.{} = b.{}", quoted(ours), quoted(theirs))
                }
                _ => String::new(),
            };
            let rows = self.world.rows_of(def.name).map(|row| format!("({})", row_data::is_row_of(def, row, "a.")));
            let statement = format!(
                "SELECT {} FROM {table} AS a JOIN {} AS b ON a.{} = b.{}{tenants} WHERE {}",
                Self::key(def, "a."),
                row_data::name(target.name),
                quoted(column.name),
                quoted(id.name),
                rows.collect::<Vec<_>>().join(" OR ")
            );
            let expected = self.reference(context).join(def, column, target);
            self.probe(Probe { door: "a join", about, acting, statement, expected }).await?;
        }
        Ok(())
    }
}
