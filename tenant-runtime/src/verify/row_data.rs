//! The test rows of the two tenants: their number, their insertion order, and the references between them.

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

/// The values of [`VerifyOptions`](super::VerifyOptions), by table and column.
pub(super) type GivenValues = BTreeMap<String, BTreeMap<String, Vec<String>>>;

/// Generates test rows.
#[derive(Debug)]
pub(super) struct RowFactory<'a> {
    pub(super) schema: &'a Schema,
    pub(super) given_values: &'a GivenValues,
    pub(super) principals: &'a Principals,
    /// Counts the rows, so that values are unique.
    pub(super) number: u32,
}

/// The tenant and the fixed values of a row to generate.
#[derive(Debug, Clone, Default)]
pub(super) struct RowSpec {
    pub(super) tenant: usize,
    pub(super) fixed: BTreeMap<&'static str, Option<String>>,
}

impl<'a> RowFactory<'a> {
    pub(super) fn new(
        schema: &'a Schema,
        given_values: &'a GivenValues,
        principals: &'a Principals,
        from: u32,
    ) -> Self {
        Self { schema, given_values, principals, number: from + 100 }
    }

    /// Fills the tables, each after the tables that it references.
    pub(super) async fn fill(&mut self, session: &mut Session, fixture: &mut Fixture) -> Result<(), VerifyError> {
        for def in order(&fixture.tables)? {
            for spec in self.specs(fixture, def) {
                let row = self.insert(session, fixture, def, &spec).await?;
                fixture.push(row);
            }
        }
        self.link(session, fixture).await?;
        self.forget_changes(session, fixture).await?;
        session.keep().await
    }

    /// Deletes the change log entries that triggers wrote for the test rows, and keeps the rows that were generated for the log.
    async fn forget_changes(&self, session: &mut Session, fixture: &Fixture) -> Result<(), VerifyError> {
        for def in fixture.tables.iter().filter(|def| def.change_log) {
            let (ScopeDef::Tenant { column }, Some(id)) = (def.scope, row_id(def)) else { continue };
            let made = fixture.rows.iter().filter(|row| row.table == def.name);
            let made = made.filter_map(|row| row.values.get(id.name)?.as_deref()).map(literal).collect::<Vec<_>>();
            let tenants = self.principals.tenants.iter().map(|key| literal(key)).collect::<Vec<_>>();
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

    /// Returns the rows to generate for a table: for each tenant, with several owners and visibilities.
    fn specs(&self, fixture: &Fixture, def: &'static TableDef) -> Vec<RowSpec> {
        let id = row_id(def).map_or("", |id| id.name);
        if let (Some(membership), ScopeDef::Tenant { column }) = (def.membership, def.scope) {
            let member = |tenant: usize, user: &str, role: &str| {
                let pairs = [
                    (column, self.principals.tenants[tenant].as_str()),
                    (membership.user, user),
                    (membership.role, role),
                ];
                RowSpec { tenant, fixed: pairs.map(|(name, value)| (name, Some(value.to_owned()))).into() }
            };
            let members =
                |tenant| self.principals.members(tenant).map(move |(person, role)| member(tenant, &person.key, role));
            return (0..2).flat_map(members).collect();
        }
        let is_users = matches!(def.scope, ScopeDef::Shared { .. })
            || def.scope == ScopeDef::Global && refers_to_users(fixture, def.name);
        if is_users {
            let user = |person: &TestUser| RowSpec {
                tenant: person.roles.first().map_or(0, |(tenant, _)| *tenant),
                fixed: [(id, Some(person.key.clone()))].into(),
            };
            return self.principals.users.iter().map(user).collect();
        }
        match def.scope {
            ScopeDef::Global => vec![RowSpec::default(), RowSpec::default()],
            ScopeDef::Tenant { column } if column == id => (0..2).map(|tenant| self.of_tenant(def, tenant)).collect(),
            _ => (0..2).flat_map(|tenant| self.of_owners(def, tenant)).collect(),
        }
    }

    pub(super) fn of_tenant(&self, def: &TableDef, tenant: usize) -> RowSpec {
        let fixed = match def.scope {
            ScopeDef::Tenant { column } => [(column, Some(self.principals.tenants[tenant].clone()))].into(),
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
            // The member of both tenants owns no rows, so that no foreign key prevents the deletion of a membership.
            Some(owner) => {
                let members = self.principals.members(tenant).filter(|(person, _)| person.roles.len() == 1);
                members.map(|(person, _)| Some((owner, person.key.clone()))).collect()
            }
            None => vec![None],
        };
        let with = |owner: &Option<(&'static str, String)>, label: &Option<(&'static str, &str)>| {
            let mut spec = base.clone();
            spec.fixed.extend(owner.iter().map(|(name, key)| (*name, Some(key.clone()))));
            spec.fixed.extend(label.iter().map(|(name, label)| (*name, Some((*label).to_owned()))));
            spec
        };
        let rows = owners.iter().flat_map(|owner| labels.iter().map(move |label| (owner, label)));
        let rows: Vec<_> = rows.map(|(owner, label)| with(owner, label)).collect();
        if def.owner.is_none() && def.visibility.is_none() { [rows.clone(), rows].concat() } else { rows }
    }

    /// Returns the declared conditions that a row satisfies, by user.
    pub(super) async fn matching_conditions(
        &self,
        session: &mut Session,
        def: &TableDef,
        row: &Row,
    ) -> Result<BTreeSet<(usize, Option<String>)>, VerifyError> {
        let mut holds = BTreeSet::new();
        if def.rules.is_empty() {
            return Ok(holds);
        }
        for user in self.principals.users.iter().map(|person| Some(person.key.clone())).chain([None]) {
            let conditions = def.rules.iter().filter_map(|rule| rule_for(rule, user.as_deref(), def.tenancy));
            let conditions =
                conditions.map(|condition| format!("(({condition}) IS TRUE)::text")).collect::<Vec<_>>().join(", ");
            let asked = format!("SELECT {conditions} FROM {} WHERE {}", name(def.name), is_row(def, row));
            let found = session.row(&asked).await?.into_iter().enumerate();
            holds.extend(found.filter(|(_, text)| text.as_deref() == Some("true")).map(|(at, _)| (at, user.clone())));
        }
        Ok(holds)
    }

    /// Sets references whose target did not exist when the row was inserted.
    async fn link(&self, session: &mut Session, fixture: &mut Fixture) -> Result<(), VerifyError> {
        for at in 0..fixture.rows.len() {
            let Some(def) = fixture.table(fixture.rows[at].table) else { continue };
            for column in def.columns.iter().filter(|column| column.nullable && column.references.is_some()) {
                let row = &fixture.rows[at];
                let tenant = match def.scope {
                    ScopeDef::Tenant { column } => {
                        self.principals.tenants.iter().position(|tenant| Some(tenant.as_str()) == row.value(column))
                    }
                    _ => None,
                };
                let (Some(tenant), None, Some(reference)) = (tenant, row.value(column.name), column.references) else {
                    continue;
                };
                let Some(Some(target)) = self.targets(fixture, def, column, reference.table, tenant).into_iter().next()
                else {
                    continue;
                };
                let sql = format!(
                    "SAVEPOINT new_row; UPDATE {} SET {} = {} WHERE {}",
                    name(def.name),
                    quoted(column.name),
                    literal(&target),
                    is_row(def, row)
                );
                // A check constraint can require NULL.
                match session.try_rows(&sql).await? {
                    Ok(_) => drop(fixture.rows[at].values.insert(column.name, Some(target))),
                    Err(_) => session.run("ROLLBACK TO new_row").await?,
                }
            }
        }
        Ok(())
    }
}

/// Orders tables so that each follows the tables that it references.
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

/// Returns whether a table contains users, which is the case if memberships or owner columns reference it.
fn refers_to_users(fixture: &Fixture, users: TableName) -> bool {
    fixture.tables.iter().any(|def| {
        let names_user =
            |name: &str| def.owner == Some(name) || def.membership.is_some_and(|membership| membership.user == name);
        def.columns
            .iter()
            .any(|column| names_user(column.name) && column.references.is_some_and(|to| to.table == users))
    })
}

/// Returns the quoted name of a table.
pub(super) fn name(table: TableName) -> String {
    format!("{}.{}", quoted(table.schema), quoted(table.table))
}

/// Returns the condition that identifies a row by its key.
pub(super) fn is_row(def: &TableDef, row: &Row) -> String {
    is_row_of(def, row, "")
}

/// Like [`is_row`], with a prefix before each column, such as `t.`.
pub(super) fn is_row_of(def: &TableDef, row: &Row, alias: &str) -> String {
    let same = keys(def).map(|column| format!("{alias}{} = {}", quoted(column.name), row.literal(column.name)));
    same.collect::<Vec<_>>().join(" AND ")
}
