//! Generates one row by trying values until the table accepts them.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    VerifyError,
    fixture::{Fixture, Row, row_id},
    principals::{NAMES, key},
    row_data::{RowFactory, RowSpec, name},
    session::Session,
    values::{candidates, names},
};
use crate::{
    error::server_error,
    ident::{literal, quoted},
    model::{
        def::{ColumnDef, ScopeDef, SqlType, TableDef, TableName},
        schema::Table,
    },
};

/// The maximum number of attempts per row.
const TRIES: usize = 400;

impl<'a> RowFactory<'a> {
    /// Inserts a row as the administrator, and returns the stored row.
    pub(super) async fn insert(
        &mut self,
        session: &mut Session,
        fixture: &Fixture,
        def: &'static TableDef,
        spec: &RowSpec,
    ) -> Result<Row, VerifyError> {
        self.number += 1;
        let table = self.table(def).ok_or_else(|| VerifyError::not_migrated(def))?;
        let mut choices = self.choices(session, fixture, def, table, spec).await?;
        let returned =
            def.columns.iter().map(|column| format!("{}::text", quoted(column.name))).collect::<Vec<_>>().join(", ");
        let mut at: BTreeMap<&str, usize> = choices.keys().map(|name| (*name, 0)).collect();
        let (mut failure, mut column) = (String::new(), None);
        for _ in 0..TRIES {
            let (names, values): (Vec<_>, Vec<_>) = choices
                .iter()
                .map(|(name, texts)| (quoted(name).to_string(), texts[at[name] % texts.len()].as_ref()))
                .map(|(name, text)| (name, text.map_or_else(|| "NULL".to_owned(), |text| literal(text))))
                .unzip();
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
                    let mut row = Row { table: def.name, values, matching_conditions: BTreeSet::new() };
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
            failure = server.message().to_owned();
            // The columns that the error names, or all generated columns if it names none.
            let violating = violating_columns(table, server.constraint(), server.column(), &choices);
            let made_up = violating.iter().find(|name| choices[*name].len() > 1);
            column = made_up.or(violating.first()).map(|name| (*name).to_owned());
            let free: Vec<&str> = violating.into_iter().filter(|name| choices[name].len() > 1).collect();
            if !next_combination(&mut at, &free, &choices) {
                // A default value can violate the constraint.
                let more = self.defaults(def, table, server.constraint(), &choices);
                if more.is_empty() {
                    break;
                }
                at.extend(more.keys().map(|name| (*name, 0)));
                choices.extend(more);
            }
        }
        Err(VerifyError::Data { table: def.name.to_string(), column, failure })
    }

    /// Returns the schema's table for a declaration.
    pub(super) fn table(&self, def: &TableDef) -> Option<&'a Table> {
        let mut tables = self.schema.tables().iter();
        tables
            .find(|(name, _)| name.schema.as_str() == def.name.schema && name.table.as_str() == def.name.table)
            .map(|(_, table)| table)
    }

    /// Returns the candidate values of each column to fill, in the order in which they are tried.
    async fn choices(
        &self,
        session: &mut Session,
        fixture: &Fixture,
        def: &'static TableDef,
        table: &Table,
        spec: &RowSpec,
    ) -> Result<BTreeMap<&'static str, Vec<Option<String>>>, VerifyError> {
        let mut choices = BTreeMap::new();
        for column in def.columns {
            let is_unique = table.uniques.iter().any(|key| key.columns.iter().any(|name| name.as_str() == column.name));
            let texts = if let Some(value) = spec.fixed.get(column.name) {
                vec![value.clone()]
            } else if let Some(texts) =
                self.given_values.get(&def.name.to_string()).and_then(|table| table.get(column.name))
            {
                // Each row starts with a different value, as unique columns require.
                let mut texts: Vec<_> = texts.iter().cloned().map(Some).collect();
                let turn = usize::try_from(self.number).unwrap_or_default() % texts.len().max(1);
                texts.rotate_left(turn);
                texts
            } else if let Some(reference) = column.references {
                self.targets(fixture, def, column, reference.table, spec.tenant)
            } else if column.default.is_some() && !is_unique && !column.id {
                continue;
            } else {
                self.generated_values(session, def, table, column, spec.tenant).await?
            };
            if !texts.is_empty() {
                choices.insert(column.name, texts);
            }
        }
        Ok(choices)
    }

    /// Returns the rows that a column can reference, starting with a different row each time.
    pub(super) fn targets(
        &self,
        fixture: &Fixture,
        def: &TableDef,
        column: &ColumnDef,
        target: TableName,
        tenant: usize,
    ) -> Vec<Option<String>> {
        let Some(other) = fixture.table(target) else { return Vec::new() };
        let is_of_tenant = |row: &&Row| match other.scope {
            ScopeDef::Tenant { column } => row.value(column) == Some(self.principals.tenants[tenant].as_str()),
            _ => true,
        };
        let id = row_id(other).map_or("", |id| id.name);
        let mut found: Vec<_> =
            fixture.rows_of(target).filter(is_of_tenant).map(|row| row.value(id).map(str::to_owned)).collect();
        if found.is_empty() {
            // In a table that references itself, the first row references itself if NULL is not allowed.
            return match (column.nullable, target == def.name) {
                (true, _) => vec![None],
                (false, true) => vec![key(column.ty, self.number)],
                (false, false) => Vec::new(),
            };
        }
        let turn = fixture.rows_of(def.name).count() % found.len();
        found.rotate_left(turn);
        // A nullable column starts with the last row, so that a nullable unique reference gets a different value as
        // well.
        if column.nullable {
            let last = (turn + 1) % found.len();
            found.rotate_right(last);
        }
        found
    }

    async fn generated_values(
        &self,
        session: &mut Session,
        def: &TableDef,
        table: &Table,
        column: &ColumnDef,
        tenant: usize,
    ) -> Result<Vec<Option<String>>, VerifyError> {
        if column.id
            && let Some(key) = key(column.ty, self.number)
        {
            return Ok(vec![Some(key)]);
        }
        let checks: Vec<_> = table.checks.iter().filter(|check| names(check.condition.as_str(), column.name)).collect();
        let mark = format!("verify-{}-{}", NAMES[tenant].to_lowercase(), self.number);
        let mut texts = candidates(column.ty, &mark, self.number, &checks);
        if let SqlType::Custom(ty) = column.ty {
            texts = castable_values(session, ty, texts).await?;
        }
        if texts.is_empty() && !column.nullable {
            return Err(VerifyError::Data {
                table: def.name.to_string(),
                column: Some(column.name.to_owned()),
                failure: format!("there are no candidate values of its type {:?}", column.ty),
            });
        }
        Ok(texts.into_iter().map(Some).chain(column.nullable.then_some(None)).collect())
    }

    /// Returns candidate values for columns that have a default and that a constraint names.
    fn defaults(
        &self,
        def: &'static TableDef,
        table: &Table,
        constraint: Option<&str>,
        choices: &BTreeMap<&'static str, Vec<Option<String>>>,
    ) -> BTreeMap<&'static str, Vec<Option<String>>> {
        let Some(check) = table.checks.iter().find(|check| Some(check.name.as_str()) == constraint) else {
            return BTreeMap::new();
        };
        let left = def.columns.iter().filter(|column| !choices.contains_key(column.name) && !column.id);
        let named = left.filter(|column| names(check.condition.as_str(), column.name));
        let texts =
            |column: &ColumnDef| candidates(column.ty, "verify", self.number, &[check]).into_iter().map(Some).collect();
        named.map(|column| (column.name, texts(column))).collect()
    }
}

/// Returns the strings that can be cast to a type; strings that the cast leaves unchanged come first.
async fn castable_values(session: &mut Session, ty: &str, texts: Vec<String>) -> Result<Vec<String>, VerifyError> {
    let (mut whole, mut others) = (Vec::new(), Vec::new());
    let labels =
        format!("SELECT enumlabel::text FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype({})", literal(ty));
    whole.extend(session.rows(&labels).await?.into_iter().filter_map(|row| row.into_iter().next()?));
    for text in texts {
        let sql = format!("SAVEPOINT new_row; SELECT ({0}::{ty}::text = {0})::text", literal(&text));
        match session.try_rows(&sql).await? {
            Ok(rows) if rows.iter().flatten().any(|text| text.as_deref() == Some("true")) => whole.push(text),
            Ok(_) => others.push(text),
            Err(_) => {}
        }
        session.run("ROLLBACK TO new_row").await?;
    }
    Ok([whole, others].concat())
}

/// Advances to the next combination of values; returns false after the last combination.
fn next_combination<'c>(
    at: &mut BTreeMap<&'c str, usize>,
    names: &[&'c str],
    choices: &BTreeMap<&'c str, Vec<Option<String>>>,
) -> bool {
    for name in names {
        let Some(place) = at.get_mut(name) else { continue };
        *place += 1;
        if *place < choices[name].len() {
            return true;
        }
        *place = 0;
    }
    false
}

/// Returns the columns that an error names, among those with candidate values.
fn violating_columns<'c>(
    table: &Table,
    constraint: Option<&str>,
    column: Option<&str>,
    choices: &BTreeMap<&'c str, Vec<Option<String>>>,
) -> Vec<&'c str> {
    let check = table.checks.iter().find(|check| Some(check.name.as_str()) == constraint);
    let unique = table.uniques.iter().find(|key| Some(key.name.as_str()) == constraint);
    let is_blamed = |name: &&str| match (check, unique, column) {
        (Some(check), ..) => names(check.condition.as_str(), name),
        (_, Some(key), _) => key.columns.iter().any(|column| column.as_str() == *name),
        (.., Some(column)) => *name == column,
        _ => true,
    };
    choices.keys().copied().filter(is_blamed).collect()
}
