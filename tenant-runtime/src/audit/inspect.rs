//! Reads the live catalog: one query per area, all in one snapshot.

use serde::Deserialize;
use sqlx::{Connection as _, Executor as _, PgConnection, Postgres, postgres::PgArguments, query::QueryScalar};

use super::catalog::{Catalog, Object, State};
use crate::{
    db::CANONICAL_OUTPUT,
    error::{Error, Result},
    model::schema::Schema,
};

impl Catalog {
    /// Reads a product's schemas and roles from a database's catalog.
    ///
    /// Other objects of the database are not read.
    ///
    /// # Errors
    ///
    /// - [`Error::Forbidden`]: the login lacks a privilege to read the catalog.
    /// - [`Error::Database`]: the connection or a query failed, or a row is of an unknown kind.
    pub async fn read(connection: &mut PgConnection, schema: &Schema) -> Result<Self> {
        let mut transaction = connection.begin().await?;
        begin(&mut transaction).await?;
        let catalog = read(&mut transaction, schema).await?;
        transaction.rollback().await?;
        Ok(catalog)
    }
}

/// Prepares a transaction: one snapshot for all queries, and settings that fix the format of the server's output.
pub(super) async fn begin(transaction: &mut PgConnection) -> sqlx::Result<()> {
    transaction.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
    transaction.execute(CANONICAL_OUTPUT).await?;
    transaction.execute("SET LOCAL lock_timeout = '5s'; SET LOCAL row_security = on").await?;
    Ok(())
}

/// Reads the catalog within a transaction that [`begin`] began.
pub(super) async fn read(transaction: &mut PgConnection, schema: &Schema) -> Result<Catalog> {
    let (schemas, roles) = (schemas(schema), roles(schema));
    let mut all = Vec::new();
    for query in [include_str!("sql/relations.sql"), include_str!("sql/routines.sql")] {
        all.extend(facts(transaction, sqlx::query_scalar(query).bind(&schemas)).await?);
    }
    let access = sqlx::query_scalar(include_str!("sql/access.sql")).bind(&schemas).bind(&roles).bind(owners(schema));
    all.extend(facts(transaction, access).await?);
    let names: Vec<_> = schema.extensions.keys().map(ToString::to_string).collect();
    let extensions = sqlx::query_scalar(include_str!("sql/extensions.sql")).bind(names).bind(&roles);
    all.extend(facts(transaction, extensions).await?);
    all.extend(facts(transaction, sqlx::query_scalar(include_str!("sql/roles.sql")).bind(&roles)).await?);
    Ok(Catalog { facts: all.into_iter().map(|fact| (fact.object, fact.state)).collect() })
}

/// One row of a query.
#[derive(Debug, Deserialize)]
pub(super) struct Fact {
    pub(super) object: Object,
    pub(super) state: State,
}

/// Runs a query of the catalog.
pub(super) async fn facts(
    transaction: &mut PgConnection,
    query: QueryScalar<'_, Postgres, String, PgArguments>,
) -> Result<Vec<Fact>> {
    let rows = query.fetch_all(transaction).await?;
    let facts = rows.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>();
    facts.map_err(|error| Error::Database(sqlx::Error::Decode(error.into())))
}

/// Returns the schemas of a product's tables and functions.
pub(super) fn schemas(schema: &Schema) -> Vec<String> {
    let functions = schema.functions.keys().map(|name| &name.schema);
    let mut names: Vec<_> = schema.schemas.iter().chain(functions).map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names
}

/// Returns a product's roles.
pub(super) fn roles(schema: &Schema) -> Vec<String> {
    schema.roles.iter().map(|role| role.name.to_string()).collect()
}

/// Returns a product's roles that own objects.
pub(super) fn owners(schema: &Schema) -> Vec<String> {
    schema.owner().into_iter().chain(schema.function_owner()).map(|role| role.name.to_string()).collect()
}
