//! Reads the declared types and expressions in the form in which the server writes them.
//!
//! The catalog returns expressions in a different form: `x IN ('a')` is read back as `(x = ANY (ARRAY['a'::text]))`,
//! and the form differs between major releases. So the declared columns, defaults, checks and policies are created on a
//! temporary table with the same name and read back from the catalog, and then the transaction is rolled back.

use std::collections::BTreeMap;

use serde::Deserialize;
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};

use super::{
    catalog::{Name, Object, State},
    inspect::{Fact, facts},
};
use crate::{
    analyze::row_reference,
    db::assert_sql_safe,
    error::{Result, server_error},
    ident::{Ident, quoted},
    model::schema::{
        ColumnDefault, Command, Expression, Function, Index, IndexKind, QualifiedName, Returns, Schema, Table,
        search_path,
    },
    sql::part,
};

/// The declared types and expressions in the server's form.
#[derive(Debug, Default)]
pub(super) struct Canonical {
    /// The SQL text of each property, by object and property name.
    texts: BTreeMap<(Object, String), String>,
    /// The properties of the indexes that have more than columns.
    indexes: BTreeMap<Object, State>,
    /// The types of function arguments and results, by their declared names.
    types: BTreeMap<String, Option<String>>,
    /// The declarations that the server rejected, each with its message.
    pub(super) refused: Vec<(Object, String)>,
}

impl Canonical {
    /// Returns the text of a property; `None` if the object has none or the server rejected it.
    pub(super) fn text(&self, object: &Object, property: &str) -> Option<&str> {
        self.texts.get(&(object.clone(), property.to_owned())).map(String::as_str)
    }

    /// Returns the properties of an index that has more than columns; none if the server rejected it.
    pub(super) fn index(&self, object: &Object) -> State {
        self.indexes.get(object).cloned().unwrap_or_default()
    }

    /// Returns the name of a type; the declared name if the server does not know the type.
    pub(super) fn ty(&self, ty: &Expression) -> String {
        self.types.get(ty.as_str()).cloned().flatten().unwrap_or_else(|| ty.to_string())
    }

    /// Reads the SQL text from the server; the caller must roll the transaction back.
    pub(super) async fn read(transaction: &mut PgConnection, schema: &Schema) -> Result<Self> {
        let mut canonical = Self::default();
        let path = search_path(schema.extension_schemas());
        for (name, table) in schema.tables() {
            canonical.table(&mut *transaction, name, table, &path).await?;
        }
        let mut types: Vec<String> = schema.functions().values().flat_map(types_of).map(ToString::to_string).collect();
        types.sort();
        types.dedup();
        let sql = "SELECT type, format_type(to_regtype(type), NULL) FROM unnest($1::text[]) AS type";
        for row in sqlx::query(sql).bind(&types).fetch_all(&mut *transaction).await? {
            canonical.types.insert(row.try_get(0)?, row.try_get(1)?);
        }
        Ok(canonical)
    }

    /// Reads the text of a table's properties; `path` is the search path of migrations.
    async fn table(
        &mut self,
        transaction: &mut PgConnection,
        name: &QualifiedName,
        table: &Table,
        path: &str,
    ) -> Result<()> {
        let scratch = format!("pg_temp.{}", name.table.quoted());
        let pieces = pieces(name, table, &scratch);
        let whole = pieces.iter().map(|(_, sql)| sql.as_str()).collect::<Vec<_>>().join(";\n");
        // Declared expressions are read with the search path of migrations, and written with that of the live catalog.
        let search_path = |path: &str| assert_sql_safe(format!("SET LOCAL search_path = {path}"));
        transaction.execute(search_path(path)).await?;
        // If the statements fail as a whole, each statement is tried separately to find the statements that fail.
        if attempt(&mut *transaction, whole).await?.is_err() {
            for (object, sql) in pieces {
                if let Err(reason) = attempt(&mut *transaction, sql).await? {
                    self.refused.push((object, reason));
                }
            }
        }
        transaction.execute(search_path("pg_catalog, pg_temp")).await?;
        let rows = sqlx::query_scalar::<_, String>(include_str!("sql/canonical.sql"))
            .bind(name.schema.as_str())
            .bind(name.table.as_str())
            .fetch_all(&mut *transaction)
            .await?;
        for row in rows {
            let text: Text = serde_json::from_str(&row).map_err(|error| sqlx::Error::Decode(error.into()))?;
            self.texts.insert((text.object, text.property), text.text);
        }
        if table.indexes.iter().any(|index| !has_only_columns(index)) {
            self.read_indexes(&mut *transaction, name).await?;
        }
        transaction.execute(assert_sql_safe(format!("DROP TABLE IF EXISTS {scratch}"))).await?;
        Ok(())
    }

    /// Reads the indexes and exclusion constraints of the temporary table as those of the declared table.
    async fn read_indexes(&mut self, transaction: &mut PgConnection, name: &QualifiedName) -> Result<()> {
        let schema = "SELECT nspname::text FROM pg_namespace WHERE oid = pg_my_temp_schema()";
        let schema: String = sqlx::query_scalar(schema).fetch_one(&mut *transaction).await?;
        let scratch = Name { schema: schema.clone(), name: name.table.to_string() };
        let relations = sqlx::query_scalar(include_str!("sql/relations.sql")).bind(vec![schema]);
        for Fact { object, state } in facts(transaction, relations).await? {
            let object = match object {
                Object::Index(of, index) if of == scratch => Object::Index(name.into(), index),
                Object::Constraint(of, constraint) if of == scratch => Object::Constraint(name.into(), constraint),
                _ => continue,
            };
            self.indexes.insert(object, state);
        }
        Ok(())
    }
}

/// Returns whether an index is described by its columns alone.
pub(super) fn has_only_columns(index: &Index) -> bool {
    index.kind == IndexKind::Plain && index.include.is_empty() && index.plain_columns().is_some()
}

/// One row of `canonical.sql`.
#[derive(Debug, Deserialize)]
struct Text {
    object: Object,
    property: String,
    text: String,
}

/// Returns the statements that create a table's types and expressions on a temporary table, each with its object.
fn pieces(name: &QualifiedName, table: &Table, scratch: &str) -> Vec<(Object, String)> {
    let own = Name::from(name);
    let relation = Object::Relation(own.clone());
    let mut pieces = vec![(relation, format!("CREATE TEMPORARY TABLE {} ()", name.table.quoted()))];
    let alter = |what: String| format!("ALTER TABLE {scratch} {what}");
    // `app.notes.title` is the row of the table in `app`, and not of the temporary table.
    let scratch_name = QualifiedName { schema: Ident::derived(["pg_temp"]), table: name.table.clone() };
    let of_scratch = |sql: &Expression| row_reference::in_schema(sql, name, "pg_temp");
    for column in table.columns.iter().filter(|column| column.generated().is_none()) {
        let object = Object::Column(own.clone(), column.name.to_string());
        let quoted = column.name.quoted();
        pieces.push((object.clone(), alter(format!("ADD COLUMN {quoted} {}", column.sql_type()))));
        if let Some(ColumnDefault::Expression(default)) = &column.default {
            pieces.push((object, alter(format!("ALTER COLUMN {quoted} SET DEFAULT ({default})"))));
        }
    }
    // After the columns that they read.
    for column in &table.columns {
        if let Some(expression) = column.generated() {
            let object = Object::Column(own.clone(), column.name.to_string());
            let (name, ty, expression) = (column.name.quoted(), column.sql_type(), of_scratch(expression));
            pieces.push((object, alter(format!("ADD COLUMN {name} {ty} GENERATED ALWAYS AS ({expression}) STORED"))));
        }
    }
    for check in &table.checks {
        let object = Object::Constraint(own.clone(), check.name.to_string());
        pieces.push((
            object,
            alter(format!("ADD CONSTRAINT {} CHECK ({})", check.name.quoted(), of_scratch(&check.condition))),
        ));
    }
    for index in table.indexes.iter().filter(|index| !has_only_columns(index)) {
        let object = Object::of_index(&own, index);
        let mut index = index.clone();
        index.expressions_mut().for_each(|expression| *expression = Expression::trusted(of_scratch(expression)));
        pieces.push((object, part::index(&scratch_name, &index)));
    }
    for policy in &table.policies {
        let object = Object::Policy(own.clone(), policy.name.to_string());
        let command = policy.command().map_or("ALL", Command::keyword);
        let using = policy.using_sql().map(|sql| format!(" USING ({})", of_scratch(&sql))).unwrap_or_default();
        let check =
            policy.with_check_sql().map(|sql| format!(" WITH CHECK ({})", of_scratch(&sql))).unwrap_or_default();
        let policy = quoted(policy.name.as_str());
        pieces.push((object, format!("CREATE POLICY {policy} ON {scratch} FOR {command}{using}{check}")));
    }
    pieces
}

/// Runs statements in a savepoint; returns the server's message if it rejects one.
async fn attempt(transaction: &mut PgConnection, sql: String) -> Result<Result<(), String>> {
    let mut savepoint = transaction.begin().await?;
    match savepoint.execute(assert_sql_safe(sql)).await {
        Ok(_) => savepoint.commit().await?,
        Err(error) => {
            let Some(server) = server_error(&error) else { return Err(error.into()) };
            let reason = server.message().to_owned();
            savepoint.rollback().await?;
            return Ok(Err(reason));
        }
    }
    Ok(Ok(()))
}

/// Returns the types of a function's arguments and results.
fn types_of(function: &Function) -> Vec<&Expression> {
    let returns = match &function.returns {
        Returns::Void | Returns::Trigger | Returns::NewRow => Vec::new(),
        Returns::Value(ty) => vec![ty],
        Returns::Rows(columns) => columns.iter().map(|(_, ty)| ty).collect(),
    };
    function.arguments.iter().map(|(_, ty)| ty).chain(returns).collect()
}
