//! The repository's statements: text built from the declaration, and values in the order of the placeholders.
//!
//! On a tenant table, each statement contains the tenant predicate in addition to the policy: the predicate tells the
//! planner the tenant, and even without the policy it would exclude the rows of other tenants.

use super::{
    filter::{Condition, MAX_DEPTH, Operator},
    sql_builder::SqlBuilder,
    value::{Bind, Bound, Of, Use, Values},
};
use crate::{
    db::{BoundStatement, NotBuilt},
    ident::{literal, quoted},
    model::def::{ColumnDef, SqlType, TableDef},
    tenant::ContextKey,
};

/// A statement under construction on one table, or on a table and its parent.
pub(super) struct Statement {
    def: &'static TableDef,
    text: SqlBuilder,
    tenant: Bound,
    /// The placeholder of the tenant ID, once the ID has been bound.
    place: Option<usize>,
}

/// Filter, order and limit of a query.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) condition: Condition,
    /// The ordering columns, and whether they are descending.
    pub(super) order: Vec<(&'static str, bool)>,
    pub(super) limit: Option<i64>,
}

/// A referenced table whose rows are read together with the referencing rows.
pub(super) struct Parent {
    pub(super) table: &'static TableDef,
    pub(super) columns: Vec<&'static str>,
    /// The referencing column.
    pub(super) reference: &'static str,
}

/// The alias of the table in a statement that also reads its rows' parents.
const CHILD: &str = "c.";
/// The alias of the parent table in such a statement.
const PARENT: &str = "p.";
/// The alias of the table that an upsert writes to: the new row has columns with the same names.
const TARGET: &str = "t.";
/// No alias, for statements on a single table.
const ALONE: &str = "";

impl Statement {
    /// Begins a statement with the tenant ID as `$1` if the struct has the tenant column. With `parent`, the tenant ID is bound on
    /// first use: an INSERT does not use it.
    pub(super) fn new(def: &'static TableDef, org: &impl ContextKey) -> Self {
        let mut statement = Self { def, text: SqlBuilder::default(), tenant: Bound::new(org.clone()), place: None };
        if def.inserted_tenant_column().is_some() {
            statement.tenant_place();
        }
        statement
    }

    /// Reads rows: the requested columns, then the key and the columns of the visible `parent`, then the columns of a cursor.
    pub(super) fn select(
        mut self,
        read: &[&str],
        parent: Option<&Parent>,
        cursor: &[&str],
        rows: &Rows,
    ) -> BoundStatement {
        let alias = if parent.is_some() { CHILD } else { ALONE };
        self.reads(self.def, read);
        self.reads(self.def, cursor);
        self.text.push("SELECT ");
        self.text.names(alias, read);
        if let Some(Parent { table, columns, .. }) = parent {
            self.reads(table, columns);
            self.text.push(", ");
            self.text.names(PARENT, [id_column(table)].iter().chain(columns));
        }
        if !cursor.is_empty() {
            self.text.push(", ");
            self.text.names(alias, cursor);
        }
        self.from();
        if let Some(parent) = parent {
            self.text.push(&format!(" AS c LEFT JOIN {} AS p ON ", table(parent.table)));
            self.of_tenant(PARENT, parent.table, " AND ");
            self.kept(PARENT, parent.table, " AND ");
            self.text.push(&format!("p.{} = c.{}", quoted(id_column(parent.table)), quoted(parent.reference)));
        }
        self.filtered(alias, self.def, &rows.condition);
        self.sorted(alias, rows);
        self.text.built()
    }

    /// Counts the rows that match a condition.
    pub(super) fn count(mut self, condition: &Condition) -> BoundStatement {
        self.text.push("SELECT count(*)");
        self.from();
        self.filtered(ALONE, self.def, condition);
        self.text.built()
    }

    /// Checks whether a row matches a condition.
    pub(super) fn exists(mut self, condition: &Condition) -> BoundStatement {
        self.text.push("SELECT EXISTS (SELECT");
        self.from();
        self.filtered(ALONE, self.def, condition);
        self.text.push(")");
        self.text.built()
    }

    /// Inserts a row with the tenant column from the context and returns it. With `parent`, the database fills the tenant column.
    pub(super) fn insert(mut self, values: Values, returned: &[&str]) -> BoundStatement {
        self.inserted(ALONE, values);
        self.returning(returned);
        self.text.built()
    }

    /// Inserts a row, or updates the columns `set` of the row with the same `key`; returns the stored row.
    pub(super) fn upsert(mut self, values: Values, key: &[&str], set: &[&str], returned: &[&str]) -> BoundStatement {
        self.inserted(TARGET, values);
        self.text.push(" ON CONFLICT (");
        self.text.names(ALONE, conflict_target(self.def, key));
        if set.is_empty() {
            self.text.push(") DO NOTHING");
        } else {
            let assignments = set.iter().map(|name| format!("{0} = EXCLUDED.{0}", quoted(name)));
            self.text.push(&format!(") DO UPDATE SET {}", assignments.collect::<Vec<_>>().join(", ")));
            if self.def.tenant_column().is_some() {
                self.text.push(" WHERE ");
                let is_kept = self.def.soft_delete.is_some();
                self.of_tenant(TARGET, self.def, if is_kept { " AND " } else { "" });
                self.kept(TARGET, self.def, "");
            }
        }
        self.returning(returned);
        self.text.built()
    }

    /// Inserts a row for each element of the columns' arrays, all with the same `owner`. Returns the rows.
    pub(super) fn insert_rows(
        mut self,
        owner: Option<(&'static str, Box<dyn Bind>)>,
        arrays: Vec<(&'static str, Box<dyn Bind>)>,
        returned: &[&str],
    ) -> BoundStatement {
        let tenant = self.def.inserted_tenant_column();
        let names: Vec<&str> = arrays.iter().map(|(name, _)| *name).collect();
        let same = tenant.into_iter().chain(owner.as_ref().map(|(name, _)| *name));
        self.text.push(&format!("INSERT INTO {} (", table(self.def)));
        self.text.names(ALONE, same.chain(names.iter().copied()));
        self.text.push(") SELECT ");
        if tenant.is_some() {
            let place = self.tenant_place();
            self.text.place(place);
            self.text.push(", ");
        }
        if let Some((_, value)) = owner {
            self.text.bind(&*value, Of::Context, Use::Written);
            self.text.push(", ");
        }
        self.text.names("r.", &names);
        self.text.push(" FROM unnest(");
        for (i, (name, array)) in arrays.iter().enumerate() {
            self.text.push(if i == 0 { "" } else { ", " });
            self.text.bind(&**array, of(self.def, name), Use::Written);
        }
        self.text.push(") AS r (");
        self.text.names(ALONE, &names);
        self.text.push(")");
        self.returning(returned);
        self.text.built()
    }

    /// Updates columns of the rows that match a condition; returns the rows if columns are requested.
    pub(super) fn update(mut self, values: Values, condition: &Condition, returned: &[&str]) -> BoundStatement {
        self.text.push(&format!("UPDATE {} SET ", table(self.def)));
        let columns = values.columns().to_vec();
        for (i, (name, value)) in columns.into_iter().zip(values.into_values()).enumerate() {
            self.text.push(&format!("{}{} = ", if i == 0 { "" } else { ", " }, quoted(name)));
            self.text.bind(&*value, of(self.def, name), Use::Written);
        }
        self.filtered(ALONE, self.def, condition);
        self.returning(returned);
        self.text.built()
    }

    /// Deletes the rows that match a condition: sets the time of the deletion if the table keeps deleted rows, unless the condition is
    /// on deleted rows.
    pub(super) fn delete(mut self, condition: &Condition) -> BoundStatement {
        match self.def.soft_delete.filter(|_| !condition.is_of_deleted()) {
            Some(soft) => {
                let column = quoted(soft.column);
                self.text.push(&format!("UPDATE {} SET {column} = transaction_timestamp()", table(self.def)));
            }
            None => {
                self.text.push("DELETE");
                self.from();
            }
        }
        self.filtered(ALONE, self.def, condition);
        self.text.built()
    }

    /// Restores the deleted rows that match a condition and returns them.
    pub(super) fn restore(mut self, condition: &Condition, returned: &[&str]) -> BoundStatement {
        let column = self.def.soft_delete.map_or("", |soft| soft.column);
        self.text.push(&format!("UPDATE {} SET {} = NULL", table(self.def), quoted(column)));
        self.filtered(ALONE, self.def, condition);
        self.returning(returned);
        self.text.built()
    }

    /// Binds all values if a column that is read requires the binary format: a statement with inlined values is sent with the simple
    /// query protocol, which returns only the text format.
    fn reads(&mut self, def: &TableDef, columns: &[&str]) {
        let decodes_text = |name: &str| def.columns.iter().any(|column| column.name == name && column.decodes_text);
        if !columns.iter().all(|name| decodes_text(name)) {
            self.text.read_in_binary();
        }
    }

    fn from(&mut self) {
        self.text.push(&format!(" FROM {}", table(self.def)));
    }

    fn inserted(&mut self, alias: &str, values: Values) {
        let tenant = self.def.inserted_tenant_column();
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
        if tenant.is_some() {
            let place = self.tenant_place();
            self.text.place(place);
        }
        let mut separator = if tenant.is_some() { ", " } else { "" };
        for (name, value) in columns.into_iter().zip(values.into_values()) {
            self.text.push(separator);
            self.text.bind(&*value, of(self.def, name), Use::Written);
            separator = ", ";
        }
        self.text.push(")");
    }

    fn returning(&mut self, columns: &[&str]) {
        if !columns.is_empty() {
            self.reads(self.def, columns);
            self.text.push(" RETURNING ");
            self.text.names(ALONE, columns);
        }
    }

    /// Writes the WHERE clause, which selects the tenant's rows that match the condition.
    fn filtered(&mut self, alias: &str, def: &TableDef, condition: &Condition) {
        let every = matches!(condition, Condition::All(all) if all.is_empty());
        if def.tenant_column().is_none() && every {
            return;
        }
        self.text.push(" WHERE ");
        let then = if every { "" } else { " AND " };
        let is_kept = def.soft_delete.is_some() && !condition.is_of_deleted();
        self.of_tenant(alias, def, if is_kept { " AND " } else { then });
        if is_kept {
            self.kept(alias, def, then);
        }
        if !every {
            self.condition(alias, def, condition);
        }
    }

    /// Returns the placeholder of the tenant ID, which is bound on first use.
    fn tenant_place(&mut self) -> usize {
        *self.place.get_or_insert_with(|| self.text.add_bound(self.tenant.as_bind(), Of::Context))
    }

    /// If the table has a tenant column, writes the tenant predicate and the text that joins it to the next condition.
    fn of_tenant(&mut self, alias: &str, def: &TableDef, then: &str) {
        if let Some(column) = def.tenant_column() {
            let place = self.tenant_place();
            self.text.push(&format!("{alias}{} = ", quoted(column)));
            self.text.place(place);
            self.text.push(then);
        }
    }

    /// If the table keeps deleted rows, writes the condition that a row is not deleted, and the text that joins it to the next condition.
    /// The policy hides deleted rows as well, but does not imply the condition of a partial index.
    fn kept(&mut self, alias: &str, def: &TableDef, then: &str) {
        if let Some(soft) = def.soft_delete {
            self.text.push(&format!("{alias}{} IS NULL{then}", quoted(soft.column)));
        }
    }

    fn condition(&mut self, alias: &str, def: &TableDef, condition: &Condition) {
        match condition {
            Condition::Compare { column, operator: Operator::StartsWith, value }
                if matches!(of(def, column), Of::Column(_, ColumnDef { ty: SqlType::Custom(_), .. })) =>
            {
                // `^@` compares texts, and LIKE values of the column's type. Here, LIKE takes the prefix literally.
                self.text.push(&format!("{alias}{} LIKE regexp_replace(", quoted(column)));
                self.text.bind(value.as_bind(), of(def, column), Use::Pattern);
                let (special, escaped) = (literal(r"([\\%_])"), literal(r"\\\1"));
                self.text.push(&format!(", {special}, {escaped}, 'g') || '%'"));
            }
            Condition::Compare { column, operator, value } => {
                self.text.push(&format!("{alias}{} {} ", quoted(column), operator.sql()));
                let used = if operator.is_pattern() { Use::Pattern } else { Use::Compared };
                self.text.bind(value.as_bind(), of(def, column), used);
            }
            Condition::In { column, values } => {
                self.text.push(&format!("{alias}{} = ANY (", quoted(column)));
                self.text.bind(values.as_bind(), of(def, column), Use::Compared);
                self.text.push(")");
            }
            Condition::InRows { columns, values } => {
                self.text.push("(");
                self.text.names(alias, columns);
                self.text.push(") IN (SELECT * FROM unnest(");
                for (i, (column, values)) in columns.iter().zip(values).enumerate() {
                    self.text.push(if i == 0 { "" } else { ", " });
                    self.text.bind(values.as_bind(), of(def, column), Use::Compared);
                }
                self.text.push("))");
            }
            Condition::Null { column } => self.text.push(&format!("{alias}{} IS NULL", quoted(column))),
            Condition::Row { columns, after, values } => {
                self.text.push("(");
                self.text.names(alias, columns);
                self.text.push(if *after { ") > (" } else { ") < (" });
                for (i, (column, value)) in columns.iter().zip(values).enumerate() {
                    self.text.push(if i == 0 { "" } else { ", " });
                    self.text.bind(value.as_bind(), of(def, column), Use::Compared);
                }
                self.text.push(")");
            }
            Condition::Parent { column, parent, condition } => {
                // Each name is qualified: an unqualified name that the inner table lacks would refer to the outer
                // table.
                let (key, table) = (quoted(id_column(parent)), table(parent));
                self.text.push(&format!("{alias}{} IN (SELECT p.{key} FROM {table} AS p", quoted(column)));
                self.filtered(PARENT, parent, condition);
                self.text.push(")");
            }
            Condition::Not(condition) => {
                // `NOT` would exclude rows for which the condition is NULL.
                self.text.push("((");
                self.condition(alias, def, condition);
                self.text.push(") IS NOT TRUE)");
            }
            Condition::All(all) => self.joined(alias, def, all, " AND ", "true"),
            Condition::Any(any) => self.joined(alias, def, any, " OR ", "false"),
            Condition::Deleted => {
                let column = def.soft_delete.map_or("", |soft| soft.column);
                self.text.push(&format!("{alias}{} IS NOT NULL", quoted(column)));
                self.text.show_deleted();
            }
            Condition::TooDeep => self.text.fail(NotBuilt::TooDeep { table: def.name, limit: MAX_DEPTH }),
        }
    }

    fn joined(&mut self, alias: &str, def: &TableDef, parts: &[Condition], word: &str, none: &str) {
        if parts.is_empty() {
            self.text.push(none);
            return;
        }
        self.text.push("(");
        for (i, part) in parts.iter().enumerate() {
            self.text.push(if i == 0 { "" } else { word });
            self.condition(alias, def, part);
        }
        self.text.push(")");
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

/// Returns the columns that identify a row within its tenant, in the order of the fields; on the tenant table, that is the tenant
/// column.
pub(super) fn id_columns(def: &TableDef) -> Vec<&'static str> {
    def.own_key().into_iter().map(|column| column.name).collect()
}

/// Returns the key column of a table that a field references. A field cannot have the type of a key of several columns.
fn id_column(def: &TableDef) -> &'static str {
    def.own_key().first().map_or("id", |column| column.name)
}

/// Returns the columns of a unique key, including the tenant column unless the key is a primary key that lacks it.
fn conflict_target<'k>(def: &'static TableDef, key: &'k [&'k str]) -> Vec<&'k str> {
    if key == id_columns(def) {
        return def.columns.iter().filter(|column| column.id).map(|column| column.name).collect();
    }
    let tenant = def.tenant_column().filter(|tenant| !key.contains(tenant));
    tenant.into_iter().chain(key.iter().copied()).collect()
}

fn table(def: &TableDef) -> String {
    format!("{}.{}", quoted(def.name.schema), quoted(def.name.table))
}

/// Returns what a value that is compared with or written to a column belongs to.
fn of<'d>(def: &'d TableDef, name: &str) -> Of<'d> {
    def.columns.iter().find(|column| column.name == name).map_or(Of::Argument, |column| Of::Column(def, column))
}
