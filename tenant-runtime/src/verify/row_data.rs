//! The rows of the two tenants: which there are to be, in which order they can be made, and how they refer to each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    VerifyError,
    fixture::{Fixture, Row, keys, row_id},
    principals::{Principals, TestUser},
    session::Session,
};
use crate::{
    analyze::rule_for,
    ident::{literal, quoted},
    model::{
        def::{ScopeDef, SqlType, TableDef, TableName},
        schema::Schema,
    },
};

/// Values that the user gives, by table and column.
pub(super) type Supplied = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Makes rows up.
#[derive(Debug)]
pub(super) struct RowFactory<'a> {
    pub(super) schema: &'a Schema,
    pub(super) app_assigned: &'a Supplied,
    pub(super) cast: &'a Principals,
    /// Counts the rows, so that no two are the same.
    pub(super) number: u32,
}

/// What is settled about a row before its other values are made up.
#[derive(Debug, Clone, Default)]
pub(super) struct RowSpec {
    pub(super) tenant: usize,
    pub(super) fixed: BTreeMap<&'static str, Option<String>>,
}

impl<'a> RowFactory<'a> {
    pub(super) fn new(schema: &'a Schema, app_assigned: &'a Supplied, cast: &'a Principals, from: u32) -> Self {
        Self { schema, app_assigned, cast, number: from + 100 }
    }

    /// Fills the tables, each after those to which it refers.
    pub(super) async fn fill(&mut self, session: &mut Session, world: &mut Fixture) -> Result<(), VerifyError> {
        for def in order(&world.tables)? {
            for wanted in self.wanted(world, def) {
                let row = self.insert(session, world, def, &wanted).await?;
                world.rows.push(row);
            }
        }
        self.link(session, world).await?;
        self.forget_changes(session, world).await?;
        session.keep().await
    }

    /// Takes out of the change log what was written there while rows were made: what is left is what was made for it.
    async fn forget_changes(&self, session: &mut Session, world: &Fixture) -> Result<(), VerifyError> {
        for def in world.tables.iter().filter(|def| def.change_log) {
            let (ScopeDef::Tenant { column }, Some(id)) = (def.scope, row_id(def)) else { continue };
            let made = world.rows.iter().filter(|row| row.table == def.name);
            let made = made.filter_map(|row| row.values.get(id.name)?.as_deref()).map(literal).collect::<Vec<_>>();
            let tenants = self.cast.tenants.iter().map(|key| literal(key)).collect::<Vec<_>>();
            session
                .run(&format!(
                    "DELETE FROM {} WHERE {}::text IN ({}) AND {}::text NOT IN ({})",
                    name(def.name),
                    quoted(column),
                    tenants.join(", "),
                    quoted(id.name),
                    made.join(", ")
                ))
                .await?;
        }
        Ok(())
    }

    /// The rows that a table is to have: of each tenant, of several owners and visibilities.
    fn wanted(&self, world: &Fixture, def: &'static TableDef) -> Vec<RowSpec> {
        let id = row_id(def).map_or("", |id| id.name);
        if let (Some(membership), ScopeDef::Tenant { column }) = (def.membership, def.scope) {
            let member = |tenant: usize, user: &str, role: &str| {
                let pairs =
                    [(column, self.cast.tenants[tenant].as_str()), (membership.user, user), (membership.role, role)];
                RowSpec { tenant, fixed: pairs.map(|(name, value)| (name, Some(value.to_owned()))).into() }
            };
            let members =
                |tenant| self.cast.members(tenant).map(move |(person, role)| member(tenant, &person.key, role));
            return (0..2).flat_map(members).collect();
        }
        let is_users = matches!(def.scope, ScopeDef::Shared { .. })
            || def.scope == ScopeDef::Global && refers_to_users(world, def.name);
        if is_users {
            let user = |person: &TestUser| RowSpec {
                tenant: person.roles.first().map_or(0, |(tenant, _)| *tenant),
                fixed: [(id, Some(person.key.clone()))].into(),
            };
            return self.cast.people.iter().map(user).collect();
        }
        match def.scope {
            ScopeDef::Global => vec![RowSpec::default(), RowSpec::default()],
            ScopeDef::Tenant { column } if column == id => (0..2).map(|tenant| self.of_tenant(def, tenant)).collect(),
            _ => (0..2).flat_map(|tenant| self.of_owners(def, tenant)).collect(),
        }
    }

    pub(super) fn of_tenant(&self, def: &TableDef, tenant: usize) -> RowSpec {
        let fixed = match def.scope {
            ScopeDef::Tenant { column } => [(column, Some(self.cast.tenants[tenant].clone()))].into(),
            _ => BTreeMap::new(),
        };
        RowSpec { tenant, fixed }
    }

    fn of_owners(&self, def: &'static TableDef, tenant: usize) -> Vec<RowSpec> {
        let base = self.of_tenant(def, tenant);
        let labels = def.visibility.and_then(|name| {
            let column = def.columns.iter().find(|column| column.name == name)?;
            let SqlType::Labels(labels) = column.ty else { return None };
            let other = labels.iter().copied().find(|label| *label != "team");
            Some(["team"].into_iter().chain(other).map(|label| (name, label)).collect::<Vec<_>>())
        });
        let labels = labels.map_or_else(|| vec![None], |labels| labels.into_iter().map(Some).collect());
        let owners: Vec<_> = match def.owner {
            // Who is a member of both tenants owns nothing, so that there is a member whom nothing keeps.
            Some(owner) => {
                let members = self.cast.members(tenant).filter(|(person, _)| person.roles.len() == 1);
                members.map(|(person, _)| Some((owner, person.key.clone()))).collect()
            }
            None => vec![None],
        };
        let with = |owner: &Option<(&'static str, String)>, label: &Option<(&'static str, &str)>| {
            let mut wanted = base.clone();
            wanted.fixed.extend(owner.iter().map(|(name, key)| (*name, Some(key.clone()))));
            wanted.fixed.extend(label.iter().map(|(name, label)| (*name, Some((*label).to_owned()))));
            wanted
        };
        let rows = owners.iter().flat_map(|owner| labels.iter().map(move |label| (owner, label)));
        let rows: Vec<_> = rows.map(|(owner, label)| with(owner, label)).collect();
        if def.owner.is_none() && def.visibility.is_none() { [rows.clone(), rows].concat() } else { rows }
    }

    /// For which users each condition of the declaration holds on a row.
    pub(super) async fn holds(
        &self,
        session: &mut Session,
        def: &TableDef,
        row: &Row,
    ) -> Result<BTreeSet<(usize, Option<String>)>, VerifyError> {
        let mut holds = BTreeSet::new();
        if def.rules.is_empty() {
            return Ok(holds);
        }
        for user in self.cast.people.iter().map(|person| Some(person.key.clone())).chain([None]) {
            let conditions = def.rules.iter().filter_map(|rule| rule_for(rule, user.as_deref(), def.tenancy));
            let conditions =
                conditions.map(|condition| format!("(({condition}) IS TRUE)::text")).collect::<Vec<_>>().join(", ");
            let asked = format!("SELECT {conditions} FROM {} WHERE {}", name(def.name), is_row(def, row));
            let found = session.row(&asked).await?.into_iter().enumerate();
            holds.extend(found.filter(|(_, text)| text.as_deref() == Some("true")).map(|(at, _)| (at, user.clone())));
        }
        Ok(holds)
    }

    /// Fills the references that were still without a row when their own was made.
    async fn link(&self, session: &mut Session, world: &mut Fixture) -> Result<(), VerifyError> {
        for at in 0..world.rows.len() {
            let Some(def) = world.table(world.rows[at].table) else { continue };
            for column in def.columns.iter().filter(|column| column.nullable && column.references.is_some()) {
                let row = &world.rows[at];
                let tenant = match def.scope {
                    ScopeDef::Tenant { column } => {
                        self.cast.tenants.iter().position(|tenant| Some(tenant.as_str()) == row.value(column))
                    }
                    _ => None,
                };
                let (Some(tenant), None, Some(reference)) = (tenant, row.value(column.name), column.references) else {
                    continue;
                };
                let Some(Some(target)) = self.targets(world, def, column, reference.table, tenant).into_iter().next()
                else {
                    continue;
                };
                let sql = format!(
                    "SAVEPOINT making; UPDATE {} SET {} = {} WHERE {}",
                    name(def.name),
                    quoted(column.name),
                    literal(&target),
                    is_row(def, row)
                );
                // A condition may want it empty; then it stays so.
                match session.try_rows(&sql).await? {
                    Ok(_) => drop(world.rows[at].values.insert(column.name, Some(target))),
                    Err(_) => session.run("ROLLBACK TO making").await?,
                }
            }
        }
        Ok(())
    }
}

/// Orders tables so that each comes after those that it must refer to.
fn order(tables: &[&'static TableDef]) -> Result<Vec<&'static TableDef>, VerifyError> {
    let mut waiting = tables.to_vec();
    let mut ordered = Vec::new();
    while !waiting.is_empty() {
        let waits = |def: &TableDef, must: bool| {
            let mut references =
                def.columns.iter().filter(|column| !must || !column.nullable).filter_map(|c| c.references);
            references.any(|to| to.table != def.name && waiting.iter().any(|other| other.name == to.table))
        };
        let free = waiting
            .iter()
            .position(|def| !waits(def, false))
            .or_else(|| waiting.iter().position(|def| !waits(def, true)));
        let Some(next) = free else {
            let names = waiting.iter().map(|def| def.name.to_string()).collect::<Vec<_>>();
            return Err(VerifyError::Circle { tables: names.join(", ") });
        };
        ordered.push(waiting.remove(next));
    }
    Ok(ordered)
}

/// Says whether rows of a table are users: who belongs to a tenant or owns rows is named by its key.
fn refers_to_users(world: &Fixture, users: TableName) -> bool {
    world.tables.iter().any(|def| {
        let names_user =
            |name: &str| def.owner == Some(name) || def.membership.is_some_and(|membership| membership.user == name);
        def.columns
            .iter()
            .any(|column| names_user(column.name) && column.references.is_some_and(|to| to.table == users))
    })
}

/// The name of a table as it stands in SQL.
pub(super) fn name(table: TableName) -> String {
    format!("{}.{}", quoted(table.schema), quoted(table.table))
}

/// The condition that a row is this one.
pub(super) fn is_row(def: &TableDef, row: &Row) -> String {
    is_row_of(def, row, "")
}

/// The same where the table has another name, which stands before the columns' with a point.
pub(super) fn is_row_of(def: &TableDef, row: &Row, alias: &str) -> String {
    let same = keys(def).map(|column| format!("{alias}{} = {}", quoted(column.name), row.literal(column.name)));
    same.collect::<Vec<_>>().join(" AND ")
}
