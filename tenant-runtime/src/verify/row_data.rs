//! The test rows of the two tenants: their number, their insertion order, and the references between them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{
    VerifyError,
    catalog::Catalog,
    fixture::reads_other_tables,
    fixture::{Fixture, Row, keys, row_id},
    given::GivenValues,
    principals::{Principals, TestUser},
    session::Session,
};
use crate::{
    analyze::rule_for,
    error::server_error,
    ident::{literal, quoted},
    model::{
        def::{ScopeDef, TableDef, TableName},
        def_access::Reference,
        schema::{Schema, Table},
    },
};

/// The time at which the deleted test rows were deleted.
const DELETED_AT: &str = "2020-02-20 20:20:20+00";

/// The tenant of a row, if its table has a tenant column, and the values of its key within the tenant.
pub(super) type MadeRow = (Option<usize>, Vec<Option<String>>);

/// Generates test rows.
#[derive(Debug)]
pub(super) struct RowFactory<'a> {
    pub(super) tables: BTreeMap<(&'a str, &'a str), &'a Table>,
    pub(super) given_values: &'a GivenValues,
    pub(super) principals: &'a Principals,
    /// Counts the rows, so that values are unique.
    pub(super) number: u32,
    /// The tables in the database; read before the first row.
    pub(super) catalog: Option<Arc<Catalog>>,
    /// The rows of the fixture, which other rows can reference.
    pub(super) made: BTreeMap<TableName, Vec<MadeRow>>,
    /// The number of rows that were made from whole given rows.
    pub(super) given_rows: BTreeMap<TableName, usize>,
    /// Whether a text can be cast to a type, by type and text.
    pub(super) casts: BTreeMap<String, BTreeMap<String, bool>>,
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
        let tables = schema.tables().iter();
        let tables = tables.map(|(name, table)| ((name.schema.as_str(), name.table.as_str()), &**table)).collect();
        Self {
            tables,
            given_values,
            principals,
            number: from + 100,
            catalog: None,
            made: BTreeMap::new(),
            given_rows: BTreeMap::new(),
            casts: BTreeMap::new(),
        }
    }

    /// Fills the tables, each after the tables that it references.
    pub(super) async fn fill(&mut self, session: &mut Session, fixture: &mut Fixture) -> Result<(), VerifyError> {
        self.given_values.check(&fixture.tables)?;
        let users = user_tables(&fixture.tables);
        for def in order(&fixture.tables)? {
            for spec in self.specs(def, users.contains(&def.name)) {
                let row = self.insert(session, fixture, def, &spec).await?;
                self.remember(def, &row);
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
            let ScopeDef::Tenant { column } = def.scope else { continue };
            let made = fixture.rows.iter().filter(|row| row.table == def.name);
            let made =
                made.map(|row| format!("({})", is_row(def, row))).chain(["false".to_owned()]).collect::<Vec<_>>();
            let tenants = self.principals.tenants.iter().map(|key| literal(key)).collect::<Vec<_>>();
            session
                .run(&format!(
                    "DELETE FROM {} WHERE {}::text IN ({}) AND NOT ({})",
                    name(def.name),
                    quoted(column),
                    tenants.join(", "),
                    made.join(" OR ")
                ))
                .await?;
        }
        Ok(())
    }

    /// Returns the rows to generate for a table: rows of each tenant, with several owners and visibilities.
    fn specs(&self, def: &'static TableDef, is_referenced_as_user: bool) -> Vec<RowSpec> {
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
        let is_users =
            matches!(def.scope, ScopeDef::Shared { .. }) || def.scope == ScopeDef::Global && is_referenced_as_user;
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
        let fixed = def.tenant_column().map(|column| (column, Some(self.principals.tenants[tenant].clone())));
        let kept = def.soft_delete.map(|soft| (soft.column, None));
        RowSpec { tenant, fixed: fixed.into_iter().chain(kept).collect() }
    }

    fn of_owners(&self, def: &'static TableDef, tenant: usize) -> Vec<RowSpec> {
        let base = self.of_tenant(def, tenant);
        let labels = def.visibility.and_then(|name| {
            let column = def.columns.iter().find(|column| column.name == name)?;
            let labels = column.ty.labels()?;
            let other = labels.labels.iter().copied().find(|label| *label != "team");
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
        let mut rows =
            if def.owner.is_none() && def.visibility.is_none() { [rows.clone(), rows].concat() } else { rows };
        if let Some(soft) = def.soft_delete {
            let deleted = |mut spec: RowSpec| {
                spec.fixed.insert(soft.column, Some(DELETED_AT.to_owned()));
                spec
            };
            rows.extend(rows.clone().into_iter().map(deleted));
        }
        rows
    }

    /// Returns the declared conditions that a row satisfies, by user.
    pub(super) async fn matching_conditions(
        &self,
        session: &mut Session,
        def: &TableDef,
        row: &Row,
    ) -> Result<BTreeSet<(usize, Option<String>)>, VerifyError> {
        // A condition that reads other tables depends on their policies, which do not apply to the administrator.
        let rules = def.rules.iter().enumerate().filter(|(_, rule)| !reads_other_tables(rule));
        let users = || self.principals.users.iter().map(|person| Some(person.key.as_str())).chain([None]);
        let conditions: Vec<_> = rules
            .flat_map(|(at, rule)| {
                users().filter_map(move |user| Some((at, user, rule_for(rule, user, def.tenancy)?.to_string())))
            })
            .collect();
        if conditions.is_empty() {
            return Ok(BTreeSet::new());
        }
        let asked = |condition: &str| format!("(({condition}) IS TRUE)::text");
        let from = format!("FROM {} WHERE {}", name(def.name), is_row(def, row));
        let all = conditions.iter().map(|(.., condition)| asked(condition)).collect::<Vec<_>>().join(", ");
        let found = match session.try_rows(&format!("SAVEPOINT condition; SELECT {all} {from}")).await? {
            Ok(rows) => rows.into_iter().next().unwrap_or_default(),
            Err(error) => {
                for (at, _, condition) in &conditions {
                    session.run("ROLLBACK TO condition").await?;
                    if let Err(error) = session.try_rows(&format!("SELECT {} {from}", asked(condition))).await? {
                        return Err(VerifyError::Condition {
                            table: def.name.to_string(),
                            condition: def.rules[*at].condition.to_owned(),
                            failure: server_error(&error).map_or_else(|| error.to_string(), |e| e.message().to_owned()),
                        });
                    }
                }
                return Err(VerifyError::database(error));
            }
        };
        let holds = conditions.into_iter().zip(found).filter(|(_, text)| text.as_deref() == Some("true"));
        Ok(holds.map(|((at, user, _), _)| (at, user.map(str::to_owned))).collect())
    }

    /// Sets references whose target did not exist when the row was inserted.
    async fn link(&self, session: &mut Session, fixture: &mut Fixture) -> Result<(), VerifyError> {
        let tables: BTreeMap<_, _> = fixture.tables.iter().map(|def| (def.name, *def)).collect();
        for at in 0..fixture.rows.len() {
            let Some(def) = tables.get(&fixture.rows[at].table).copied() else { continue };
            for reference in def.references().into_iter().filter(Reference::is_nullable) {
                let row = &fixture.rows[at];
                let Some(missing) = self.missing_values(def, row, &reference) else { continue };
                let set = missing.iter().map(|(column, value)| format!("{} = {}", quoted(column), literal(value)));
                let sql = format!(
                    "SAVEPOINT new_row; UPDATE {} SET {} WHERE {}",
                    name(def.name),
                    set.collect::<Vec<_>>().join(", "),
                    is_row(def, row)
                );
                // A check constraint can require NULL.
                match session.try_rows(&sql).await? {
                    Ok(_) => {
                        let missing = missing.into_iter().map(|(column, value)| (column, Some(value)));
                        fixture.rows[at].values.extend(missing);
                    }
                    Err(_) => session.run("ROLLBACK TO new_row").await?,
                }
            }
        }
        Ok(())
    }
}

impl RowFactory<'_> {
    /// Returns the values with which the columns that are NULL reference a row; `None` if no column is, or if there is no such row.
    fn missing_values(&self, def: &TableDef, row: &Row, reference: &Reference) -> Option<Vec<(&'static str, String)>> {
        let tenant = self.principals.tenant_of(def, &row.values)?;
        let keys: Vec<_> = self.keys_of_tenant(reference.to.table, tenant).collect();
        let pairs = |key: &Vec<Option<String>>| {
            reference.columns.iter().map(|column| column.name).zip(key.iter().cloned()).collect::<Vec<_>>()
        };
        let fits = |pairs: &Vec<(&'static str, Option<String>)>| {
            let is_same = |column: &str, value: &Option<String>| {
                row.value(column).is_none_or(|own| Some(own) == value.as_deref())
            };
            pairs.iter().all(|(column, value)| value.is_some() && is_same(column, value))
        };
        let found = keys.into_iter().rev().map(pairs).find(fits)?;
        let missing = found.into_iter().filter(|(column, _)| row.value(column).is_none());
        let missing: Vec<_> = missing.filter_map(|(column, value)| Some((column, value?))).collect();
        (!missing.is_empty()).then_some(missing)
    }
}

/// Orders tables so that each follows the tables that it references; nullable references are ignored if they form a cycle.
fn order(tables: &[&'static TableDef]) -> Result<Vec<&'static TableDef>, VerifyError> {
    let places: BTreeMap<TableName, usize> = tables.iter().enumerate().map(|(at, def)| (def.name, at)).collect();
    let targets = |at: usize, must: bool| {
        let references = tables[at].references().into_iter().filter(move |reference| !must || !reference.is_nullable());
        let found = references.filter_map(|reference| places.get(&reference.to.table).copied());
        found.filter(|target| *target != at).collect::<BTreeSet<usize>>()
    };
    // The tables for which each table still waits: through all references, and through required references only.
    let mut all: Vec<_> = (0..tables.len()).map(|at| targets(at, false)).collect();
    let mut required: Vec<_> = (0..tables.len()).map(|at| targets(at, true)).collect();
    let mut referrers = vec![Vec::new(); tables.len()];
    for (at, targets) in all.iter().enumerate() {
        targets.iter().for_each(|target| referrers[*target].push(at));
    }
    let free = |waits: &[BTreeSet<usize>]| (0..waits.len()).filter(|at| waits[*at].is_empty()).collect::<BTreeSet<_>>();
    let (mut free_of_all, mut free_of_required) = (free(&all), free(&required));
    let mut ordered = Vec::new();
    while let Some(next) = free_of_all.pop_first().or_else(|| free_of_required.first().copied()) {
        free_of_all.remove(&next);
        free_of_required.remove(&next);
        ordered.push(next);
        for at in &referrers[next] {
            let (was_free, was_ready) = (all[*at].is_empty(), required[*at].is_empty());
            all[*at].remove(&next);
            required[*at].remove(&next);
            let is_done = !free_of_required.contains(at) && was_ready;
            if !is_done && !was_free && all[*at].is_empty() {
                free_of_all.insert(*at);
            }
            if !was_ready && required[*at].is_empty() {
                free_of_required.insert(*at);
            }
        }
    }
    if ordered.len() < tables.len() {
        let waiting = (0..tables.len()).filter(|at| !ordered.contains(at));
        let names = waiting.map(|at| tables[at].name.to_string()).collect::<Vec<_>>();
        return Err(VerifyError::Circle { tables: names.join(", ") });
    }
    Ok(ordered.into_iter().map(|at| tables[at]).collect())
}

/// Returns the tables that hold users: memberships or owner columns reference these tables.
fn user_tables(tables: &[&'static TableDef]) -> BTreeSet<TableName> {
    let names_user = |def: &TableDef, name: &str| {
        def.owner == Some(name) || def.membership.is_some_and(|membership| membership.user == name)
    };
    let columns = tables.iter().flat_map(|def| def.columns.iter().map(move |column| (def, column)));
    columns
        .filter(|(def, column)| names_user(def, column.name))
        .filter_map(|(_, column)| Some(column.references?.table))
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::def::SqlType;
    use crate::model::def::{ColumnDef, ReferenceDef, TenancyDef};

    static TENANCY: TenancyDef = TenancyDef::blank();

    fn table(name: &'static str, references: &[(&'static str, bool)]) -> &'static TableDef {
        let column = |(table, nullable): &(&'static str, bool)| ColumnDef {
            references: Some(ReferenceDef::new(
                TableName { schema: "app", table },
                crate::model::def::OnDelete::NoAction,
            )),
            ..ColumnDef::blank("reference", SqlType::Uuid, *nullable)
        };
        Box::leak(Box::new(TableDef {
            name: TableName { schema: "app", table: name },
            columns: Vec::leak(references.iter().map(column).collect()),
            ..TableDef::blank(&TENANCY)
        }))
    }

    #[test]
    fn tables_follow_their_references_and_nullable_ones_break_cycles() {
        let names = |tables: &[&'static TableDef]| order(tables).map(|o| o.iter().map(|def| def.name.table).collect());
        let found: Vec<&str> = names(&[
            table("d", &[("c", false), ("d", false)]),
            table("c", &[("b", false), ("a", true)]),
            table("a", &[("c", true)]),
            table("b", &[("a", false)]),
            table("alone", &[]),
        ])
        .expect("an order");
        assert_eq!(found, ["alone", "a", "b", "c", "d"]);
        let circle = order(&[table("x", &[("y", false)]), table("y", &[("x", false)]), table("z", &[])]);
        assert!(matches!(circle, Err(VerifyError::Circle { tables }) if tables == "app.x, app.y"));
    }
}
