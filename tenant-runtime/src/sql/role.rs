//! The SQL of roles, memberships and schemas, and of the privileges that are revoked from PUBLIC.

use std::fmt::Write as _;

use super::heading;
use crate::{
    diff::{Membership, SchemaObject},
    ident::{Ident, literal},
    model::{
        def::TimeoutsDef,
        schema::{Role, RoleKind},
    },
};

/// Creates roles, or uses existing roles that are marked as the product's. Concurrent runs are safe.
///
/// Roles belong to the cluster, not to the database: for a second database of the product they already exist or are
/// created at the same time, and the migrations of another product must not adopt them. The mark is the comment on the
/// role.
pub(super) fn create<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let mut out = heading("Roles");
    let roles: Vec<_> = items.filter_map(role).collect();
    let rows = roles.iter().map(|(role, product)| {
        let attributes = match role.kind.login() {
            Some((connections, _)) => format!("LOGIN NOINHERIT CONNECTION LIMIT {connections}"),
            None => "NOLOGIN INHERIT".to_owned(),
        };
        [literal(role.name.as_str()), literal(&attributes), literal(&mark(role, product))]
    });
    let product = roles.first().map_or("", |(_, product)| *product);
    let _ = write!(
        out,
        "-- Roles belong to the whole cluster: another database of {product} may have created them already. An existing role is
-- accepted only if its comment marks it as the same role of {product}.
DO $roles$
DECLARE
    expected record;
    existing record;
BEGIN
    FOR expected IN
        SELECT * FROM (VALUES
{}
        ) AS role (name, attributes, mark)
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                expected.name, expected.attributes);
            EXECUTE format('COMMENT ON ROLE %I IS %L', expected.name, expected.mark);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            SELECT r.*, shobj_description(r.oid, 'pg_authid') AS mark INTO existing
                FROM pg_catalog.pg_roles AS r WHERE r.rolname = expected.name;
            IF existing.mark IS DISTINCT FROM expected.mark THEN
                RAISE EXCEPTION 'role % already exists and is not marked as a role of this product', expected.name
                    USING HINT = 'Choose another role prefix, or mark the role to use it: '
                        || format('COMMENT ON ROLE %I IS %L', expected.name, expected.mark);
            END IF;
            IF existing.rolsuper OR existing.rolcreatedb OR existing.rolcreaterole OR existing.rolreplication
                OR existing.rolbypassrls
                OR (existing.rolcanlogin AND expected.attributes NOT LIKE 'LOGIN%')
                OR (existing.rolinherit AND expected.attributes LIKE '% NOINHERIT%')
            THEN
                RAISE EXCEPTION 'role % already exists with attributes that it must not have', expected.name
                    USING HINT = format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                        expected.name, expected.attributes);
            END IF;
        END;
    END LOOP;
END
$roles$;
",
        rows_aligned(rows)
    );
    let owners = roles.iter().filter(|(role, _)| matches!(role.kind, RoleKind::SchemaOwner | RoleKind::FunctionOwner));
    let owners: Vec<_> = owners.map(|(role, _)| format!("({})", literal(role.name.as_str()))).collect();
    if !owners.is_empty() {
        out.push_str(&become_owners(&owners));
    }
    out
}

/// Returns the role and its product, if the object is a role.
fn role(item: &SchemaObject) -> Option<(&Role, &str)> {
    match item {
        SchemaObject::Role { role, product } => Some((role, product)),
        _ => None,
    }
}

/// Returns the comment that marks a role as the product's.
pub(crate) fn mark(role: &Role, product: &str) -> String {
    let purpose = match &role.kind {
        RoleKind::SchemaOwner => "owner of the schemas and tables",
        RoleKind::FunctionOwner => "owner of the SECURITY DEFINER functions",
        RoleKind::NoTenant => "role of users without a tenant",
        RoleKind::Application { .. } => "application role",
        RoleKind::Login { .. } => "login role of the app",
        RoleKind::RoleLogin { .. } => "login role of one application role",
        RoleKind::System => "role for cross-tenant access",
        RoleKind::SystemLogin { .. } => "login role of background jobs",
    };
    format!("{product}: {purpose}")
}

/// Grants the owner roles to the role that applies the migration; since PostgreSQL 16, with the options that SET ROLE
/// requires.
fn become_owners(owners: &[String]) -> String {
    format!(
        "
-- The role that applies this migration must be able to act as the owner roles: grant it membership if it cannot.
DO $owners$
DECLARE
    owner record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR owner IN SELECT name FROM (VALUES {}) AS role (name) LOOP
        IF NOT (pg_has_role(owner.name, 'USAGE')
            AND pg_has_role(owner.name, CASE WHEN has_options THEN 'SET' ELSE 'MEMBER' END))
        THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', owner.name)
                || CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
        END IF;
    END LOOP;
END
$owners$;
",
        owners.join(", ")
    )
}

/// Changes the connection limit of a login role, and the product in the comment of a role.
pub(super) fn alter((before, was): (&Role, &str), (after, product): (&Role, &str)) -> String {
    let name = after.name.quoted();
    let mut out = String::new();
    if let Some((connections, _)) = after.kind.login()
        && before.kind != after.kind
    {
        let _ = writeln!(out, "ALTER ROLE {name} CONNECTION LIMIT {connections};");
    }
    if was != product {
        let _ = writeln!(out, "COMMENT ON ROLE {name} IS {};", literal(&mark(after, product)));
    }
    out
}

fn memberships<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> impl Iterator<Item = &'i Membership> {
    items.filter_map(|item| match item {
        SchemaObject::Membership(membership) => Some(membership),
        _ => None,
    })
}

/// Returns the options of a membership, which exist since PostgreSQL 16.
pub(super) fn options(inherits: bool) -> &'static str {
    if inherits { "INHERIT TRUE, SET FALSE" } else { "INHERIT FALSE, SET TRUE" }
}

/// Grants memberships.
pub(super) fn grant_memberships<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let rows = memberships(items).map(|Membership { role, member, inherits }| {
        [literal(role.as_str()), literal(member.as_str()), literal(options(*inherits))]
    });
    format!(
        "-- Application roles inherit the privileges of the roles that they include. Login roles inherit nothing (NOINHERIT): they
-- must run SET ROLE.
DO $members$
DECLARE
    membership record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR membership IN
        SELECT * FROM (VALUES
{}
        ) AS granted (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', membership.role, membership.member)
            || CASE WHEN has_options THEN ' WITH ' || membership.options ELSE '' END;
    END LOOP;
END
$members$;
",
        rows_aligned(rows)
    )
}

/// Revokes the grants of memberships by all grantors: since PostgreSQL 16, the grant of each grantor is separate.
pub(super) fn revoke_memberships<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let rows =
        memberships(items).map(|Membership { role, member, .. }| [literal(role.as_str()), literal(member.as_str())]);
    format!(
        "DO $members$
DECLARE
    membership record;
BEGIN
    FOR membership IN
        SELECT revoked.role, revoked.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
{}
        ) AS revoked (role, member)
        JOIN pg_auth_members AS m
            ON pg_get_userbyid(m.roleid) = revoked.role AND pg_get_userbyid(m.member) = revoked.member
    LOOP
        EXECUTE format('REVOKE %I FROM %I', membership.role, membership.member)
            || CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN format(' GRANTED BY %I', membership.grantor) ELSE '' END;
    END LOOP;
END
$members$;
",
        rows_aligned(rows)
    )
}

/// Drops the roles, except those on which objects still depend, for example in another database of the cluster.
pub(super) fn drop<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let roles = items.filter_map(role);
    let names = roles.map(|(role, _)| literal(role.name.as_str())).collect::<Vec<_>>().join(", ");
    format!(
        "{}DO $roles$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[{names}] LOOP
        BEGIN
            EXECUTE format('DROP ROLE IF EXISTS %I', name);
        EXCEPTION WHEN dependent_objects_still_exist THEN
            RAISE NOTICE 'role % is not dropped: objects still depend on it, for example in another database', name;
        END;
    END LOOP;
END
$roles$;
",
        heading("Roles")
    )
}

/// Sets the timeouts of login roles, so that one session cannot block the others for long.
///
/// The timeouts apply only in this database: login roles belong to the cluster, and another database might have another
/// version of the product.
pub(super) fn set_timeouts<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let line = |login: &Ident, name: &str, seconds: u32| {
        format!(
            "    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET {name} = %L', {}, current_database(), '{seconds}s');\n",
            literal(login.as_str())
        )
    };
    let about =
        "-- Statement, lock and idle-in-transaction timeouts, for sessions in this database; 0 disables a timeout.\n";
    timeouts(items, about, line)
}

/// Resets the timeouts of login roles.
pub(super) fn reset_timeouts<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let line = |login: &Ident, name: &str, _| {
        format!(
            "    EXECUTE format('ALTER ROLE %I IN DATABASE %I RESET {name}', {}, current_database());\n",
            literal(login.as_str())
        )
    };
    timeouts(items, "", line)
}

fn timeouts<'i>(
    items: impl Iterator<Item = &'i SchemaObject>,
    about: &str,
    line: impl Fn(&Ident, &str, u32) -> String,
) -> String {
    let (mut logins, mut lines) = (Vec::new(), String::new());
    for item in items {
        if let SchemaObject::Timeouts { login, timeouts } = item {
            logins.push(login.as_str());
            lines.extend(timeout_settings(*timeouts).map(|(name, seconds)| line(login, name, seconds)));
        }
    }
    let title = match logins.as_slice() {
        [login] => heading(&format!("Timeouts of {login}")),
        _ => heading("Timeouts"),
    };
    format!("{title}{about}DO $timeouts$\nBEGIN\n{lines}END\n$timeouts$;\n")
}

pub(crate) fn timeout_settings(timeouts: TimeoutsDef) -> [(&'static str, u32); 3] {
    [
        ("statement_timeout", timeouts.statement),
        ("lock_timeout", timeouts.lock),
        ("idle_in_transaction_session_timeout", timeouts.idle_in_transaction),
    ]
}

/// Revokes PUBLIC's default privileges on the database, grants CONNECT to the login roles, and checks both.
pub(super) fn lock_database<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let (mut grants, mut checks) = (String::new(), String::new());
    for login in connecting(items) {
        let _ =
            writeln!(grants, "    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), {login});");
        let _ = write!(
            checks,
            "    IF NOT has_database_privilege({login}, current_database(), 'CONNECT') THEN
        RAISE EXCEPTION 'role % has no CONNECT privilege on the database %', {login}, current_database()
            USING HINT = 'Apply this migration as the owner of the database, or grant CONNECT as that owner first.';
    END IF;
"
        );
    }
    format!(
        "{}-- By default, PUBLIC has CONNECT and TEMPORARY on a new database and, before PostgreSQL 15, CREATE on the schema public.
-- Revoke these privileges, and grant CONNECT to the login roles.
DO $lock$
BEGIN
    EXECUTE format('REVOKE CONNECT, CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
{grants}    IF to_regnamespace('public') IS NOT NULL THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    -- GRANT and REVOKE by a role that does not own the object may only raise a warning: check the result.
    IF has_database_privilege('public', current_database(), 'CONNECT')
        OR has_database_privilege('public', current_database(), 'TEMPORARY')
        OR (to_regnamespace('public') IS NOT NULL AND has_schema_privilege('public', 'public', 'CREATE'))
    THEN
        RAISE EXCEPTION 'PUBLIC still has privileges on the database % or its schema public', current_database()
            USING HINT = 'Apply this migration as the owner of the database, or revoke the privileges as that owner first.';
    END IF;
{checks}END
$lock$;
",
        heading("Database"),
    )
}

/// Revokes CONNECT from the login roles. Nothing is granted to PUBLIC again: reverting a migration must not widen access.
pub(super) fn unlock_database<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let lines = connecting(items).map(|login| {
        format!("    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I', current_database(), {login});\n")
    });
    format!(
        "{}-- The privileges that were revoked from PUBLIC are not granted again: reverting a migration must not widen access.
DO $lock$
BEGIN
{}END
$lock$;
",
        heading("Database"),
        lines.collect::<String>(),
    )
}

/// Returns the logins that connect to the database, as literals.
fn connecting<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> impl Iterator<Item = String> {
    items.filter_map(|item| match item {
        SchemaObject::Database { login } => Some(literal(login.as_str())),
        _ => None,
    })
}

/// Creates a schema with its owner.
pub(super) fn create_schema(owner: &Ident, schema: &Ident) -> String {
    let title = heading(&format!("Schema {schema}"));
    format!("{title}CREATE SCHEMA {} AUTHORIZATION {};\n", schema.quoted(), owner.quoted())
}

/// Grants or revokes USAGE on a schema. CREATE is never granted: only the owner can create objects in the schema.
pub(super) fn use_schema<'i>(items: impl Iterator<Item = &'i SchemaObject>, may: bool) -> String {
    let mut schemas = Vec::new();
    let mut users = Vec::new();
    for item in items {
        if let SchemaObject::Usage { schema, role, .. } = item {
            schemas.push(schema);
            users.push(role.quoted().to_string());
        }
    }
    let (word, to) = if may { ("GRANT", "TO") } else { ("REVOKE", "FROM") };
    let schema = schemas.first().map_or_else(String::new, |schema| schema.quoted().to_string());
    format!("{word} USAGE ON SCHEMA {schema} {to} {};\n", users.join(", "))
}

/// Drops a schema, which must be empty by then.
pub(super) fn drop_schema(schema: &Ident) -> String {
    format!("DROP SCHEMA {};\n", schema.quoted())
}

/// Revokes PUBLIC's default privileges on functions and types that the owner creates later.
///
/// The statement has no `IN SCHEMA`, because a per-schema REVOKE cannot remove a built-in default privilege.
pub(super) fn lock_defaults(types: bool) -> String {
    let about = match types {
        true => {
            "-- By default, PUBLIC can execute new functions and use new types. Revoke both for objects of this role.\n"
        }
        false => "-- By default, PUBLIC can execute new functions. Revoke this for functions of this role.\n",
    };
    format!("{}{about}{}", heading("Default privileges"), defaults("REVOKE", "FROM", types))
}

/// Restores the built-in default privileges, so that the role can be dropped.
pub(super) fn unlock_defaults(types: bool) -> String {
    format!("{}{}", heading("Default privileges"), defaults("GRANT", "TO", types))
}

fn defaults(word: &str, to: &str, types: bool) -> String {
    let mut out = format!("ALTER DEFAULT PRIVILEGES {word} EXECUTE ON ROUTINES {to} PUBLIC;\n");
    if types {
        let _ = writeln!(out, "ALTER DEFAULT PRIVILEGES {word} USAGE ON TYPES {to} PUBLIC;");
    }
    out
}

/// Writes the rows of a VALUES list with aligned columns.
pub(super) fn rows_aligned<const N: usize>(rows: impl Iterator<Item = [String; N]>) -> String {
    let rows: Vec<_> = rows.collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count() + 1).max().unwrap_or(0);
    let widths: Vec<usize> = (0..N).map(width).collect();
    let lines = rows.iter().map(|row| {
        let cells = row.iter().enumerate().map(|(column, cell)| match column + 1 == N {
            true => cell.clone(),
            false => format!("{:width$}", format!("{cell},"), width = widths[column]),
        });
        format!("            ({})", cells.collect::<Vec<_>>().join(" "))
    });
    lines.collect::<Vec<_>>().join(",\n")
}
