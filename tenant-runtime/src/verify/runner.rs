//! What all attacks share: they try a statement as somebody, and tell what differs from what was to be expected.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    VerifyError,
    fixture::{Fixture, Row, keys, row_id},
    oracle::{Expected, Outcome, Reference, Subject},
    principals::{NAMES, Principal, Principals},
    row_data::{self, RowFactory, RowSpec},
    session::Session,
    violation::Violation,
};
use crate::{
    ident::quoted,
    matrix::{is_by_function, system_may},
    model::{
        def::{ScopeDef, TableDef, TableName, TenancyDef},
        names,
        schema::{Command, Schema},
    },
};

/// An attack on one database.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    pub(super) session: Session,
    pub(super) schema: &'a Schema,
    pub(super) tenancy: &'static TenancyDef,
    pub(super) cast: &'a Principals,
    pub(super) world: Fixture,
    pub(super) maker: RowFactory<'a>,
    /// Rows that could be inserted, with their tenant: one of each owner.
    pub(super) templates: BTreeMap<TableName, Vec<(usize, Row)>>,
    /// Whether one kind of difference is enough.
    pub(super) first_only: bool,
    pub(super) violations: Vec<Violation>,
    /// Statements that the server gave up for want of time, or of a lock that others hold.
    pub(super) given_up: Vec<String>,
}

/// What is tried.
#[derive(Debug)]
pub(super) struct Probe<'p> {
    /// The way that is tried, in a few words.
    pub(super) door: &'static str,
    /// The table, and the command whose rights decide.
    pub(super) about: Option<(TableName, Command)>,
    pub(super) acting: &'p Principal,
    pub(super) statement: String,
    pub(super) expected: Expected,
}

impl Runner<'_> {
    /// Tries a statement, and tells where something else came of it than was to be expected.
    pub(super) async fn probe(&mut self, probe: Probe<'_>) -> Result<Outcome, VerifyError> {
        let acting = probe.acting.sql(self.tenancy);
        let found = self.session.attempt(&acting, &probe.statement).await?;
        match &found {
            // Too slow, or locked by somebody else.
            Outcome::Failed(message)
                if ["(SQLSTATE 57014)", "(SQLSTATE 55P03)"].iter().any(|code| message.ends_with(code)) =>
            {
                self.given_up.push(format!("{acting}{}: {message}", probe.statement));
            }
            found if !probe.expected.is_met_by(found) => self.differ(&probe, found),
            _ => {}
        }
        Ok(found)
    }

    /// Tells a difference. One of a kind is enough to read; how many more there are is told beside it.
    pub(super) fn differ(&mut self, probe: &Probe<'_>, found: &Outcome) {
        let difference = Violation::new(probe, found, self);
        match self.violations.iter_mut().find(|other| other.is_like(&difference)) {
            Some(other) => other.more += 1,
            None => self.violations.push(difference),
        }
    }

    /// Who a member of the declaration's role is in the database.
    pub(super) fn tier(&self, role: &'static str, tenant: Option<&str>, user: Option<&str>) -> Principal {
        Principal {
            session: self.tenancy.login(Some(role)),
            role: Some(self.tenancy.database_role(role)),
            tenant: tenant.map(str::to_owned),
            user: user.map(str::to_owned),
            asker: Some(Subject::Tier(role)),
            record: None,
        }
    }

    /// The login of jobs, where some table lets the system role do anything.
    pub(super) fn jobs(&self) -> Option<String> {
        let is_there = self.world.tables.iter().any(|def| !def.system.is_empty());
        is_there.then(|| self.tenancy.database_role(names::JOBS))
    }

    /// The system role of that login, in a tenant or in none, without a record of why.
    pub(super) fn system(&self, tenant: Option<&str>) -> Option<Principal> {
        Some(Principal {
            tenant: tenant.map(str::to_owned),
            asker: Some(Subject::System { recorded: false }),
            ..Principal::nobody(self.jobs()?, Some(self.tenancy.database_role(names::SYSTEM)))
        })
    }

    /// The name of a function that comes with the declaration, as it stands in SQL.
    pub(super) fn function(&self, name: &str) -> String {
        format!("{}.{}", names::auth_schema(self.tenancy.schema).quoted(), quoted(name))
    }

    /// Those who are no members: each login before it becomes anybody, the visitor, and the system role without a reason. Each
    /// claims to be the highest of the first tenant.
    pub(super) fn outsiders(&self) -> Vec<Principal> {
        let tenant = Some(self.cast.tenants[0].clone());
        let user = self.cast.members(0).last().map(|(person, _)| person.key.clone());
        let no_tenant = self.schema.no_tenant().map(|role| role.name.to_string());
        let mut outsiders: Vec<_> =
            self.logins().into_iter().map(|(login, _)| Principal::nobody(login, None)).collect();
        outsiders.extend(no_tenant.map(|role| Principal::nobody(self.tenancy.login(None), Some(role))));
        outsiders.extend(self.jobs().map(|jobs| Principal::nobody(jobs, None)));
        outsiders.extend(self.system(None));
        outsiders.into_iter().map(|who| Principal { tenant: tenant.clone(), user: user.clone(), ..who }).collect()
    }

    /// Says whether nothing but foreign keys holds who acts.
    pub(super) fn is_administrator(&self, acting: &Principal) -> bool {
        acting.session == self.session.user
    }

    /// Each role as a member of a tenant who has it.
    pub(super) fn members(&self, tenant: usize) -> Vec<Principal> {
        let roles = self.tenancy.roles.iter().map(|role| role.name);
        let member = |role| {
            let mut members = self.cast.members(tenant);
            let person = members.find(|(_, has)| *has == role).map(|(person, _)| person.key.as_str());
            self.tier(role, Some(&self.cast.tenants[tenant]), person)
        };
        roles.map(member).collect()
    }

    /// The contexts of the application_roles: each role that is claimed, in each tenant or in none, for each user or for nobody.
    pub(super) fn contexts(&self) -> Vec<Principal> {
        let mut contexts = Vec::new();
        for role in self.tenancy.roles.iter().map(|role| role.name) {
            for tenant in self.cast.tenants.iter().map(String::as_str).chain([""]) {
                let users = self.cast.people.iter().map(|person| person.key.as_str()).chain([""]);
                contexts.extend(users.map(|user| self.tier(role, Some(tenant), Some(user))));
            }
        }
        // Those in which something is allowed come first: they show most.
        contexts.sort_by_key(|acting| {
            let context = acting.context();
            !self.reference(&context).acts()
        });
        contexts
    }

    /// The expression that tells a row of a table.
    pub(super) fn key(def: &TableDef, alias: &str) -> String {
        let keys = keys(def).map(|column| format!("{alias}{}::text", quoted(column.name)));
        format!("concat_ws('|', {})", keys.collect::<Vec<_>>().join(", "))
    }

    /// The condition that a row is one of those that were made up.
    pub(super) fn ours(&self, def: &TableDef) -> String {
        let rows = self.world.rows_of(def.name).map(|row| format!("({})", row_data::is_row(def, row)));
        rows.collect::<Vec<_>>().join(" OR ")
    }

    /// The tenant to which a row belongs, by its place.
    pub(super) fn tenant_of(&self, def: &TableDef, row: &Row) -> Option<usize> {
        match def.scope {
            ScopeDef::Tenant { column } => {
                self.cast.tenants.iter().position(|key| Some(key.as_str()) == row.value(column))
            }
            ScopeDef::Parent { column } => {
                let reference = def.columns.iter().find(|candidate| candidate.name == column)?.references?;
                let parent = self.world.table(reference.table)?;
                let id = row_id(parent)?.name;
                let mut parents = self.world.rows_of(reference.table);
                self.tenant_of(parent, parents.find(|other| row.value(column) == other.value(id))?)
            }
            ScopeDef::Shared { .. } | ScopeDef::Global => None,
        }
    }

    /// Makes one row of each tenant and owner that the table would take, and takes it back.
    pub(super) async fn make_templates(&mut self) -> Result<(), VerifyError> {
        for def in self.world.tables.clone() {
            // Where nobody inserts, no row is needed to be told so.
            let by_members = def.insert.is_some()
                && !is_by_function(def, Command::Insert)
                && !matches!(def.scope, ScopeDef::Shared { .. });
            if !by_members && !system_may(def, Command::Insert) {
                continue;
            }
            let mut made = Vec::new();
            for tenant in 0..2 {
                let base = self.maker.of_tenant(def, tenant);
                let owners: Vec<_> = match def.owner {
                    Some(owner) => {
                        self.cast.members(tenant).map(|(person, _)| Some((owner, person.key.clone()))).collect()
                    }
                    None => vec![None],
                };
                for owner in owners {
                    let mut wanted: RowSpec = base.clone();
                    wanted.fixed.extend(owner.map(|(name, key)| (name, Some(key))));
                    if def.scope == (ScopeDef::Tenant { column: keys(def).last().map_or("", |key| key.name) })
                        && keys(def).count() == 1
                    {
                        // A row of the tenants' own table is a tenant.
                        wanted.fixed.clear();
                    }
                    match self.maker.insert(&mut self.session, &self.world, def, &wanted).await {
                        Ok(row) => made.push((tenant, row)),
                        // As many tenants, or users, as there can be, there are already.
                        Err(VerifyError::Data { .. }) => {}
                        Err(error) => return Err(error),
                    }
                    self.session.undo().await?;
                }
            }
            self.templates.insert(def.name, made);
        }
        Ok(())
    }

    /// The rows that are there, those of the tables that deletions may reach.
    pub(super) async fn survivors(&mut self) -> Result<BTreeSet<(TableName, String)>, VerifyError> {
        let tables = self.world.tables.clone();
        let parts = tables.iter().enumerate().filter(|(_, def)| self.world.rows_of(def.name).next().is_some());
        let parts = parts.map(|(at, def)| {
            format!("SELECT '{at}', {} FROM {} WHERE {}", Self::key(def, ""), row_data::name(def.name), self.ours(def))
        });
        let asked =
            format!("RESET ROLE; RESET SESSION AUTHORIZATION; {}", parts.collect::<Vec<_>>().join(" UNION ALL "));
        let rows = self.session.rows(&asked).await?;
        let row = |row: Vec<Option<String>>| match row.as_slice() {
            [Some(at), Some(key)] => Some((tables.get(at.parse::<usize>().ok()?)?.name, key.clone())),
            _ => None,
        };
        Ok(rows.into_iter().filter_map(row).collect())
    }

    pub(super) fn reference<'w>(&'w self, context: &'w super::oracle::Context) -> Reference<'w> {
        Reference { world: &self.world, context }
    }

    /// Says whose rows these are.
    pub(super) fn whose(&self, table: TableName, found: &BTreeSet<String>) -> String {
        let Some(def) = self.world.table(table) else { return format!("{} rows", found.len()) };
        let mut of = BTreeMap::<String, usize>::new();
        for key in found {
            let row = self.world.rows_of(table).find(|row| row.key(def) == *key);
            let whose = match row.map(|row| self.tenant_of(def, row)) {
                Some(Some(tenant)) => format!("of tenant {}", NAMES[tenant]),
                Some(None) => "of no tenant".to_owned(),
                None if key.starts_with("changed") => "changed".to_owned(),
                None => "that are not of this proof".to_owned(),
            };
            *of.entry(whose).or_default() += 1;
        }
        let parts =
            of.iter().map(|(whose, count)| format!("{count} {} {whose}", if *count == 1 { "row" } else { "rows" }));
        if of.is_empty() { "no rows".to_owned() } else { parts.collect::<Vec<_>>().join(", ") }
    }
}
