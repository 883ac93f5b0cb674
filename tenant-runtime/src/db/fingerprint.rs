//! The fingerprint of a schema: a hash with which an app rejects a database that differs from the one that was checked.

use std::collections::BTreeSet;

use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    error::{Error, Result},
    model::names,
    registry::Registered,
};

/// Settings that fix the format of names and values in the server's output, regardless of the session's and the
/// database's settings.
pub(crate) const CANONICAL_OUTPUT: &str = "SET LOCAL search_path = pg_catalog, pg_temp; \
     SET LOCAL quote_all_identifiers = off; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; \
     SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; \
     SET LOCAL jit = off";

/// Computes the fingerprint of the schemas that these roles own, in a transaction that starts with [`CANONICAL_OUTPUT`].
///
/// The fingerprint starts with the server's major version, because the form of expressions differs between major
/// versions.
pub(crate) async fn fingerprint(transaction: &mut PgConnection, owners: &[String]) -> Result<String> {
    let major = transaction.server_version_num().unwrap_or_default() / 10_000;
    let hash: Option<String> = sqlx::query_scalar(include_str!("fingerprint.sql"))
        .bind(owners)
        .persistent(false)
        .fetch_one(transaction)
        .await?;
    Ok(format!("{major}-{}", hash.as_deref().unwrap_or("nothing")))
}

/// Rejects a database with a different fingerprint.
pub(super) async fn check(connection: &mut PgConnection, expected: &str) -> Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute(CANONICAL_OUTPUT).await?;
    let found = fingerprint(&mut transaction, &owners()).await?;
    transaction.rollback().await?;
    if found == expected { Ok(()) } else { Err(Error::FingerprintMismatch { expected: expected.to_owned(), found }) }
}

/// Returns the roles that own the schemas of the linked tenancies.
fn owners() -> Vec<String> {
    let prefixes = inventory::iter::<Registered>().map(|registered| registered.0.tenancy.role_prefix);
    let prefixes: BTreeSet<&str> = prefixes.collect();
    prefixes
        .into_iter()
        .flat_map(|prefix| [names::SCHEMA_OWNER, names::FUNCTION_OWNER].map(|name| format!("{prefix}{name}")))
        .collect()
}
