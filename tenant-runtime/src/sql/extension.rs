//! The SQL of extensions and their schemas.

use super::heading;
use crate::ident::{Ident, literal};

/// Creates the schema if it does not exist, and grants USAGE on it.
pub(super) fn use_schema(schema: &Ident, users: &[Ident]) -> String {
    format!(
        "{}CREATE SCHEMA IF NOT EXISTS {};\n{}",
        heading(&format!("Extensions in {schema}")),
        schema.quoted(),
        change_users(schema, &[], users)
    )
}

/// Revokes USAGE on the schema, which stays: other software can use its objects.
pub(super) fn leave_schema(schema: &Ident, users: &[Ident]) -> String {
    format!(
        "-- The schema {} stays, because other software can use it.\n{}",
        schema.quoted(),
        change_users(schema, users, &[])
    )
}

/// Grants USAGE on the schema to new users, and revokes it from earlier ones.
pub(super) fn change_users(schema: &Ident, before: &[Ident], after: &[Ident]) -> String {
    let change = |word: &str, to: &str, roles: &[Ident], others: &[Ident]| {
        let roles = roles.iter().filter(|role| !others.contains(role)).map(|role| role.quoted().to_string());
        let roles = roles.collect::<Vec<_>>().join(", ");
        if roles.is_empty() {
            return String::new();
        }
        format!("{word} USAGE ON SCHEMA {} {to} {roles};\n", schema.quoted())
    };
    change("REVOKE", "FROM", before, after) + &change("GRANT", "TO", after, before)
}

/// Creates the extension if it does not exist. An extension in another schema is an error.
pub(super) fn create(name: &Ident, schema: &Ident) -> String {
    let (extension, home) = (name.quoted(), schema.quoted());
    format!(
        "CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA {home};
DO $extension$
BEGIN
    IF NOT EXISTS (
        SELECT FROM pg_extension JOIN pg_namespace AS home ON home.oid = extnamespace
        WHERE extname = {} AND home.nspname = {}
    ) THEN
        RAISE EXCEPTION {}
            USING HINT = {};
    END IF;
END
$extension$;
",
        literal(name.as_str()),
        literal(schema.as_str()),
        literal(&format!("the extension `{name}` exists in another schema than `{schema}`").replace('%', "%%")),
        literal(&format!(
            "Declare that schema in `extensions` of the tenancy, or move the extension: ALTER EXTENSION {extension} SET SCHEMA {home};"
        )),
    )
}

/// Explains why the removal of an extension from the declaration drops nothing.
pub(super) fn keep(name: &Ident) -> String {
    let extension = name.quoted();
    format!(
        "-- The extension {extension} stays: it can be older than the migrations, and other software can use it. To drop it, run:\n\
         -- DROP EXTENSION {extension};\n"
    )
}
