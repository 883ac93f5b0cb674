//! The fingerprint: a hash with which an app rejects a database that differs from the one that was checked.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::{
    error::{Error, Result},
    hex::hex,
    model::names,
    registry::Registered,
};

/// Settings that fix the format of names and values in the server's output, regardless of the session's and the
/// database's settings.
pub(crate) const CANONICAL_OUTPUT: &str = "SET LOCAL search_path = pg_catalog, pg_temp; \
     SET LOCAL quote_all_identifiers = off; SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; \
     SET LOCAL intervalstyle = 'postgres'; SET LOCAL bytea_output = 'hex'; SET LOCAL extra_float_digits = 1; \
     SET LOCAL jit = off";

/// What application roles can reach outside the declaration, as JSON rows; see the file.
pub(crate) const REACHABLE: &str = include_str!("reachable.sql");

/// An object that the server or one of its extensions ships: a row of `inventory.sql`.
#[derive(Debug, sqlx::FromRow)]
#[cfg_attr(not(feature = "generate"), expect(dead_code, reason = "the last columns are for the audit"))]
pub(crate) struct Shipped {
    /// The extension and its version; `None` for an object of the server.
    pub(crate) origin: Option<String>,
    pub(crate) class: String,
    pub(crate) name: String,
    /// A hash of the definition.
    pub(crate) hash: String,
    /// The object's kind and name in SQL, for an extension's object.
    pub(crate) address: Option<String>,
    /// Whether the object was added to the extension later; `None` if that is unknown.
    pub(crate) added: Option<bool>,
    /// Whether an extension's object belongs to neither the extension's owner nor the first superuser.
    pub(crate) of_other_owner: Option<bool>,
}

/// What the server and its extensions ship.
#[derive(Debug)]
pub(crate) struct Inventory {
    /// A hash of all objects of the server.
    pub(crate) digest: String,
    /// The objects of the extensions, and those of the server if their digest is not the expected one.
    pub(crate) objects: Vec<Shipped>,
}

impl Inventory {
    /// Reads what the server and its extensions ship, in a transaction that starts with [`CANONICAL_OUTPUT`].
    ///
    /// Without an expected digest the objects of the server are left out.
    pub(crate) async fn read(transaction: &mut PgConnection, expected: Option<&str>) -> Result<Self> {
        let rows = sqlx::query_as(include_str!("inventory.sql")).bind(expected).persistent(false);
        let rows: Vec<Shipped> = rows.fetch_all(transaction).await?;
        let (digests, objects): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| row.class == "digest");
        let digest = digests.into_iter().next().map(|row| row.hash).unwrap_or_default();
        Ok(Self { digest, objects })
    }
}

/// Computes the fingerprint of the schemas that these roles own, and of what the application roles can reach outside
/// them, in a transaction that starts with [`CANONICAL_OUTPUT`].
///
/// The fingerprint starts with the server's major version, because the form of expressions differs between major
/// versions.
pub(crate) async fn fingerprint(
    transaction: &mut PgConnection,
    owners: &[String],
    inventory: &Inventory,
) -> Result<String> {
    let major = transaction.server_version_num().unwrap_or_default() / 10_000;
    let product: Option<String> = sqlx::query_scalar(include_str!("fingerprint.sql"))
        .bind(owners)
        .persistent(false)
        .fetch_one(&mut *transaction)
        .await?;
    let scope = sqlx::query_as(include_str!("fingerprint_scope.sql")).bind(owners).persistent(false);
    let (schemas, roles): (Vec<String>, Vec<String>) = scope.fetch_one(&mut *transaction).await?;
    let reachable = sqlx::query_scalar(REACHABLE).bind(schemas).bind(roles).bind(owners).persistent(false);
    let mut lines: Vec<String> = reachable.fetch_all(&mut *transaction).await?;
    let members = inventory.objects.iter().filter(|object| object.origin.is_some());
    lines.extend(members.map(|Shipped { origin, class, name, hash, .. }| format!("{origin:?} {class} {name} {hash}")));
    lines.push(inventory.digest.clone());
    lines.sort_unstable();
    let mut hash = Sha256::new();
    for line in product.iter().chain(&lines) {
        hash.update(line);
        hash.update("\n");
    }
    Ok(format!("{major}-{}", hex(&hash.finalize())))
}

/// Rejects a database with a different fingerprint.
pub(super) async fn check(connection: &mut PgConnection, expected: &str) -> Result<()> {
    let mut transaction = connection.begin().await?;
    transaction.execute(CANONICAL_OUTPUT).await?;
    let inventory = Inventory::read(&mut transaction, None).await?;
    let found = fingerprint(&mut transaction, &owners(), &inventory).await?;
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
