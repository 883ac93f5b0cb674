//! Making one row: values are tried until the table takes them.

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

/// How often a row is tried whose values the table does not take.
const TRIES: usize = 400;

impl<'a> RowFactory<'a> {
    /// Inserts a row as the administrator, and returns what the table made of it.
    pub(super) async fn insert(
        &mut self,
        session: &mut Session,
        world: &Fixture,
        def: &'static TableDef,
        wanted: &RowSpec,
    ) -> Result<Row, VerifyError> {
        self.number += 1;
        let table = self.table(def).ok_or_else(|| VerifyError::unknown(def))?;
        let mut choices = self.choices(session, world, def, table, wanted).await?;
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
                "SAVEPOINT making; INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE VALUES ({}) RETURNING {returned}",
                name(def.name),
                names.join(", "),
                values.join(", ")
            );
            let error = match session.try_rows(&sql).await? {
                Ok(rows) => {
                    let values = rows.into_iter().next().unwrap_or_default();
                    let values = def.columns.iter().map(|column| column.name).zip(values).collect();
                    let mut row = Row { table: def.name, values, holds: BTreeSet::new() };
                    row.holds = self.holds(session, def, &row).await?;
                    session.run("RELEASE making").await?;
                    return Ok(row);
                }
                Err(error) => error,
            };
            session.run("ROLLBACK TO making").await?;
            let Some(server) = server_error(&error) else { return Err(VerifyError::database(error)) };
            if server.code() == "42P01" || server.code() == "3F000" {
                return Err(VerifyError::unknown(def));
            }
            failure = server.message().to_owned();
            // What the server blames, or, where it names no column, everything that was made up.
            let blamed = blamed(table, server.constraint(), server.column(), &choices);
            let made_up = blamed.iter().find(|name| choices[*name].len() > 1);
            column = made_up.or(blamed.first()).map(|name| (*name).to_owned());
            let free: Vec<&str> = blamed.into_iter().filter(|name| choices[name].len() > 1).collect();
            if !step(&mut at, &free, &choices) {
                // A default may be what does not hold.
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

    /// What a declaration has become.
    pub(super) fn table(&self, def: &TableDef) -> Option<&'a Table> {
        let mut tables = self.schema.tables().iter();
        tables
            .find(|(name, _)| name.schema.as_str() == def.name.schema && name.table.as_str() == def.name.table)
            .map(|(_, table)| table)
    }

    /// What may be put into the columns that are to be filled, each in the order in which it is tried.
    async fn choices(
        &self,
        session: &mut Session,
        world: &Fixture,
        def: &'static TableDef,
        table: &Table,
        wanted: &RowSpec,
    ) -> Result<BTreeMap<&'static str, Vec<Option<String>>>, VerifyError> {
        let mut choices = BTreeMap::new();
        for column in def.columns {
            let is_unique = table.uniques.iter().any(|key| key.columns.iter().any(|name| name.as_str() == column.name));
            let texts = if let Some(value) = wanted.fixed.get(column.name) {
                vec![value.clone()]
            } else if let Some(texts) =
                self.app_assigned.get(&def.name.to_string()).and_then(|table| table.get(column.name))
            {
                // Each row begins with another one, for columns that are unique.
                let mut texts: Vec<_> = texts.iter().cloned().map(Some).collect();
                let turn = usize::try_from(self.number).unwrap_or_default() % texts.len().max(1);
                texts.rotate_left(turn);
                texts
            } else if let Some(reference) = column.references {
                self.targets(world, def, column, reference.table, wanted.tenant)
            } else if column.default.is_some() && !is_unique && !column.id {
                continue;
            } else {
                self.made_up(session, def, table, column, wanted.tenant).await?
            };
            if !texts.is_empty() {
                choices.insert(column.name, texts);
            }
        }
        Ok(choices)
    }

    /// The rows to which a column may refer, beginning with another one for each row.
    pub(super) fn targets(
        &self,
        world: &Fixture,
        def: &TableDef,
        column: &ColumnDef,
        target: TableName,
        tenant: usize,
    ) -> Vec<Option<String>> {
        let Some(other) = world.table(target) else { return Vec::new() };
        let is_of_tenant = |row: &&Row| match other.scope {
            ScopeDef::Tenant { column } => row.value(column) == Some(self.cast.tenants[tenant].as_str()),
            _ => true,
        };
        let id = row_id(other).map_or("", |id| id.name);
        let mut found: Vec<_> =
            world.rows_of(target).filter(is_of_tenant).map(|row| row.value(id).map(str::to_owned)).collect();
        if found.is_empty() {
            // A table that refers to itself begins with a row that names itself, where it must name one.
            return match (column.nullable, target == def.name) {
                (true, _) => vec![None],
                (false, true) => vec![key(column.ty, self.number)],
                (false, false) => Vec::new(),
            };
        }
        let turn = world.rows_of(def.name).count() % found.len();
        found.rotate_left(turn);
        // Beginning with the last one, for the same reason.
        if column.nullable {
            let last = (turn + 1) % found.len();
            found.rotate_right(last);
        }
        found
    }

    async fn made_up(
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
        let mark = format!("prove-{}-{}", NAMES[tenant].to_lowercase(), self.number);
        let mut texts = candidates(column.ty, &mark, self.number, &checks);
        if let SqlType::Custom(ty) = column.ty {
            texts = fitting(session, ty, texts).await?;
        }
        if texts.is_empty() && !column.nullable {
            return Err(VerifyError::Data {
                table: def.name.to_string(),
                column: Some(column.name.to_owned()),
                failure: format!("no value of its type, {:?}, is known", column.ty),
            });
        }
        Ok(texts.into_iter().map(Some).chain(column.nullable.then_some(None)).collect())
    }

    /// Candidates for columns that were left to their defaults and that a constraint names.
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

/// The texts that a type takes, those that it leaves as they are first.
async fn fitting(session: &mut Session, ty: &str, texts: Vec<String>) -> Result<Vec<String>, VerifyError> {
    let (mut whole, mut others) = (Vec::new(), Vec::new());
    let labels =
        format!("SELECT enumlabel::text FROM pg_catalog.pg_enum WHERE enumtypid = to_regtype({})", literal(ty));
    whole.extend(session.rows(&labels).await?.into_iter().filter_map(|row| row.into_iter().next()?));
    for text in texts {
        let sql = format!("SAVEPOINT making; SELECT ({0}::{ty}::text = {0})::text", literal(&text));
        match session.try_rows(&sql).await? {
            Ok(rows) if rows.iter().flatten().any(|text| text.as_deref() == Some("true")) => whole.push(text),
            Ok(_) => others.push(text),
            Err(_) => {}
        }
        session.run("ROLLBACK TO making").await?;
    }
    Ok([whole, others].concat())
}

/// Takes the next combination of values for some columns; false where all were tried.
fn step<'c>(
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

/// The columns of which the server speaks, those that were made up alone.
fn blamed<'c>(
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
