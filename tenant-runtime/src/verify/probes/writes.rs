//! Probes that write rows of both tenants: INSERT, UPDATE, DELETE, MERGE, and references to rows of the other tenant.

use std::collections::BTreeSet;

use crate::{
    analyze::expression_columns::index_may_read,
    ident::{Ident, literal, quoted},
    model::{
        def::{ColumnDef, SqlType, TableDef, TableName},
        def_access::Reference,
        schema::{Command, Index},
    },
    verify::{
        VerifyError,
        fixture::{Row, keys, row_id},
        oracle::Context,
        outcome::{Expected, Outcome},
        principals::Principal,
        probe::Probe,
        row_data,
        runner::Runner,
    },
};

impl Runner<'_> {
    /// Updates all test rows to their current values.
    pub(in crate::verify) fn update<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Option<Probe<'p>> {
        let column = self.updated_column(context, def)?;
        let rows: Vec<&Row> = self.fixture.rows_of(def.name).collect();
        let expected = self.oracle(context).update(def, &rows, &[column], None);
        let (name, key) = (quoted(column.name), Self::key(def, ""));
        let statement = format!(
            "UPDATE {} SET {name} = {name} WHERE {} RETURNING {key}",
            row_data::name(def.name),
            self.is_test_row(def)
        );
        Some(Probe::new("UPDATE", (def.name, Command::Update), principal, statement, expected))
    }

    /// Returns the column to update, preferably a column that the role can read and update.
    fn updated_column(&self, context: &Context, def: &'static TableDef) -> Option<&'static ColumnDef> {
        let oracle = self.oracle(context);
        let may = |column: &&ColumnDef, command| oracle.has_column_privilege(def, command, column);
        let both = def.columns.iter().find(|column| may(column, Command::Update) && may(column, Command::Select));
        // PostgreSQL refuses to set a generated column before it checks privileges.
        let others = || def.columns.iter().filter(|column| column.generated.is_none());
        both.or_else(|| others().find(|column| !column.id)).or_else(|| others().next())
    }

    /// Inserts rows of both tenants, owned by the user and by other users.
    pub(in crate::verify) fn insert<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        is_authorized: bool,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let templates = self.templates.get(&def.name).map_or(&[][..], Vec::as_slice);
        for (at, (tenant, row)) in templates.iter().enumerate() {
            // Without access, one row per tenant is enough.
            let is_first = templates.iter().position(|(of, _)| of == tenant) == Some(at);
            if is_authorized || is_first {
                self.insert_row(principal, context, def, row, "INSERT", probes);
            }
            if let Some(tenant) = def.filled_tenant_column().filter(|_| is_authorized && is_first) {
                let listed: Vec<_> = inserted_columns(def, row).into_iter().chain([tenant]).collect();
                self.insert_listed(principal, context, def, row, &listed, "INSERT of a child row's tenant", probes);
            }
        }
    }

    /// Returns an INSERT that succeeds according to the declaration, with the tenant of the row.
    pub(super) fn successful_insert(&self, principal: &Principal, def: &'static TableDef) -> Option<(String, usize)> {
        let context = principal.context();
        let templates = self.templates.get(&def.name).map_or(&[][..], Vec::as_slice);
        templates.iter().find_map(|(tenant, row)| {
            let mut probes = Vec::new();
            self.insert_row(principal, &context, def, row, "INSERT", &mut probes);
            let succeeds = |probe: &Probe<'_>| matches!(probe.expected, Expected::Is(Outcome::Rows(_)));
            let is_of_context = Some(&self.principals.tenants[*tenant]) == context.tenant.as_ref();
            let insert = probes.into_iter().next().filter(|probe| is_of_context && succeeds(probe))?;
            Some((insert.statement, *tenant))
        })
    }

    fn insert_row<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        row: &Row,
        technique: &'static str,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let mut row = row.clone();
        let mut listed = inserted_columns(def, &row);
        if let Some(tenant) = def.filled_tenant_column() {
            // The database fills the tenant column of a child row from the context; a job without a tenant sets it.
            let is_set =
                context.tenant.is_none() && self.oracle(context).has_column_privilege(def, Command::Insert, tenant);
            if is_set {
                listed.push(tenant);
            } else {
                row.values.insert(tenant.name, context.tenant.clone());
            }
        }
        self.insert_listed(principal, context, def, &row, &listed, technique, probes);
    }

    #[expect(clippy::too_many_arguments, reason = "a probe needs all of them")]
    fn insert_listed<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        row: &Row,
        listed: &[&'static ColumnDef],
        technique: &'static str,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let plain = insert_into(def, row, listed);
        // RETURNING also applies the SELECT policies, which could hide an INSERT policy that accepts too much.
        let returning = format!("{plain} RETURNING {}", returning_key(def));
        for (statement, returns) in [(plain, false), (returning, true)] {
            let expected = self.oracle(context).insert(def, row, listed, returns);
            probes.push(Probe::new(technique, (def.name, Command::Insert), principal, statement, expected));
        }
    }

    /// Uses keys of the other tenant: in references, and in ON CONFLICT.
    pub(in crate::verify) fn name_others<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let own =
            self.principals.tenants.iter().position(|key| Some(key) == context.tenant.as_ref()).unwrap_or_default();
        let user = context.user.clone();
        let templates = self.templates.get(&def.name).cloned().unwrap_or_default();
        let is_own = |row: &Row| user.is_none() || def.owner.is_none_or(|owner| row.values.get(owner) == Some(&user));
        let template = templates.iter().find(|(tenant, row)| *tenant == own && is_own(row)).map(|(_, row)| row);
        for Reference { columns, to } in def.references() {
            let target = self.fixture.table(to.table);
            let Some(target) = target.filter(|_| !columns.iter().any(|column| def.is_tenant_column(column))) else {
                continue;
            };
            let Some(foreign_key) = self.key_of_tenant(target, 1 - own) else { continue };
            if !columns.iter().any(|column| def.owner == Some(column.name))
                && let Some(mut row) = template.cloned()
            {
                for (column, value) in columns.iter().zip(&foreign_key) {
                    row = self.row_factory.with_value_in(&self.fixture, def, &row, column.name);
                    row.values.insert(column.name, Some(value.clone()));
                }
                self.insert_row(principal, context, def, &row, "reference to a row of the other tenant", probes);
            }
            let mut rows: Vec<&Row> =
                self.fixture.rows_of(def.name).filter(|row| self.tenant_of(def, row) == Some(own)).collect();
            // The value of another column can exclude this reference.
            rows.sort_by_key(|row| columns.iter().any(|column| row.value(column.name).is_none()));
            rows.truncate(1);
            let Some(ours) = rows.first().map(|row| row_data::is_row(def, row)) else { continue };
            let values: Vec<_> = foreign_key.iter().cloned().map(Some).collect();
            let expected = self.oracle(context).update(def, &rows, &columns, Some(&values));
            let set = columns.iter().zip(&foreign_key);
            let set = set.map(|(column, value)| format!("{} = {}", quoted(column.name), literal(value)));
            let statement = format!(
                "UPDATE {} SET {} WHERE {ours} RETURNING {}",
                row_data::name(def.name),
                set.collect::<Vec<_>>().join(", "),
                Self::key(def, "")
            );
            let technique = "UPDATE of a reference to a row of the other tenant";
            probes.push(Probe::new(technique, (def.name, Command::Update), principal, statement, expected));
        }
        if let Some(row) = template {
            // A cross-tenant job can access that row.
            if !self.oracle(context).is_cross_tenant() {
                probes.extend(self.upsert(principal, context, def, row, 1 - own));
            }
            self.same_values(principal, context, def, row, 1 - own, probes);
        }
    }

    /// Returns the key of a row of a tenant that is not also the key of a row of the other tenant, such as the user who is a member
    /// of both.
    fn key_of_tenant(&self, def: &'static TableDef, tenant: usize) -> Option<Vec<String>> {
        let key = |row: &Row| {
            let values = def.own_key().into_iter().map(|column| row.value(column.name).map(str::to_owned));
            values.collect::<Option<Vec<_>>>()
        };
        let keys_of = |tenant| {
            let rows = self.fixture.rows_of(def.name).filter(move |row| self.tenant_of(def, row) == Some(tenant));
            rows.filter_map(key)
        };
        let others: BTreeSet<_> = keys_of(1 - tenant).collect();
        keys_of(tenant).find(|key| !others.contains(key))
    }

    /// Inserts a row with the same unique values as a row of the other tenant: a conflict would reveal that row.
    fn same_values<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        template: &Row,
        other: usize,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let theirs = self.fixture.rows_of(def.name).find(|row| self.tenant_of(def, row) == Some(other));
        let Some(theirs) = theirs else { return };
        let (Some(tenant), Some(table)) = (def.tenant_column(), self.row_factory.table(def)) else { return };
        let keys = table.uniques.iter().map(|key| key.columns.clone());
        // The row must also satisfy the condition of the index, as the other row does.
        let read_by = |index: &Index| {
            let names = table.columns.iter().map(|column| column.name.clone());
            names.filter(|name| index_may_read(index, name)).collect::<Vec<_>>()
        };
        let indexes = table.indexes.iter().filter(|index| index.is_enforced()).map(read_by);
        // A key without the tenant column is declared for the rows of all tenants.
        for key in keys.chain(indexes).filter(|columns| columns.iter().any(|column| column.as_str() == tenant)) {
            // References and the tenant column are rejected for other reasons.
            let is_plain = |name: &str| {
                let column = def.columns.iter().find(|column| column.name == name && name != tenant);
                column.is_some_and(|column| !def.is_reference(column) && !column.id && !column.is_computed())
            };
            let plain: Vec<_> = key.iter().map(Ident::as_str).filter(|name| is_plain(name)).collect();
            let mut row = template.clone();
            for column in def.columns.iter().filter(|column| plain.contains(&column.name)) {
                row.values.insert(column.name, theirs.values.get(column.name).cloned().flatten());
                row.listed.insert(column.name);
            }
            // Columns whose types have few values have the same values in both tenants.
            let is_taken = self.fixture.rows_of(def.name).any(|own| {
                self.tenant_of(def, own) == Some(1 - other)
                    && plain.iter().all(|name| own.value(name) == row.value(name))
            });
            if !plain.is_empty() && !is_taken {
                self.insert_row(principal, context, def, &row, "unique value of the other tenant", probes);
            }
        }
    }

    /// Inserts a row with the same key as a row of the other tenant, with ON CONFLICT DO UPDATE.
    fn upsert<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        template: &Row,
        other: usize,
    ) -> Option<Probe<'p>> {
        let theirs = self.fixture.rows_of(def.name).find(|row| self.tenant_of(def, row) == Some(other))?;
        // A composite key with the tenant column cannot conflict with a row of another tenant.
        if keys(def).count() > 1 {
            return None;
        }
        let id = row_id(def)?;
        let mut row = template.clone();
        row.values.insert(id.name, theirs.values.get(id.name).cloned().flatten());
        let mut listed = inserted_columns(def, &row);
        if !listed.iter().any(|column| column.name == id.name) {
            listed.push(id);
        }
        let written = self.updated_column(context, def)?;
        let targets = keys(def).map(|column| quoted(column.name).to_string()).collect::<Vec<_>>().join(", ");
        let name = quoted(written.name);
        let statement = format!(
            "{} ON CONFLICT ({targets}) DO UPDATE SET {name} = EXCLUDED.{name} RETURNING {}",
            insert_into(def, &row, &listed),
            returning_key(def)
        );
        let technique = "ON CONFLICT with a row of the other tenant";
        Some(Probe::new(technique, (def.name, Command::Insert), principal, statement, Expected::Nothing))
    }

    /// Deletes each test row by its key, and compares the rows that are deleted with that row.
    pub(in crate::verify) fn delete_each<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        for row in self.fixture.rows_of(def.name) {
            let (expected, gone) = self.oracle(context).delete(def, row);
            probes.push(Self::delete("DELETE", principal, def, row, expected, gone));
        }
    }

    /// Deletes all test rows in one statement, in a context without access.
    pub(in crate::verify) fn delete_all<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
    ) -> Option<Probe<'p>> {
        let oracle = self.oracle(context);
        let first = self.fixture.rows_of(def.name).next()?;
        let expected = match oracle.delete(def, first).0 {
            denied @ Expected::Is(Outcome::Denied) => denied,
            _ => Expected::Is(Outcome::Rows(BTreeSet::new())),
        };
        let statement = format!(
            "DELETE FROM {} WHERE {} RETURNING {}",
            row_data::name(def.name),
            self.is_test_row(def),
            Self::key(def, "")
        );
        Some(Probe::new("DELETE", (def.name, Command::Delete), principal, statement, expected))
    }

    fn delete<'p>(
        technique: &'static str,
        principal: &'p Principal,
        def: &'static TableDef,
        row: &Row,
        expected: Expected,
        gone: BTreeSet<(TableName, String)>,
    ) -> Probe<'p> {
        let (table, key) = (row_data::name(def.name), Self::key(def, ""));
        let statement = format!("DELETE FROM {table} WHERE {} RETURNING {key}", row_data::is_row(def, row));
        let about = (def.name, Command::Delete);
        Probe { removes: Some(gone), ..Probe::new(technique, about, principal, statement, expected) }
    }

    /// Deletes and updates hidden rows with MERGE.
    pub(in crate::verify) fn merge<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let Some(column) = self.updated_column(context, def) else { return };
        let oracle = self.oracle(context);
        let hidden = self.fixture.rows_of(def.name).filter(|row| !oracle.can_select(def, row));
        let hidden: Vec<_> = hidden.map(|row| format!("({})", row_data::is_row_of(def, row, "t."))).collect();
        if hidden.is_empty() {
            return;
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
            probes.push(Probe::new("MERGE", (def.name, command), principal, statement, Expected::Nothing));
        }
    }

    /// Deletes each row as the administrator, for whom only foreign keys apply.
    pub(in crate::verify) async fn cascades(&mut self) -> Result<(), VerifyError> {
        let administrator = Principal::without_context(self.session.user.clone(), None);
        let mut probes = Vec::new();
        for def in &self.fixture.tables {
            for row in self.fixture.rows_of(def.name) {
                let (expected, gone) = self.fixture.rows_after_delete(def, row);
                probes.push(Self::delete("DELETE as the administrator", &administrator, def, row, expected, gone));
            }
        }
        self.probe_all(probes).await
    }
}

/// Returns the columns that an INSERT lists: the required columns, and the key if the app assigns it. The database fills the
/// tenant column of a child row.
fn inserted_columns(def: &'static TableDef, row: &Row) -> Vec<&'static ColumnDef> {
    let is_needed = |column: &&ColumnDef| {
        let from_context = def.inserted_tenant_column() == Some(column.name) || def.owner == Some(column.name);
        let is_made = column.id && !column.app_assigned || def.is_tenant_column(column);
        from_context
            || !is_made
                && !column.is_computed()
                && (def.is_reference(column)
                    || !column.nullable && column.default.is_none()
                    || row.listed.contains(column.name))
    };
    let is_null = |column: &&ColumnDef| row.value(column.name).is_none();
    def.columns.iter().filter(|column| is_needed(column) && !(column.nullable && is_null(column))).collect()
}

fn insert_into(def: &TableDef, row: &Row, listed: &[&ColumnDef]) -> String {
    if listed.is_empty() {
        return format!("INSERT INTO {}{DEFAULT_VALUES}", row_data::name(def.name));
    }
    let names = listed.iter().map(|column| quoted(column.name).to_string()).collect::<Vec<_>>().join(", ");
    let values = listed.iter().map(|column| row.literal(column.name)).collect::<Vec<_>>().join(", ");
    // An identity column, such as the key of a table of tenants, accepts no other value without this clause.
    let is_identity = |column: &&ColumnDef| {
        column.id && !column.app_assigned && matches!(column.ty, SqlType::Int2 | SqlType::Int4 | SqlType::Int8)
    };
    let overriding = if listed.iter().any(is_identity) { " OVERRIDING SYSTEM VALUE" } else { "" };
    format!("INSERT INTO {} ({names}){overriding} VALUES ({values})", row_data::name(def.name))
}

/// The values of an INSERT that lists no columns.
pub(in crate::verify) const DEFAULT_VALUES: &str = " DEFAULT VALUES";

/// Returns the RETURNING expression of an INSERT. The expression reads the key, which the database could have
/// generated.
fn returning_key(def: &TableDef) -> String {
    let keys = keys(def).map(|column| format!("{} IS NOT NULL", quoted(column.name))).collect::<Vec<_>>().join(" AND ");
    format!("CASE WHEN {keys} THEN 'changed 0' END")
}
