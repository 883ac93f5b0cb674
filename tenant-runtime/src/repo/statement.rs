//! The repository's statements: text from the declaration, and values in the order of its placeholders.
//!
//! On a tenant table each one says whose rows it means besides the policy: the planner then knows how many there are,
//! and where the policy were missing, the rows of others still would be.

use sqlx::{Arguments as _, SqlStr, postgres::PgArguments};

use super::column::Values;
use crate::{
    db::trusted,
    error::{Error, Result},
    ident::{Ident, quoted},
    model::def::{NOBODY, ScopeDef, TableDef, TenancyDef},
    tenant::ContextKey,
};

/// A statement on one table, in the making.
#[derive(Debug)]
pub(super) struct Statement {
    def: &'static TableDef,
    values: Values,
    /// How many placeholders of `values` came from the context: one on tenant tables, none on global ones.
    own: usize,
    /// The columns to read, where they are not all of the table's.
    read: Option<&'static [&'static str]>,
}

impl Statement {
    /// Begins a statement with the tenant's key as `$1`, where the table has a tenant column.
    pub(super) fn new(def: &'static TableDef, org: &impl ContextKey) -> Self {
        let mut values = Values::default();
        let own = match def.scope {
            ScopeDef::Tenant { .. } => {
                values.bind(org.clone());
                1
            }
            _ => 0,
        };
        Self { def, values, own, read: None }
    }

    /// Reads these columns instead of all.
    pub(super) fn reading(mut self, columns: &'static [&'static str]) -> Self {
        self.read = Some(columns);
        self
    }

    /// Writes into the column that says whose row it is, where there is one, the context's user.
    ///
    /// # Errors
    ///
    /// [`Error::NoUser`] where the context has none.
    pub(super) fn owned_by(&mut self, user: Option<&impl ContextKey>) -> Result<()> {
        let Some(owner) = self.def.owner else { return Ok(()) };
        let user = user.ok_or_else(|| Error::NoUser { table: self.def.name.to_string() })?;
        self.values.set(owner, user.clone());
        Ok(())
    }

    /// Returns what takes the columns to write.
    pub(super) fn values(&mut self) -> &mut Values {
        &mut self.values
    }

    /// Returns whether columns are to be written.
    pub(super) fn writes(&self) -> bool {
        !self.values.columns.is_empty()
    }

    /// Reads the row that the next bound value names.
    pub(super) fn find(self) -> Built {
        let sql = format!("SELECT {} FROM {}{}", self.columns(), self.table(), self.of_row(self.own + 1));
        self.built(sql)
    }

    /// Reads rows in the order of their keys; the next bound values are the key after which to begin, and the limit.
    pub(super) fn list(self, after: bool) -> Built {
        let id = quoted(self.id());
        let mut conditions = self.of_tenant();
        let mut next = self.own + 1;
        if after {
            conditions.push(format!("{id} > ${next}"));
            next += 1;
        }
        let filter = where_all(&conditions);
        let sql = format!("SELECT {} FROM {}{filter} ORDER BY {id} LIMIT ${next}", self.columns(), self.table());
        self.built(sql)
    }

    /// Counts the rows.
    pub(super) fn count(self) -> Built {
        let sql = format!("SELECT count(*) FROM {}{}", self.table(), where_all(&self.of_tenant()));
        self.built(sql)
    }

    /// Inserts the columns to write, and the tenant column from the context; returns the row.
    pub(super) fn insert(self) -> Built {
        let tenant = match self.def.scope {
            ScopeDef::Tenant { column } => Some(column),
            _ => None,
        };
        let columns: Vec<String> =
            tenant.iter().chain(&self.values.columns).map(|name| quoted(name).to_string()).collect();
        let (table, returned) = (self.table(), self.columns());
        let sql = if columns.is_empty() {
            format!("INSERT INTO {table} DEFAULT VALUES RETURNING {returned}")
        } else {
            let placeholders: Vec<String> = (1..=columns.len()).map(|n| format!("${n}")).collect();
            format!(
                "INSERT INTO {table} ({}) VALUES ({}) RETURNING {returned}",
                columns.join(", "),
                placeholders.join(", ")
            )
        };
        self.built(sql)
    }

    /// Updates the columns to write in the row that the next bound value names; returns the row.
    pub(super) fn update(self) -> Built {
        let first = self.own + 1;
        let assignments: Vec<String> =
            self.values.columns.iter().zip(first..).map(|(name, n)| format!("{} = ${n}", quoted(name))).collect();
        let sql = format!(
            "UPDATE {} SET {}{} RETURNING {}",
            self.table(),
            assignments.join(", "),
            self.of_row(first + assignments.len()),
            self.columns()
        );
        self.built(sql)
    }

    /// Deletes the row that the next bound value names.
    pub(super) fn delete(self) -> Built {
        let sql = format!("DELETE FROM {}{}", self.table(), self.of_row(self.own + 1));
        self.built(sql)
    }

    fn built(self, sql: String) -> Built {
        Built { sql: trusted(sql), values: self.values }
    }

    fn table(&self) -> String {
        format!("{}.{}", quoted(self.def.name.schema), quoted(self.def.name.table))
    }

    /// All columns by name and in the declared order, by which rows are read. `*` would fail for roles without one.
    fn columns(&self) -> String {
        // A column that nobody may read is in no row that is read.
        let read = || self.def.columns.iter().filter(|column| column.select != Some(NOBODY));
        let all = || read().map(|column| column.name).collect();
        let columns: Vec<_> = self.read.map_or_else(all, <[_]>::to_vec);
        columns.into_iter().map(|name| quoted(name).to_string()).collect::<Vec<_>>().join(", ")
    }

    /// The column that names a row within its tenant. Of a tenant itself that is the tenant column.
    fn id(&self) -> &'static str {
        let ids = || self.def.columns.iter().filter(|column| column.id).map(|column| column.name);
        let own = ids().find(|name| !matches!(self.def.scope, ScopeDef::Tenant { column } if column == *name));
        own.or_else(|| ids().next()).unwrap_or("id")
    }

    fn of_tenant(&self) -> Vec<String> {
        match self.def.scope {
            ScopeDef::Tenant { column } => vec![format!("{} = $1", quoted(column))],
            _ => Vec::new(),
        }
    }

    fn of_row(&self, placeholder: usize) -> String {
        let mut conditions = self.of_tenant();
        conditions.push(format!("{} = ${placeholder}", quoted(self.id())));
        where_all(&conditions)
    }
}

fn where_all(conditions: &[String]) -> String {
    if conditions.is_empty() { String::new() } else { format!(" WHERE {}", conditions.join(" AND ")) }
}

/// Calls a function of the schema that holds a tenancy's functions; a column's value goes by name to its parameter.
pub(crate) fn call(tenancy: &TenancyDef, function: &str, values: Values) -> Built {
    let placeholders = (1..=values.arguments.len()).map(|n| format!("${n}"));
    let arguments: Vec<String> = if values.columns.is_empty() {
        placeholders.collect()
    } else {
        let parameter = |column: &str| Ident::derived(["p", column]).quoted().to_string();
        values.columns.iter().zip(placeholders).map(|(column, n)| format!("{} => {n}", parameter(column))).collect()
    };
    let sql = format!("SELECT * FROM {}({})", function_name(tenancy, function), arguments.join(", "));
    Built { sql: trusted(sql), values }
}

/// Reads the memberships of the context's user: all, or that in one tenant.
pub(crate) fn memberships(tenancy: &TenancyDef, of: Option<&impl ContextKey>) -> Built {
    let mut values = Values::default();
    let mut sql = format!("SELECT organization, member_role FROM {}()", function_name(tenancy, "my_organizations"));
    if let Some(org) = of {
        values.bind(org.clone());
        sql.push_str(" WHERE organization = $1");
    }
    Built { sql: trusted(sql), values }
}

fn function_name(tenancy: &TenancyDef, function: &str) -> String {
    format!("{}.{}", Ident::derived([tenancy.schema, "auth"]).quoted(), quoted(function))
}

/// A statement ready to run.
#[derive(Debug)]
pub(crate) struct Built {
    sql: SqlStr,
    values: Values,
}

impl Built {
    /// Hands over the text and the values.
    ///
    /// # Errors
    ///
    /// When a value could not be encoded.
    pub(crate) fn into_query(self) -> sqlx::Result<sqlx::query::Query<'static, sqlx::Postgres, PgArguments>> {
        match self.values.error {
            Some(error) => Err(sqlx::Error::Encode(error)),
            None => Ok(sqlx::query_with(self.sql, self.values.arguments)),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{
        model::def::{ColumnDef, SqlType, TableName},
        roles::Organizations,
        tenant::{Tenancy, TextKey},
    };

    const fn column(name: &'static str, ty: SqlType, id: bool) -> ColumnDef {
        ColumnDef { id, supplied: !id, ..ColumnDef::blank(name, ty, false) }
    }

    const fn table(table: &'static str, scope: ScopeDef, columns: &'static [ColumnDef]) -> TableDef {
        TableDef { name: TableName { schema: "app", table }, scope, columns, ..TableDef::blank(Organizations::DEF) }
    }

    static TASKS: TableDef = table(
        "tasks",
        ScopeDef::Tenant { column: "organization_id" },
        &[
            column("id", SqlType::Uuid, true),
            column("organization_id", SqlType::Uuid, false),
            column("order", SqlType::Int4, false),
        ],
    );
    static ROOT: TableDef = table(
        "organizations",
        ScopeDef::Tenant { column: "id" },
        &[column("id", SqlType::Uuid, true), column("name", SqlType::Text, false)],
    );
    static PLANS: TableDef = table("plans", ScopeDef::Global, &[column("id", SqlType::Uuid, true)]);

    static NOTES: TableDef = TableDef {
        owner: Some("created_by"),
        ..table(
            "notes",
            ScopeDef::Tenant { column: "organization_id" },
            &[
                column("id", SqlType::Uuid, true),
                column("organization_id", SqlType::Uuid, false),
                column("created_by", SqlType::Uuid, false),
                column("body", SqlType::Text, false),
            ],
        )
    };
    static STEPS: TableDef = table(
        "steps",
        ScopeDef::Parent { column: "task_id" },
        &[column("id", SqlType::Uuid, true), column("task_id", SqlType::Uuid, false)],
    );

    fn on(def: &'static TableDef) -> Statement {
        Statement::new(def, &Uuid::nil())
    }

    fn write_order(statement: &mut Statement) {
        statement.values().columns.push("order");
        statement.values().bind(1_i32);
    }

    fn text(built: Built) -> String {
        built.sql.as_str().to_owned()
    }

    #[test]
    fn every_statement_on_a_tenant_table_says_whose_rows_it_means() {
        assert_eq!(
            text(on(&TASKS).find()),
            "SELECT id, organization_id, \"order\" FROM app.tasks WHERE organization_id = $1 AND id = $2"
        );
        assert_eq!(
            text(on(&TASKS).list(true)),
            "SELECT id, organization_id, \"order\" FROM app.tasks WHERE organization_id = $1 AND id > $2 \
             ORDER BY id LIMIT $3"
        );
        assert_eq!(text(on(&TASKS).count()), "SELECT count(*) FROM app.tasks WHERE organization_id = $1");
        assert_eq!(text(on(&TASKS).delete()), "DELETE FROM app.tasks WHERE organization_id = $1 AND id = $2");
    }

    #[test]
    fn writes_take_the_tenant_from_the_context() {
        let mut insert = on(&TASKS);
        write_order(&mut insert);
        assert_eq!(
            text(insert.insert()),
            "INSERT INTO app.tasks (organization_id, \"order\") VALUES ($1, $2) RETURNING id, organization_id, \"order\""
        );
        let mut update = on(&TASKS);
        write_order(&mut update);
        assert_eq!(
            text(update.update()),
            "UPDATE app.tasks SET \"order\" = $2 WHERE organization_id = $1 AND id = $3 \
             RETURNING id, organization_id, \"order\""
        );
    }

    #[test]
    fn a_view_reads_no_more_than_its_columns() {
        assert_eq!(
            text(on(&TASKS).reading(&["order"]).list(true)),
            "SELECT \"order\" FROM app.tasks WHERE organization_id = $1 AND id > $2 ORDER BY id LIMIT $3"
        );
    }

    #[test]
    fn a_tenant_is_found_by_its_own_key() {
        assert_eq!(text(on(&ROOT).find()), "SELECT id, name FROM app.organizations WHERE id = $1 AND id = $2");
    }

    #[test]
    fn a_global_table_has_no_tenant() {
        assert_eq!(text(on(&PLANS).list(false)), "SELECT id FROM app.plans ORDER BY id LIMIT $1");
        assert_eq!(text(on(&PLANS).insert()), "INSERT INTO app.plans DEFAULT VALUES RETURNING id");
    }

    #[test]
    fn a_row_says_whose_it_is_after_the_tenant() {
        let mut insert = on(&NOTES);
        insert.owned_by(Some(&Uuid::nil())).expect("there is a user");
        insert.values().set("body", "x");
        assert_eq!(
            text(insert.insert()),
            "INSERT INTO app.notes (organization_id, created_by, body) VALUES ($1, $2, $3) \
             RETURNING id, organization_id, created_by, body"
        );
        let refused = on(&NOTES).owned_by(None::<&Uuid>);
        assert!(matches!(refused, Err(Error::NoUser { table }) if table == "app.notes"));
    }

    #[test]
    fn a_row_of_a_parent_names_no_tenant() {
        assert_eq!(text(on(&STEPS).list(true)), "SELECT id, task_id FROM app.steps WHERE id > $1 ORDER BY id LIMIT $2");
        let mut insert = on(&STEPS);
        insert.values().set("task_id", Uuid::nil());
        assert_eq!(text(insert.insert()), "INSERT INTO app.steps (task_id) VALUES ($1) RETURNING id, task_id");
    }

    #[test]
    fn functions_are_called_by_place_or_by_the_names_of_columns() {
        let mut places = Values::default();
        places.bind(Uuid::nil());
        places.bind("admin");
        assert_eq!(text(call(Organizations::DEF, "add_member", places)), "SELECT * FROM app_auth.add_member($1, $2)");
        let mut names = Values::default();
        names.set("name", "acme");
        names.set("Plan", "x");
        assert_eq!(
            text(call(Organizations::DEF, "create_organization", names)),
            "SELECT * FROM app_auth.create_organization(p_name => $1, \"p_Plan\" => $2)"
        );
    }

    #[test]
    fn every_kind_of_key_can_be_bound() {
        let text = TextKey::new("acme").expect("a key");
        let bound = |statement: Statement| statement.values.error.is_none();
        assert!(bound(Statement::new(&TASKS, &Uuid::nil())) && bound(Statement::new(&TASKS, &1_i64)));
        assert!(bound(Statement::new(&TASKS, &text)));
    }
}
