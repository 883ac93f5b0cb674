//! The fingerprint of a schema: one hash, by which an app refuses a database that is not the one that was audited.

use std::collections::BTreeSet;

use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    error::{Error, Result},
    model::names,
    registry::Registered,
};

/// Makes the server write names in full and values in one way, whatever the session or the database is set to.
pub(crate) const PLAIN_WORDS: &str = "SET LOCAL search_path = pg_catalog, pg_temp; \
     SET LOCAL quote_all_identifiers = off; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; \
     SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; \
     SET LOCAL jit = off";

/// Takes the fingerprint of the schemas that these roles own, in a transaction that begins with [`PLAIN_WORDS`].
///
/// It begins with the server's major release, since each writes expressions in words of its own.
pub(crate) async fn fingerprint(transaction: &mut PgConnection, owners: &[String]) -> Result<String> {
    let major = transaction.server_version_num().unwrap_or_default() / 10_000;
    let hash: Option<String> = sqlx::query_scalar(include_str!("fingerprint.sql"))
        .bind(owners)
        .persistent(false)
        .fetch_one(transaction)
        .await?;
    Ok(format!("{major}-{}", hash.as_deref().unwrap_or("nothing")))
}

/// Refuses a database whose fingerprint is another one.
pub(super) async fn check(connection: &mut PgConnection, expected: &str) -> Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute(PLAIN_WORDS).await?;
    let found = fingerprint(&mut transaction, &owners()).await?;
    transaction.rollback().await?;
    if found == expected { Ok(()) } else { Err(Error::FingerprintMismatch { expected: expected.to_owned(), found }) }
}

/// The roles that own the schemas of the linked tenancies.
fn owners() -> Vec<String> {
    let prefixes = inventory::iter::<Registered>().map(|registered| registered.0.tenancy.role_prefix);
    let prefixes: BTreeSet<&str> = prefixes.collect();
    prefixes
        .into_iter()
        .flat_map(|prefix| [names::SCHEMA_OWNER, names::FUNCTION_OWNER].map(|name| format!("{prefix}{name}")))
        .collect()
}
