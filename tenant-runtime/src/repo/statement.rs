//! The repository's statements: text from the declaration, and values in the order of its placeholders.
//!
//! On a tenant table each one says whose rows it means besides the policy: the planner then knows how many there are,
//! and where the policy were missing, the rows of others still would be.

use sqlx::{Arguments as _, Encode, Postgres, SqlStr, Type, error::BoxDynError, postgres::PgArguments};

use super::{
    filter::Condition,
    value::{Bind, Values},
};
use crate::{
    db::trusted,
    ident::{Ident, quoted},
    model::def::{ScopeDef, SqlType, TableDef, TenancyDef},
    tenant::ContextKey,
};

/// A statement on one table, or on one and its parent, in the making.
pub(super) struct Statement {
    def: &'static TableDef,
    text: Text,
}

/// Which rows to read, in which order and how many.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) condition: Condition,
    /// The columns by which rows come, and whether downwards.
    pub(super) order: Vec<(&'static str, bool)>,
    pub(super) limit: Option<i64>,
}

/// The table in a statement that also reads the parents of its rows.
const CHILD: &str = "c.";
/// The parents in such a statement.
const PARENT: &str = "p.";
/// The table that an upsert writes, whose columns have the same names as those of the new row.
const TARGET: &str = "t.";
/// The columns of one table, which need no name before theirs.
const ALONE: &str = "";

impl Statement {
    /// Begins a statement with the tenant's key as `$1`, where the table has a tenant column.
    pub(super) fn new(def: &'static TableDef, org: &impl ContextKey) -> Self {
        let mut text = Text::default();
        if tenant_column(def).is_some() {
            text.add(org.clone());
        }
        Self { def, text }
    }

    /// Reads rows; after the columns to read come those that a cursor takes.
    pub(super) fn select(mut self, read: &[&str], cursor: &[&str], rows: &Rows) -> Built {
        self.text.push("SELECT ");
        self.text.names(ALONE, read.iter().chain(cursor));
        self.from();
        self.filtered(ALONE, &rows.condition);
        self.sorted(ALONE, rows);
        self.text.built()
    }

    /// Reads rows, each with the row of `parent` that its column `reference` names, where the context may see it.
    pub(super) fn select_with(
        mut self,
        org: &impl ContextKey,
        read: &[&str],
        (parent, parent_read): (&'static TableDef, &[&str]),
        reference: &str,
        rows: &Rows,
    ) -> Built {
        if tenant_column(self.def).is_none() && tenant_column(parent).is_some() {
            self.text.add(org.clone());
        }
        self.text.push("SELECT ");
        self.text.names(CHILD, read);
        self.text.push(", ");
        self.text.names(PARENT, parent_read);
        self.from();
        self.text.push(" AS c LEFT JOIN ");
        self.text.push(&table(parent));
        self.text.push(" AS p ON ");
        self.text.of_tenant(PARENT, parent, " AND ");
        self.text.push(&format!("p.{} = c.{}", quoted(id_column(parent)), quoted(reference)));
        self.filtered(CHILD, &rows.condition);
        self.sorted(CHILD, rows);
        self.text.built()
    }

    /// Counts the rows that meet a condition.
    pub(super) fn count(mut self, condition: &Condition) -> Built {
        self.text.push("SELECT count(*)");
        self.from();
        self.filtered(ALONE, condition);
        self.text.built()
    }

    /// Asks whether a row meets a condition.
    pub(super) fn exists(mut self, condition: &Condition) -> Built {
        self.text.push("SELECT EXISTS (SELECT");
        self.from();
        self.filtered(ALONE, condition);
        self.text.push(")");
        self.text.built()
    }

    /// Inserts a row, with the tenant column from the context; returns it.
    pub(super) fn insert(mut self, values: Values, returned: &[&str]) -> Built {
        self.inserted(ALONE, values);
        self.returning(returned);
        self.text.built()
    }

    /// Inserts a row, or updates the columns `set` of the one that has the same `key`; returns what is there then.
    pub(super) fn upsert(mut self, values: Values, key: &[&str], set: &[&str], returned: &[&str]) -> Built {
        self.inserted(TARGET, values);
        self.text.push(" ON CONFLICT (");
        self.text.names(ALONE, conflict_target(self.def, key));
        if set.is_empty() {
            self.text.push(") DO NOTHING");
        } else {
            let assignments = set.iter().map(|name| format!("{0} = EXCLUDED.{0}", quoted(name)));
            self.text.push(&format!(") DO UPDATE SET {}", assignments.collect::<Vec<_>>().join(", ")));
            if tenant_column(self.def).is_some() {
                self.text.push(" WHERE ");
                self.text.of_tenant(TARGET, self.def, "");
            }
        }
        self.returning(returned);
        self.text.built()
    }

    /// Inserts as many rows as the arrays of the columns have elements; `owner` is the same in each. Returns the rows.
    pub(super) fn insert_rows(
        mut self,
        owner: Option<(&'static str, Box<dyn Bind>)>,
        arrays: Vec<(&'static str, Box<dyn Bind>)>,
        returned: &[&str],
    ) -> Built {
        let tenant = tenant_column(self.def);
        let names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
        let same = tenant.into_iter().chain(owner.as_ref().map(|(name, _)| *name));
        self.text.push(&format!("INSERT INTO {} (", table(self.def)));
        self.text.names(ALONE, same.chain(names.iter().copied()));
        self.text.push(") SELECT ");
        if tenant.is_some() {
            self.text.push("$1, ");
        }
        if let Some((name, value)) = owner {
            self.text.bind(&*value, column_type(self.def, name));
            self.text.push(", ");
        }
        self.text.names("r.", &names);
        self.text.push(" FROM unnest(");
        for (i, (name, array)) in arrays.iter().enumerate() {
            self.text.push(if i == 0 { "" } else { ", " });
            self.text.bind(&**array, column_type(self.def, name));
        }
        self.text.push(") AS r (");
        self.text.names(ALONE, &names);
        self.text.push(")");
        self.returning(returned);
        self.text.built()
    }

    /// Updates columns in the rows that meet a condition; returns the rows where columns are to be read.
    pub(super) fn update(mut self, values: Values, condition: &Condition, returned: &[&str]) -> Built {
        self.text.push(&format!("UPDATE {} SET ", table(self.def)));
        let columns = values.columns().to_vec();
        for (i, (name, value)) in columns.into_iter().zip(values.into_values()).enumerate() {
            self.text.push(&format!("{}{} = ", if i == 0 { "" } else { ", " }, quoted(name)));
            self.text.bind(&*value, column_type(self.def, name));
        }
        self.filtered(ALONE, condition);
        self.returning(returned);
        self.text.built()
    }

    /// Deletes the rows that meet a condition.
    pub(super) fn delete(mut self, condition: &Condition) -> Built {
        self.text.push("DELETE");
        self.from();
        self.filtered(ALONE, condition);
        self.text.built()
    }

    fn from(&mut self) {
        self.text.push(&format!(" FROM {}", table(self.def)));
    }

    fn inserted(&mut self, alias: &str, values: Values) {
        let tenant = tenant_column(self.def);
        let alias = if alias == TARGET { " AS t" } else { "" };
        self.text.push(&format!("INSERT INTO {}{alias}", table(self.def)));
        let columns = values.columns().to_vec();
        if tenant.is_none() && columns.is_empty() {
            self.text.push(" DEFAULT VALUES");
            return;
        }
        self.text.push(" (");
        self.text.names(ALONE, tenant.iter().chain(&columns));
        self.text.push(") VALUES (");
        let mut separator = if tenant.is_some() { "$1, " } else { "" };
        if columns.is_empty() {
            self.text.push("$1");
        }
        for (name, value) in columns.into_iter().zip(values.into_values()) {
            self.text.push(separator);
            self.text.bind(&*value, column_type(self.def, name));
            separator = ", ";
        }
        self.text.push(")");
    }

    fn returning(&mut self, columns: &[&str]) {
        if !columns.is_empty() {
            self.text.push(" RETURNING ");
            self.text.names(ALONE, columns);
        }
    }

    /// Says which rows are meant: those of the tenant that meet the condition.
    fn filtered(&mut self, alias: &str, condition: &Condition) {
        let every = matches!(condition, Condition::All(all) if all.is_empty());
        if tenant_column(self.def).is_none() && every {
            return;
        }
        self.text.push(" WHERE ");
        self.text.of_tenant(alias, self.def, if every { "" } else { " AND " });
        if !every {
            self.text.condition(alias, self.def, condition);
        }
    }

    fn sorted(&mut self, alias: &str, rows: &Rows) {
        for (i, (column, descending)) in rows.order.iter().enumerate() {
            self.text.push(if i == 0 { " ORDER BY " } else { ", " });
            self.text.names(alias, [column]);
            self.text.push(if *descending { " DESC" } else { "" });
        }
        if let Some(limit) = rows.limit {
            self.text.push(" LIMIT ");
            self.text.bind_next(limit);
        }
    }
}

/// Says where the tenant's key stands in a row, if it does.
fn tenant_column(def: &TableDef) -> Option<&'static str> {
    match def.scope {
        ScopeDef::Tenant { column } => Some(column),
        _ => None,
    }
}

/// Returns the column that names a row within its tenant. Of a tenant itself that is the tenant column.
pub(super) fn id_column(def: &TableDef) -> &'static str {
    let ids = || def.columns.iter().filter(|column| column.id).map(|column| column.name);
    let own = ids().find(|name| Some(*name) != tenant_column(def));
    own.or_else(|| ids().next()).unwrap_or("id")
}

/// Returns the columns of a key as they are unique: with the tenant column, but for a primary key that is without it.
fn conflict_target<'k>(def: &'static TableDef, key: &'k [&'k str]) -> Vec<&'k str> {
    if key == [id_column(def)] {
        return def.columns.iter().filter(|column| column.id).map(|column| column.name).collect();
    }
    let tenant = tenant_column(def).filter(|tenant| !key.contains(tenant));
    tenant.into_iter().chain(key.iter().copied()).collect()
}

fn table(def: &TableDef) -> String {
    format!("{}.{}", quoted(def.name.schema), quoted(def.name.table))
}

fn column_type(def: &TableDef, name: &str) -> SqlType {
    def.columns.iter().find(|column| column.name == name).map_or(SqlType::Text, |column| column.ty)
}

/// The text of a statement so far, and the values of its placeholders.
#[derive(Default)]
struct Text {
    sql: String,
    arguments: PgArguments,
    error: Option<BoxDynError>,
}

impl Text {
    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Writes columns by name. `*` would fail for roles without one of them.
    fn names<'n>(&mut self, alias: &str, names: impl IntoIterator<Item = impl AsRef<str> + 'n>) {
        for (i, name) in names.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            self.push(&format!("{separator}{alias}{}", quoted(name.as_ref())));
        }
    }

    /// Adds a value whose placeholder is written elsewhere.
    fn add<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(&mut self, value: T) {
        let added = self.arguments.add(value);
        self.note(added);
    }

    /// Binds a value, and writes its placeholder.
    fn bind_next<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(&mut self, value: T) {
        self.add(value);
        self.placeholder();
    }

    /// Binds a value of a column, and writes its placeholder.
    fn bind(&mut self, value: &dyn Bind, column: SqlType) {
        let added = value.bind(column, &mut self.arguments);
        self.note(added);
        self.placeholder();
    }

    fn placeholder(&mut self) {
        let place = self.arguments.len();
        self.push(&format!("${place}"));
    }

    fn note(&mut self, added: Result<(), BoxDynError>) {
        if let Err(error) = added {
            self.error.get_or_insert(error);
        }
    }

    /// Says that a table's rows are the tenant's, where it has a tenant column, and what joins that to what follows.
    fn of_tenant(&mut self, alias: &str, def: &TableDef, then: &str) {
        if let Some(column) = tenant_column(def) {
            self.push(&format!("{alias}{} = $1{then}", quoted(column)));
        }
    }

    fn condition(&mut self, alias: &str, def: &TableDef, condition: &Condition) {
        match condition {
            Condition::Compare { column, operator, value } => {
                self.push(&format!("{alias}{} {} ", quoted(column), operator.sql()));
                self.bind(value.as_bind(), column_type(def, column));
            }
            Condition::In { column, values } => {
                self.push(&format!("{alias}{} = ANY (", quoted(column)));
                self.bind(values.as_bind(), column_type(def, column));
                self.push(")");
            }
            Condition::Null { column } => self.push(&format!("{alias}{} IS NULL", quoted(column))),
            Condition::Row { columns, after, values } => {
                self.push("(");
                self.names(alias, columns);
                self.push(if *after { ") > (" } else { ") < (" });
                for (i, (column, value)) in columns.iter().zip(values).enumerate() {
                    self.push(if i == 0 { "" } else { ", " });
                    self.bind(value.as_bind(), column_type(def, column));
                }
                self.push(")");
            }
            Condition::Not(condition) => {
                // `NOT` would leave rows out in which the condition is unknown, since it meets a NULL.
                self.push("((");
                self.condition(alias, def, condition);
                self.push(") IS NOT TRUE)");
            }
            Condition::All(all) => self.joined(alias, def, all, " AND ", "true"),
            Condition::Any(any) => self.joined(alias, def, any, " OR ", "false"),
        }
    }

    fn joined(&mut self, alias: &str, def: &TableDef, parts: &[Condition], word: &str, none: &str) {
        if parts.is_empty() {
            self.push(none);
            return;
        }
        self.push("(");
        for (i, part) in parts.iter().enumerate() {
            self.push(if i == 0 { "" } else { word });
            self.condition(alias, def, part);
        }
        self.push(")");
    }

    fn built(self) -> Built {
        Built { sql: trusted(self.sql), arguments: self.arguments, error: self.error }
    }
}

/// Calls a function of the schema that holds a tenancy's functions; a column's value goes by name to its parameter.
pub(crate) fn call(tenancy: &TenancyDef, function: &str, values: Values) -> Built {
    let mut text = Text::default();
    text.push(&format!("SELECT * FROM {}(", function_name(tenancy, function)));
    let parameter = |column: &&str| format!("{} => ", Ident::derived(["p", column]).quoted());
    let mut parameters = values.columns().iter().map(parameter).collect::<Vec<_>>().into_iter();
    for (i, value) in values.into_values().into_iter().enumerate() {
        text.push(if i == 0 { "" } else { ", " });
        text.push(&parameters.next().unwrap_or_default());
        text.bind(&*value, SqlType::Text);
    }
    text.push(")");
    text.built()
}

/// Reads the memberships of the context's user: all, or that in one tenant.
pub(crate) fn memberships(tenancy: &TenancyDef, of: Option<&impl ContextKey>) -> Built {
    let mut text = Text::default();
    text.push(&format!("SELECT organization, member_role FROM {}()", function_name(tenancy, "my_organizations")));
    if let Some(org) = of {
        text.push(" WHERE organization = ");
        text.bind_next(org.clone());
    }
    text.built()
}

/// Reads the keys of all tenants, in their order, from their table.
pub(crate) fn keys(def: &TableDef) -> Built {
    let id = quoted(tenant_column(def).unwrap_or("id"));
    let mut text = Text::default();
    text.push(&format!("SELECT {id} FROM {}.{} ORDER BY {id}", quoted(def.name.schema), quoted(def.name.table)));
    text.built()
}

fn function_name(tenancy: &TenancyDef, function: &str) -> String {
    format!("{}.{}", Ident::derived([tenancy.schema, "auth"]).quoted(), quoted(function))
}

/// A statement ready to run.
pub(crate) struct Built {
    pub(super) sql: SqlStr,
    arguments: PgArguments,
    error: Option<BoxDynError>,
}

impl Built {
    /// Hands over the text and the values.
    ///
    /// # Errors
    ///
    /// When a value could not be encoded.
    pub(crate) fn into_query(self) -> sqlx::Result<sqlx::query::Query<'static, Postgres, PgArguments>> {
        match self.error {
            Some(error) => Err(sqlx::Error::Encode(error)),
            None => Ok(sqlx::query_with(self.sql, self.arguments)),
        }
    }
}
