//! Attacks that write rows: by INSERT, UPDATE, DELETE and MERGE, of the own tenant and the other one, and by references.

use std::collections::BTreeSet;

use super::{
    VerifyError,
    fixture::{Row, keys, row_id},
    oracle::{Context, Expected, Outcome},
    principals::Principal,
    row_data,
    runner::{Probe, Runner},
};
use crate::{
    ident::{Ident, literal, quoted},
    model::{
        def::{ColumnDef, ScopeDef, TableDef, TableName},
        schema::Command,
    },
};

impl Runner<'_> {
    /// Updates all rows of the proof that are reached, leaving them as they are.
    pub(super) async fn update(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Result<(), VerifyError> {
        let Some(column) = self.written(context, def) else { return Ok(()) };
        let rows: Vec<&Row> = self.world.rows_of(def.name).collect();
        let expected = self.reference(context).update(def, &rows, column, None);
        let (name, key) = (quoted(column.name), Self::key(def, ""));
        let statement =
            format!("UPDATE {} SET {name} = {name} WHERE {} RETURNING {key}", row_data::name(def.name), self.ours(def));
        self.probe(Probe { door: "UPDATE", about: Some((def.name, Command::Update)), acting, statement, expected })
            .await?;
        Ok(())
    }

    /// The column that is updated to what it is: one that the role may, where there is one.
    fn written(&self, context: &Context, def: &'static TableDef) -> Option<&'static ColumnDef> {
        let reference = self.reference(context);
        let may = |column: &&ColumnDef, command| reference.may_use(def, command, column);
        let both = def.columns.iter().find(|column| may(column, Command::Update) && may(column, Command::Select));
        both.or_else(|| def.columns.iter().find(|column| !column.id)).or_else(|| def.columns.first())
    }

    /// Inserts rows: of the own tenant and the other one, in the user's name and in another's.
    pub(super) async fn insert(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
        acts: bool,
    ) -> Result<(), VerifyError> {
        for (tenant, row) in self.templates.get(&def.name).cloned().unwrap_or_default() {
            // Where nothing is allowed, one try in each tenant shows it.
            let first = self.templates[&def.name]
                .iter()
                .position(|(of, _)| *of == tenant)
                .map(|at| &self.templates[&def.name][at].1);
            if acts || first.is_some_and(|first| first.values == row.values) {
                self.insert_row(acting, context, def, &row, "INSERT").await?;
            }
        }
        Ok(())
    }

    async fn insert_row(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
        row: &Row,
        door: &'static str,
    ) -> Result<(), VerifyError> {
        let listed = listed(def, row);
        let about = Some((def.name, Command::Insert));
        let plain = insert_into(def, row, &listed);
        // RETURNING asks the policies for SELECT as well, which could hide that those for INSERT let too much in.
        let returning = format!("{plain} RETURNING {}", inserted(def));
        for (statement, returns) in [(plain, false), (returning, true)] {
            let expected = self.reference(context).insert(def, row, &listed, returns);
            self.probe(Probe { door, about, acting, statement, expected }).await?;
        }
        Ok(())
    }

    /// Names rows of the other tenant: in references, and as the row that a conflict is about.
    pub(super) async fn name_others(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Result<(), VerifyError> {
        let own = self.cast.tenants.iter().position(|key| Some(key) == context.tenant.as_ref()).unwrap_or_default();
        let user = context.user.clone();
        let templates = self.templates.get(&def.name).cloned().unwrap_or_default();
        let is_own = |row: &Row| user.is_none() || def.owner.is_none_or(|owner| row.values.get(owner) == Some(&user));
        let template = templates.iter().find(|(tenant, row)| *tenant == own && is_own(row)).map(|(_, row)| row);
        for column in def.columns {
            let is_tenant = def.scope == ScopeDef::Tenant { column: column.name };
            let Some(target) = column.references.and_then(|to| self.world.table(to.table)).filter(|_| !is_tenant)
            else {
                continue;
            };
            let Some(id) = row_id(target) else { continue };
            let strangers = self.world.rows_of(target.name).filter(|row| self.tenant_of(target, row) == Some(1 - own));
            let known: BTreeSet<_> = self
                .world
                .rows_of(target.name)
                .filter(|row| self.tenant_of(target, row) == Some(own))
                .filter_map(|row| row.value(id.name))
                .collect();
            // Who is a member of both tenants is no stranger.
            let stranger = strangers.filter_map(|row| row.value(id.name)).find(|key| !known.contains(key));
            let Some(stranger) = stranger.map(str::to_owned) else { continue };
            if def.owner != Some(column.name)
                && let Some(mut row) = template.cloned()
            {
                row.values.insert(column.name, Some(stranger.clone()));
                self.insert_row(acting, context, def, &row, "a reference to a row of the other tenant").await?;
            }
            let rows: Vec<&Row> =
                self.world.rows_of(def.name).filter(|row| self.tenant_of(def, row) == Some(own)).take(1).collect();
            let Some(ours) = rows.first().map(|row| row_data::is_row(def, row)) else { continue };
            let expected = self.reference(context).update(def, &rows, column, Some(&Some(stranger.clone())));
            let statement = format!(
                "UPDATE {} SET {} = {} WHERE {ours} RETURNING {}",
                row_data::name(def.name),
                quoted(column.name),
                literal(&stranger),
                Self::key(def, "")
            );
            let door = "an update to refer to a row of the other tenant";
            self.probe(Probe { door, about: Some((def.name, Command::Update)), acting, statement, expected }).await?;
        }
        if let Some(row) = template {
            // Who crosses tenants may reach that row.
            if !self.reference(context).crosses() {
                self.upsert(acting, context, def, row, 1 - own).await?;
            }
            self.same_values(acting, context, def, row, 1 - own).await?;
        }
        Ok(())
    }

    /// Inserts a row with the unique values of one of the other tenant: nobody is to learn from a conflict that it is there.
    async fn same_values(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
        template: &Row,
        other: usize,
    ) -> Result<(), VerifyError> {
        let theirs = self.world.rows_of(def.name).find(|row| self.tenant_of(def, row) == Some(other));
        let Some(theirs) = theirs.cloned() else { return Ok(()) };
        let (ScopeDef::Tenant { .. }, Some(table)) = (def.scope, self.maker.table(def)) else { return Ok(()) };
        for key in &table.uniques {
            // A reference to a row of the other tenant is refused for another reason, and so is that tenant itself.
            let is_tenant = |name| def.scope == ScopeDef::Tenant { column: name };
            let is_plain = |name: &str| {
                let column = def.columns.iter().find(|column| column.name == name && !is_tenant(column.name));
                column.is_some_and(|column| column.references.is_none() && !column.id)
            };
            let plain: Vec<_> = key.columns.iter().map(Ident::as_str).filter(|name| is_plain(name)).collect();
            let mut row = template.clone();
            for column in def.columns.iter().filter(|column| plain.contains(&column.name)) {
                row.values.insert(column.name, theirs.values.get(column.name).cloned().flatten());
            }
            if !plain.is_empty() {
                self.insert_row(acting, context, def, &row, "a value that is unique in the other tenant").await?;
            }
        }
        Ok(())
    }

    /// Inserts a row with the key of one of the other tenant, and asks to update that one on conflict.
    async fn upsert(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
        template: &Row,
        other: usize,
    ) -> Result<(), VerifyError> {
        let Some(theirs) = self.world.rows_of(def.name).find(|row| self.tenant_of(def, row) == Some(other)) else {
            return Ok(());
        };
        let Some(id) = row_id(def) else { return Ok(()) };
        let mut row = template.clone();
        row.values.insert(id.name, theirs.values.get(id.name).cloned().flatten());
        let mut listed = listed(def, &row);
        if !listed.iter().any(|column| column.name == id.name) {
            listed.push(id);
        }
        let Some(written) = self.written(context, def) else { return Ok(()) };
        let targets = keys(def).map(|column| quoted(column.name).to_string()).collect::<Vec<_>>().join(", ");
        let name = quoted(written.name);
        let statement = format!(
            "{} ON CONFLICT ({targets}) DO UPDATE SET {name} = EXCLUDED.{name} RETURNING {}",
            insert_into(def, &row, &listed),
            inserted(def)
        );
        // A key that is the tenant's own meets no row of another tenant.
        let expected = if keys(def).count() > 1 { return Ok(()) } else { Expected::Nothing };
        let door = "ON CONFLICT with a row of the other tenant";
        self.probe(Probe { door, about: Some((def.name, Command::Insert)), acting, statement, expected }).await?;
        Ok(())
    }

    /// Deletes each row of the proof by its key, and looks at what went with it.
    pub(super) async fn delete_each(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Result<(), VerifyError> {
        let rows: Vec<Row> = self.world.rows_of(def.name).cloned().collect();
        for row in &rows {
            let Some(row) = self.world.rows_of(def.name).find(|other| other.values == row.values) else { continue };
            let (expected, gone) = self.reference(context).delete(def, row);
            let statement = format!(
                "DELETE FROM {} WHERE {} RETURNING {}",
                row_data::name(def.name),
                row_data::is_row(def, row),
                Self::key(def, "")
            );
            self.delete(acting, def, statement, expected, gone, "DELETE").await?;
        }
        Ok(())
    }

    /// Deletes all rows of the proof at once, where the context is none.
    pub(super) async fn delete_all(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Result<(), VerifyError> {
        let reference = self.reference(context);
        let Some(first) = self.world.rows_of(def.name).next() else { return Ok(()) };
        let expected = match reference.delete(def, first).0 {
            denied @ Expected::Is(Outcome::Denied) => denied,
            _ => Expected::Is(Outcome::Rows(BTreeSet::new())),
        };
        let statement = format!(
            "DELETE FROM {} WHERE {} RETURNING {}",
            row_data::name(def.name),
            self.ours(def),
            Self::key(def, "")
        );
        self.probe(Probe { door: "DELETE", about: Some((def.name, Command::Delete)), acting, statement, expected })
            .await?;
        Ok(())
    }

    async fn delete(
        &mut self,
        acting: &Principal,
        def: &'static TableDef,
        statement: String,
        expected: Expected,
        gone: BTreeSet<(TableName, String)>,
        door: &'static str,
    ) -> Result<(), VerifyError> {
        let about = Some((def.name, Command::Delete));
        let found = self.probe(Probe { door, about, acting, statement: statement.clone(), expected }).await?;
        let is_referred_to =
            self.world.tables.iter().any(|other| {
                other.columns.iter().any(|column| column.references.is_some_and(|to| to.table == def.name))
            });
        if !is_referred_to || !matches!(&found, Outcome::Rows(rows) if !rows.is_empty()) {
            return Ok(());
        }
        let left = self.survivors().await?;
        let all = self.world.rows.iter().filter_map(|row| Some((row.table, row.key(self.world.table(row.table)?))));
        let wrong = all.filter(|key| left.contains(key) == gone.contains(key));
        for (table, key) in wrong.collect::<Vec<_>>() {
            let rows = Outcome::Rows([key.clone()].into());
            let expected = if gone.contains(&(table, key)) { rows.clone() } else { Outcome::Rows(BTreeSet::new()) };
            let found = if expected == rows { Outcome::Rows(BTreeSet::new()) } else { rows };
            let door = "what is deleted along with a row";
            let about = Some((table, Command::Delete));
            let probe = Probe { door, about, acting, statement: statement.clone(), expected: Expected::Is(expected) };
            self.differ(&probe, &found);
        }
        Ok(())
    }

    /// Deletes and updates rows that the role does not reach by MERGE.
    pub(super) async fn merge(
        &mut self,
        acting: &Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Result<(), VerifyError> {
        let Some(column) = self.written(context, def) else { return Ok(()) };
        let reference = self.reference(context);
        let hidden: Vec<_> = self.world.rows_of(def.name).filter(|row| !reference.sees(def, row)).collect();
        let hidden = hidden.iter().map(|row| format!("({})", row_data::is_row_of(def, row, "t."))).collect::<Vec<_>>();
        if hidden.is_empty() {
            return Ok(());
        }
        let name = quoted(column.name);
        let commands =
            [(Command::Delete, "DELETE".to_owned()), (Command::Update, format!("UPDATE SET {name} = t.{name}"))];
        for (command, then) in commands {
            let statement = format!(
                "MERGE INTO {} AS t USING (SELECT 1) AS s ON {} WHEN MATCHED THEN {then}",
                row_data::name(def.name),
                hidden.join(" OR ")
            );
            self.probe(Probe {
                door: "MERGE",
                about: Some((def.name, command)),
                acting,
                statement,
                expected: Expected::Nothing,
            })
            .await?;
        }
        Ok(())
    }

    /// Deletes each row as the administrator, whom nothing but foreign keys holds.
    pub(super) async fn cascades(&mut self) -> Result<(), VerifyError> {
        let administrator = Principal::nobody(self.session.user.clone(), None);
        for def in self.world.tables.clone() {
            for at in 0..self.world.rows_of(def.name).count() {
                let Some(row) = self.world.rows_of(def.name).nth(at) else { continue };
                let (expected, gone) = self.world.without(def, row);
                let statement = format!(
                    "DELETE FROM {} WHERE {} RETURNING {}",
                    row_data::name(def.name),
                    row_data::is_row(def, row),
                    Self::key(def, "")
                );
                self.delete(&administrator, def, statement, expected, gone, "DELETE, as the administrator").await?;
            }
        }
        Ok(())
    }
}

/// The columns that an INSERT names: those that it must, and the key where it is the app's to give.
fn listed(def: &'static TableDef, row: &Row) -> Vec<&'static ColumnDef> {
    let is_needed = |column: &&ColumnDef| {
        let from_context = def.scope == ScopeDef::Tenant { column: column.name } || def.owner == Some(column.name);
        let is_made = column.id && !column.app_assigned;
        from_context || !is_made && (column.references.is_some() || !column.nullable && column.default.is_none())
    };
    let is_null = |column: &&ColumnDef| row.value(column.name).is_none();
    def.columns.iter().filter(|column| is_needed(column) && !(column.nullable && is_null(column))).collect()
}

fn insert_into(def: &TableDef, row: &Row, listed: &[&ColumnDef]) -> String {
    let names = listed.iter().map(|column| quoted(column.name).to_string()).collect::<Vec<_>>().join(", ");
    let values = listed.iter().map(|column| row.literal(column.name)).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {} ({names}) VALUES ({values})", row_data::name(def.name))
}

/// What an INSERT returns: it reads the key, which the database may have made.
fn inserted(def: &TableDef) -> String {
    let keys = keys(def).map(|column| format!("{} IS NOT NULL", quoted(column.name))).collect::<Vec<_>>().join(" AND ");
    format!("CASE WHEN {keys} THEN 'changed 0' END")
}
