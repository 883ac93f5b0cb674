//! Generates one row by trying values until the table accepts them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    VerifyError,
    catalog::{Catalog, LiveTable},
    fixture::{Fixture, Row},
    given::GivenTable,
    principals::key,
    row_data::{MadeRow, RowFactory, RowSpec, name},
    search::{Search, Solutions, Value},
    session::{Session, TIMEOUTS},
};
use crate::{
    analyze::expression_columns::may_read,
    error::server_error,
    ident::{Ident, quoted},
    model::{
        def::{ColumnDef, TableDef, TableName},
        def_access::Reference,
        schema::{Index, Table},
    },
};

/// The maximum number of attempts per row.
const TRIES: usize = 400;

/// The table and the tenant for which a row is generated.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target<'l> {
    pub(super) def: &'static TableDef,
    pub(super) live: &'l LiveTable,
    pub(super) tenant: usize,
}

impl<'a> RowFactory<'a> {
    /// Inserts a row as the administrator, and returns the stored row.
    pub(super) async fn insert(
        &mut self,
        session: &mut Session,
        fixture: &Fixture,
        def: &'static TableDef,
        spec: &RowSpec,
    ) -> Result<Row, VerifyError> {
        self.generate(session, fixture, def, spec, false).await
    }

    /// Inserts a row with NULL and defaults where the constraints allow them, so that the INSERT lists few columns.
    pub(super) async fn insert_minimal(
        &mut self,
        session: &mut Session,
        fixture: &Fixture,
        def: &'static TableDef,
        spec: &RowSpec,
    ) -> Result<Row, VerifyError> {
        self.generate(session, fixture, def, spec, true).await
    }

    async fn generate(
        &mut self,
        session: &mut Session,
        fixture: &Fixture,
        def: &'static TableDef,
        spec: &RowSpec,
        is_minimal: bool,
    ) -> Result<Row, VerifyError> {
        self.number += 1;
        let catalog = self.catalog(session, fixture).await?;
        let live = catalog.table(def.name).ok_or_else(|| VerifyError::not_migrated(def))?;
        let target = Target { def, live, tenant: spec.tenant };
        let mut search = self.start(session, &catalog, target, spec, is_minimal).await?;
        let returned =
            def.columns.iter().map(|column| format!("{}::text", quoted(column.name))).collect::<Vec<_>>().join(", ");
        let turn = (!is_minimal).then(|| self.rows_of(def.name).len());
        let (mut failure, mut columns) = (String::new(), Vec::new());
        search.is_new();
        for _ in 0..TRIES {
            let (names, values): (Vec<_>, Vec<_>) =
                search.values().into_iter().map(|(name, value)| (quoted(name).to_string(), value.sql())).unzip();
            let sql = format!(
                "SAVEPOINT new_row; INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) RETURNING {returned}",
                name(def.name),
                names.join(", "),
                values.join(", ")
            );
            let error = match session.try_rows(&sql).await? {
                Ok(rows) => {
                    let values = rows.into_iter().next().unwrap_or_default();
                    let values = def.columns.iter().map(|column| column.name).zip(values).collect();
                    let listed = search.values().into_iter().filter(|(_, value)| matches!(value, Value::Text(_)));
                    let listed = listed.map(|(name, _)| name).collect();
                    let mut row = Row { table: def.name, values, matching_conditions: BTreeSet::new(), listed };
                    row.matching_conditions = self.matching_conditions(session, def, &row).await?;
                    session.run("RELEASE new_row").await?;
                    return Ok(row);
                }
                Err(error) => error,
            };
            session.run("ROLLBACK TO new_row").await?;
            let Some(server) = server_error(&error) else { return Err(VerifyError::database(error)) };
            if server.code() == "42P01" || server.code() == "3F000" {
                return Err(VerifyError::not_migrated(def));
            }
            // After a timeout, including a timeout for a lock that another session holds, no other value would help.
            if TIMEOUTS.contains(&server.code()) {
                return Err(VerifyError::database(error));
            }
            failure = server.message().to_owned();
            // Selects the columns that the error names, or all columns if the error names none.
            let constraint = server.constraint().and_then(|name| live.constraints.get(name));
            let blamed: BTreeSet<&'static str> = match (constraint, server.column()) {
                (Some(constraint), _) if !constraint.columns.is_empty() => own_names(def, &constraint.columns),
                (_, Some(column)) => own_names(def, &[column.to_owned()].into()),
                _ => def.columns.iter().map(|column| column.name).collect(),
            };
            columns = if constraint.is_some() || server.column().is_some() {
                blamed.iter().filter(|name| !spec.fixed.contains_key(*name)).map(|name| (*name).to_owned()).collect()
            } else {
                Vec::new()
            };
            // Class 42 is a missing column, or another error that no value can prevent.
            if server.code().starts_with("42") {
                break;
            }
            let is_check = constraint.is_some_and(|constraint| constraint.condition.is_some());
            let connected = self.connected(target, &blamed);
            let deferred: Vec<_> = search.deferred.iter().copied().collect();
            let wanted = if is_check { &connected } else { &blamed };
            for name in deferred.into_iter().filter(|name| wanted.contains(name)) {
                let candidates = self.candidates_of(session, &catalog, target, name, is_minimal).await?;
                search.set(name, candidates);
            }
            let solutions = match is_check {
                true => search.solve(session, live, &connected, turn).await?,
                false => Solutions::Unknown,
            };
            let has_next = match solutions {
                Solutions::Found => search.is_new() || search.advance(&|name| blamed.contains(name)),
                // Only other given rows can satisfy the checks.
                Solutions::Missing => search.advance(&|name| search_rows(self.given(def), name)),
                Solutions::Unknown => search.advance(&|name| blamed.contains(name)),
            };
            let is_over = matches!(solutions, Solutions::Missing);
            if !has_next
                && (is_over || !(search.advance(&|name| connected.contains(name)) || search.advance(&|_| true)))
            {
                break;
            }
        }
        Err(VerifyError::Data { table: def.name.to_string(), columns, failure })
    }

    /// Returns the schema's table for a declaration.
    pub(super) fn table(&self, def: &TableDef) -> Option<&'a Table> {
        self.tables.get(&(def.name.schema, def.name.table)).copied()
    }

    fn given(&self, def: &TableDef) -> Option<&'a GivenTable> {
        self.given_values.tables.get(&def.name.to_string())
    }

    /// Returns the tables of the fixture as they are in the database.
    async fn catalog(&mut self, session: &mut Session, fixture: &Fixture) -> Result<Arc<Catalog>, VerifyError> {
        if let Some(catalog) = &self.catalog {
            return Ok(Arc::clone(catalog));
        }
        let read = Arc::new(Catalog::read(session, &fixture.tables).await?);
        Ok(Arc::clone(self.catalog.insert(read)))
    }

    /// Returns the declared columns that checks connect with the given columns.
    fn connected(&self, target: Target<'_>, columns: &BTreeSet<&'static str>) -> BTreeSet<&'static str> {
        let found = target.live.connected(columns.iter().copied());
        target.def.columns.iter().map(|column| column.name).filter(|name| found.contains(name)).collect()
    }

    /// Creates the search: the candidates of each column, and the columns that are omitted until a
    /// constraint names them.
    async fn start(
        &mut self,
        session: &mut Session,
        catalog: &Catalog,
        target: Target<'_>,
        spec: &RowSpec,
        is_minimal: bool,
    ) -> Result<Search, VerifyError> {
        let (mut search, def) = (Search::default(), target.def);
        let rows = self.given(def).map(|given| given.rows.as_slice()).unwrap_or_default();
        let in_rows: Vec<_> = def
            .columns
            .iter()
            .filter(|column| !column.is_computed())
            .map(|column| column.name)
            .filter(|name| !spec.fixed.contains_key(name) && rows.iter().any(|row| row.contains_key(*name)))
            .collect();
        if !in_rows.is_empty() {
            // Each generated row takes the next given row.
            let turn = self.given_rows.entry(def.name).or_default();
            let first = *turn % rows.len();
            *turn += 1;
            let mut others = BTreeMap::new();
            for name in in_rows.iter().filter(|name| rows.iter().any(|row| !row.contains_key(**name))) {
                let value = self.candidates_of(session, catalog, target, name, is_minimal).await?.into_iter().next();
                others.insert(*name, value.unwrap_or(Value::Default));
            }
            let value = |row: &BTreeMap<String, super::TestValue>, name: &&str| match row.get(*name) {
                Some(value) => value.0.clone().into(),
                None => others.get(name).cloned().unwrap_or(Value::Default),
            };
            let mut options: Vec<Vec<_>> =
                rows.iter().map(|row| in_rows.iter().map(|name| value(row, name)).collect()).collect();
            options.rotate_left(first);
            search.set_rows(in_rows.clone(), options);
        }
        let is_written = |column: &&ColumnDef| !column.is_computed() && !in_rows.contains(&column.name);
        for column in def.columns.iter().filter(is_written) {
            if let Some(value) = spec.fixed.get(column.name) {
                search.set(column.name, vec![value.clone().into()]);
            } else if self.is_left_out(target, column, is_minimal) {
                search.deferred.insert(column.name);
            } else {
                let candidates = self.candidates_of(session, catalog, target, column.name, is_minimal).await?;
                if !candidates.is_empty() {
                    search.set(column.name, candidates);
                }
            }
        }
        Ok(search)
    }

    /// Returns whether a column keeps its default or NULL at first.
    fn is_left_out(&self, target: Target<'_>, column: &ColumnDef, is_minimal: bool) -> bool {
        let is_given = self.given(target.def).is_some_and(|given| given.columns.contains_key(column.name));
        let is_plain = !column.id && !is_given && !target.def.is_reference(column);
        let stays_null = column.nullable && (is_minimal || self.is_null_in_index(target.def, column.name));
        is_plain && (column.default.is_some() && !self.is_unique(target.def, column.name) || stays_null)
    }

    /// Returns whether a unique index contains only the rows in which a column is NULL. Such a row can conflict with others.
    fn is_null_in_index(&self, def: &TableDef, column: &str) -> bool {
        let column = Ident::derived([column]);
        self.table(def).is_some_and(|table| {
            let enforced = table.indexes.iter().filter(|index| index.is_enforced());
            let mut conditions = enforced.filter_map(|index| index.condition.as_ref());
            conditions.any(|text| may_read(text, &column) && !text.as_str().to_uppercase().contains("NOT NULL"))
        })
    }

    /// Returns whether a unique constraint, a unique index or an exclusion constraint contains a column, or a generated column that
    /// reads it.
    fn is_unique(&self, def: &TableDef, column: &str) -> bool {
        let name = Ident::derived([column]);
        self.table(def).is_some_and(|table| {
            let is_computed_from = |key: &Ident| {
                let mut columns = table.columns.iter().filter(|column| column.name == *key);
                columns.any(|column| column.generated().is_some_and(|expression| may_read(expression, &name)))
            };
            let uniques = table.uniques.iter().flat_map(|key| &key.columns);
            let indexes = table.indexes.iter().filter(|index| index.is_enforced());
            uniques.chain(indexes.flat_map(Index::columns)).any(|key| *key == name || is_computed_from(key))
        })
    }

    /// Returns the candidates of a column, in the order of attempts.
    async fn candidates_of(
        &mut self,
        session: &mut Session,
        catalog: &Catalog,
        target: Target<'_>,
        name: &'static str,
        is_minimal: bool,
    ) -> Result<Vec<Value>, VerifyError> {
        let def = target.def;
        let Some(column) = def.columns.iter().find(|column| column.name == name) else { return Ok(Vec::new()) };
        if let Some(values) = self.given(def).and_then(|given| given.columns.get(name)) {
            // Each row starts with a different value, for unique columns.
            let mut values: Vec<Value> = values.iter().map(|value| value.0.clone().into()).collect();
            let turn = usize::try_from(self.number).unwrap_or_default() % values.len().max(1);
            values.rotate_left(turn);
            return Ok(values);
        }
        if def.is_reference(column) {
            let mut found: Vec<Value> = Vec::new();
            for value in self.targets(def, column, target.tenant).into_iter().map(Value::from) {
                if !found.contains(&value) {
                    found.push(value);
                }
            }
            if column.nullable && !found.contains(&Value::Null) {
                found.push(Value::Null);
            }
            return Ok(found);
        }
        let is_left_out = self.is_left_out(target, column, is_minimal);
        let first = match (is_left_out, column.default.is_some()) {
            (false, _) => None,
            (true, true) => Some(Value::Default),
            (true, false) => Some(Value::Null),
        };
        let (mut texts, is_same) = self.generated_values(session, catalog, target, column).await?;
        // All rows have the same candidates, so each row starts with a different candidate.
        if is_same && !texts.is_empty() && self.is_unique(def, name) {
            let turn = self.rows_of(def.name).len() % texts.len();
            texts.rotate_left(turn);
        }
        if texts.is_empty() && !column.nullable && first.is_none() {
            let ty = target.live.columns.get(name).map_or("of the declaration", |live| live.sql.as_str());
            return Err(VerifyError::Data {
                table: def.name.to_string(),
                columns: vec![name.to_owned()],
                failure: format!("no value can be generated for the column `{name}` of type `{ty}`"),
            });
        }
        let last = (column.nullable && first != Some(Value::Null)).then_some(Value::Null);
        Ok(first.into_iter().chain(texts.into_iter().map(Value::Text)).chain(last).collect())
    }

    /// Returns the values with which a column can reference a row, starting with a different row each time.
    ///
    /// The values of the other columns of the same foreign key follow from the attempts: the error names the columns to change.
    fn targets(&self, def: &TableDef, column: &ColumnDef, tenant: usize) -> Vec<Option<String>> {
        let place = |reference: &Reference| reference.columns.iter().position(|own| own.name == column.name);
        let found = def.references().into_iter().find_map(|reference| Some((place(&reference)?, reference.to.table)));
        let Some((place, target)) = found else { return Vec::new() };
        let keys = self.keys_of_tenant(target, tenant);
        let mut found: Vec<_> = keys.map(|key| key.get(place).cloned().flatten()).collect();
        if found.is_empty() {
            // In a table that references itself, the first row references itself if NULL is not allowed.
            return match (column.nullable, target == def.name) {
                (true, _) => vec![None],
                (false, true) => vec![key(column.ty, self.number)],
                (false, false) => Vec::new(),
            };
        }
        let turn = self.rows_of(def.name).len() % found.len();
        found.rotate_left(turn);
        // A nullable column starts with the last row, so that a nullable unique reference gets a different value as
        // well.
        if column.nullable {
            let last = (turn + 1) % found.len();
            found.rotate_right(last);
        }
        found
    }

    /// Returns the keys of a tenant's rows of the fixture in a table.
    pub(super) fn keys_of_tenant(&self, table: TableName, tenant: usize) -> impl Iterator<Item = &Vec<Option<String>>> {
        let rows = self.rows_of(table).iter().filter(move |(of, _)| of.is_none_or(|of| of == tenant));
        rows.map(|(_, key)| key)
    }

    /// Returns the tenant and the key of each row of the fixture in a table.
    fn rows_of(&self, table: TableName) -> &[MadeRow] {
        self.made.get(&table).map(Vec::as_slice).unwrap_or_default()
    }

    /// Remembers a row of the fixture, so that other rows can reference it.
    pub(super) fn remember(&mut self, def: &TableDef, row: &Row) {
        let tenant = def.tenant_column().map(|_| self.principals.tenant_of(def, &row.values).unwrap_or(usize::MAX));
        let key = def.own_key().into_iter().map(|column| row.value(column.name).map(str::to_owned)).collect();
        self.made.entry(def.name).or_default().push((tenant, key));
    }
}

/// Returns whether whole given rows contain a column.
fn search_rows(given: Option<&GivenTable>, column: &str) -> bool {
    given.is_some_and(|given| given.rows.iter().any(|row| row.contains_key(column)))
}

/// Returns the declared columns among the given names.
fn own_names(def: &'static TableDef, names: &BTreeSet<String>) -> BTreeSet<&'static str> {
    def.columns.iter().map(|column| column.name).filter(|name| names.contains(*name)).collect()
}
