//! Fixture tenants, users and rows for the tables of a declaration.

use std::collections::BTreeMap;

use tenant_runtime::model::def::{ColumnDef, EnumDef, ScopeDef, SqlType, TableDef, TableName, TenancyDef};

use super::{
    oracle::{Row, row_id},
    random_declarations::{self, Random},
};

/// A declaration with rows.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) tenancy: &'static TenancyDef,
    pub(super) tables: Vec<&'static TableDef>,
    pub(super) rows: Vec<Row>,
    pub(super) tenants: [String; 2],
    /// One user of each role in each tenant, one user in both, and one in none.
    pub(super) users: Vec<String>,
}

impl Fixture {
    pub(super) fn new(seed: u64, random: &mut Random) -> Self {
        Self::of(random_declarations::declaration(seed, random), random)
    }

    /// A fixture whose roles and schemas are unique to its seed.
    pub(super) fn with_unique_names(seed: u64, random: &mut Random) -> Self {
        Self::of(random_declarations::uniquely_named_declaration(seed, random), random)
    }

    fn of((tenancy, tables): (&'static TenancyDef, Vec<&'static TableDef>), random: &mut Random) -> Self {
        let tenants = [1, 2].map(|number| key(tenancy.key, number));
        let users = [1, 2].into_iter().flat_map(|tenant| (0..tenancy.roles.len()).map(move |role| 10 * tenant + role));
        let users = users.chain([50, 60]).map(|number| key(tenancy.user, number)).collect();
        let mut world = Self { tenancy, tables, rows: Vec::new(), tenants, users };
        world.fill(random);
        world
    }

    pub(super) fn table(&self, name: TableName) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|table| table.name == name)
    }

    pub(super) fn rows_of(&self, name: TableName) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.table == name)
    }

    pub(super) fn membership(&self) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|table| table.membership.is_some())
    }

    /// The members of a tenant with their roles; from the rows of the membership table, if there is one.
    pub(super) fn members(&self, tenant: usize) -> Vec<(String, &'static str)> {
        let roles = self.tenancy.roles;
        let own = roles.iter().enumerate().map(|(at, role)| (self.users[tenant * roles.len() + at].clone(), role.name));
        // The highest role in one tenant is the lowest in the other.
        let both = roles[if tenant == 0 { roles.len() - 1 } else { 0 }].name;
        own.chain([(self.users[2 * roles.len()].clone(), both)]).collect()
    }

    fn fill(&mut self, random: &mut Random) {
        for table in self.tables.clone() {
            for tenant in 0..2 {
                let (members, key_of) = (self.members(tenant), self.tenants[tenant].clone());
                match table.name.table {
                    "roots" => self.add(table, tenant, &members[0].0, 0, &[("id", key_of)], random),
                    "users" if tenant == 0 => {
                        for user in self.users.clone() {
                            self.add(table, 0, &user, 0, &[("id", user.clone())], random);
                        }
                    }
                    "users" => {}
                    "members" => {
                        for (user, role) in &members {
                            let keys = [("user_id", user.clone()), ("role", (*role).to_owned())];
                            self.add(table, tenant, user, 0, &keys, random);
                        }
                    }
                    _ if table.scope == ScopeDef::Global && tenant == 1 => {}
                    _ => {
                        for number in 1..4 {
                            let owner = members[random.below(members.len())].0.clone();
                            // If keys are unique within the tenant only, two tenants have rows with the same key.
                            let ids = table.columns.iter().filter(|column| column.id).count();
                            let number = if ids == 2 { number } else { number + 10 * tenant };
                            let number = number + MAX_GENERATED_KEY;
                            self.add(table, tenant, &owner, number, &[], random);
                        }
                    }
                }
            }
        }
    }

    fn add(
        &mut self,
        table: &'static TableDef,
        tenant: usize,
        owner: &str,
        number: usize,
        fixed: &[(&'static str, String)],
        random: &mut Random,
    ) {
        let mut row = self.row(table, tenant, tenant, owner, number, random);
        row.values.extend(fixed.iter().map(|(name, value)| (*name, Some(value.clone()))));
        self.rows.push(row);
    }

    /// Generates a row of a tenant that refers to rows of `linked`.
    pub(super) fn row(
        &self,
        table: &'static TableDef,
        tenant: usize,
        linked: usize,
        owner: &str,
        number: usize,
        random: &mut Random,
    ) -> Row {
        let mut values = BTreeMap::new();
        for column in table.columns {
            let value = if table.tenant_column() == Some(column.name) {
                Some(self.tenants[tenant].clone())
            } else if table.owner == Some(column.name) {
                Some(owner.to_owned())
            } else if column.id {
                Some(key(column.ty, number))
            } else {
                self.value(column, linked, random)
            };
            values.insert(column.name, value);
        }
        for column in table.columns.iter().filter(|column| column.generated.is_some()) {
            values.insert(column.name, values["b"].as_ref().map(|text: &String| text.to_uppercase()));
        }
        for column in table.columns.iter().filter(|column| column.counter) {
            let tenant = table.tenant_column().map(|tenant| values[tenant].clone());
            let earlier =
                self.rows_of(table.name).filter(|row| table.tenant_column().map(|of| row.values[of].clone()) == tenant);
            values.insert(column.name, Some((earlier.count() + 1).to_string()));
        }
        Row { table: table.name, values }
    }

    /// Generates a value of a column; a reference names a row of the tenant.
    pub(super) fn value(&self, column: &ColumnDef, tenant: usize, random: &mut Random) -> Option<String> {
        if column.nullable && random.chance(20) {
            return None;
        }
        if let Some(reference) = column.references {
            let target = self.table(reference.table)?;
            let of_tenant = |row: &&Row| {
                target.tenant_column().is_none_or(|column| row.values[column].as_ref() == Some(&self.tenants[tenant]))
            };
            let found: Vec<_> = self.rows_of(reference.table).filter(of_tenant).collect();
            return found.get(random.below(found.len().max(1)))?.values[row_id(target)].clone();
        }
        match column.ty {
            _ if column.name == "gone" => Some("2001-01-01 00:00:00+00".to_owned()).filter(|_| random.chance(40)),
            _ if column.updated_at => Some("2000-01-01 00:00:00+00".to_owned()),
            SqlType::Enum(EnumDef { labels, .. }) | SqlType::Labels(labels) => {
                Some(random.pick(labels.labels).to_owned())
            }
            SqlType::Int4 => Some(random.pick(&["1", "2", "3", "9"]).to_owned()),
            SqlType::Text => Some(random.pick(&["x", "y", "it's"]).to_owned()),
            other => Some(key(other, 99)),
        }
    }
}

/// A key as text.
pub(super) fn key(ty: SqlType, number: usize) -> String {
    if ty == SqlType::Uuid { format!("00000000-0000-4000-8000-{number:012}") } else { number.to_string() }
}

/// Values that identity columns generate during a run stay below this.
pub(super) const MAX_GENERATED_KEY: usize = 1_000_000;
