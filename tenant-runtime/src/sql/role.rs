//! The SQL of roles, of the database and of schemas: who there is, and what PUBLIC loses.

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

/// Makes roles, race-safe and only if they are ours.
///
/// Roles belong to the cluster, not to the database: a second database of the product finds them made, maybe in the same
/// moment, and one of another product must not take them over. The mark is the role's comment.
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
        "-- They belong to the whole cluster, so another database of {product} may have made them already.
DO $roles$
DECLARE
    wanted record;
    taken record;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
{}
        ) AS role (name, attributes, mark)
    LOOP
        BEGIN
            EXECUTE format(
                'CREATE ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                wanted.name, wanted.attributes);
            EXECUTE format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.mark);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            SELECT r.*, shobj_description(r.oid, 'pg_authid') AS mark INTO taken
                FROM pg_catalog.pg_roles AS r WHERE r.rolname = wanted.name;
            IF taken.mark IS DISTINCT FROM wanted.mark THEN
                RAISE EXCEPTION 'the role % exists and was not made for this product', wanted.name
                    USING HINT = 'Choose another role prefix, or, if the role is meant, say so with: '
                        || format('COMMENT ON ROLE %I IS %L', wanted.name, wanted.mark);
            END IF;
            IF taken.rolsuper OR taken.rolcreatedb OR taken.rolcreaterole OR taken.rolreplication OR taken.rolbypassrls
                OR (taken.rolcanlogin AND wanted.attributes NOT LIKE 'LOGIN%')
                OR (taken.rolinherit AND wanted.attributes LIKE '% NOINHERIT%')
            THEN
                RAISE EXCEPTION 'the role % exists with attributes that it must not have', wanted.name
                    USING HINT = format('ALTER ROLE %I NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS %s',
                        wanted.name, wanted.attributes);
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

/// The role of a thing that is one, and its product.
fn role(item: &SchemaObject) -> Option<(&Role, &str)> {
    match item {
        SchemaObject::Role { role, product } => Some((role, product)),
        _ => None,
    }
}

/// The comment by which a role is known as ours.
fn mark(role: &Role, product: &str) -> String {
    let purpose = match &role.kind {
        RoleKind::SchemaOwner => "owns the schemas and tables",
        RoleKind::FunctionOwner => "owns the functions",
        RoleKind::NoTenant => "a user who acts in no tenant",
        RoleKind::Application { .. } => "bundles the rights of a role",
        RoleKind::Login { .. } => "logs in for the app",
        RoleKind::RoleLogin { .. } => "logs in for one role",
        RoleKind::System => "crosses tenants",
        RoleKind::SystemLogin { .. } => "logs in for jobs",
    };
    format!("{product}: {purpose}")
}

/// Has whoever applies this act as the owners, from 16 on with the options that it takes.
fn become_owners(owners: &[String]) -> String {
    format!(
        "
-- Who applies this acts as the owners.
DO $owners$
DECLARE
    wanted record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR wanted IN SELECT name FROM (VALUES {}) AS owner (name) LOOP
        IF NOT (pg_has_role(wanted.name, 'USAGE')
            AND pg_has_role(wanted.name, CASE WHEN has_options THEN 'SET' ELSE 'MEMBER' END))
        THEN
            EXECUTE format('GRANT %I TO CURRENT_USER', wanted.name)
                || CASE WHEN has_options THEN ' WITH INHERIT TRUE, SET TRUE' ELSE '' END;
        END IF;
    END LOOP;
END
$owners$;
",
        owners.join(", ")
    )
}

/// Changes how many connections the login may hold, and whose a role is.
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

/// The options of a membership, on the majors that have them.
pub(super) fn options(inherits: bool) -> &'static str {
    if inherits { "INHERIT TRUE, SET FALSE" } else { "INHERIT FALSE, SET TRUE" }
}

/// Says who belongs to whom.
pub(super) fn give<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let rows = memberships(items).map(|Membership { role, member, inherits }| {
        [literal(role.as_str()), literal(member.as_str()), literal(options(*inherits))]
    });
    format!(
        "-- A tier has the rights of the application_roles below it. The login has none until it says SET ROLE.
DO $members$
DECLARE
    wanted record;
    has_options constant boolean := current_setting('server_version_num')::integer >= 160000;
BEGIN
    FOR wanted IN
        SELECT * FROM (VALUES
{}
        ) AS membership (role, member, options)
    LOOP
        EXECUTE format('GRANT %I TO %I', wanted.role, wanted.member)
            || CASE WHEN has_options THEN ' WITH ' || wanted.options ELSE '' END;
    END LOOP;
END
$members$;
",
        rows_aligned(rows)
    )
}

/// Ends that some belong to others, whoever said so: from 16 on, each grantor's word counts by itself.
pub(super) fn take<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let rows =
        memberships(items).map(|Membership { role, member, .. }| [literal(role.as_str()), literal(member.as_str())]);
    format!(
        "DO $members$
DECLARE
    lost record;
BEGIN
    FOR lost IN
        SELECT gone.role, gone.member, pg_get_userbyid(m.grantor) AS grantor
        FROM (VALUES
{}
        ) AS gone (role, member)
        JOIN pg_auth_members AS m
            ON pg_get_userbyid(m.roleid) = gone.role AND pg_get_userbyid(m.member) = gone.member
    LOOP
        EXECUTE format('REVOKE %I FROM %I', lost.role, lost.member)
            || CASE WHEN current_setting('server_version_num')::integer >= 160000
                THEN format(' GRANTED BY %I', lost.grantor) ELSE '' END;
    END LOOP;
END
$members$;
",
        rows_aligned(rows)
    )
}

/// Drops the roles, unless another database of the cluster still uses them.
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
            RAISE NOTICE 'the role % stays: another database uses it', name;
        END;
    END LOOP;
END
$roles$;
",
        heading("Roles")
    )
}

/// Keeps one session from holding up the others: what waits or idles too long is ended.
///
/// In this database only, since the logins are the whole cluster's, and another database may run another version.
pub(super) fn set_timeouts<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let line = |login: &Ident, name: &str, seconds: u32| {
        format!(
            "    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET {name} = %L', {}, current_database(), '{seconds}s');\n",
            literal(login.as_str())
        )
    };
    let about = "-- A statement that runs or waits too long is ended, and so is a transaction in which nothing happens. 0 is for ever.\n";
    timeouts(items, about, line)
}

/// Takes back the timeouts of logins.
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

/// Takes from PUBLIC what a new database gives it, lets the logins in, and makes sure of both.
pub(super) fn lock_database<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let (mut grants, mut checks) = (String::new(), String::new());
    for login in connecting(items) {
        let _ =
            writeln!(grants, "    EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), {login});");
        let _ = write!(
            checks,
            "    IF NOT has_database_privilege({login}, current_database(), 'CONNECT') THEN
        RAISE EXCEPTION 'the role % may not connect to the database %', {login}, current_database()
            USING HINT = 'Apply this as the owner of the database, or grant CONNECT as that owner first.';
    END IF;
"
        );
    }
    format!(
        "{}-- PUBLIC may connect to a new database and make temporary tables in it, and before PostgreSQL 15 tables in `public`.
DO $lock$
BEGIN
    EXECUTE format('REVOKE CONNECT, CREATE, TEMPORARY ON DATABASE %I FROM PUBLIC', current_database());
{grants}    IF to_regnamespace('public') IS NOT NULL THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    -- A GRANT or REVOKE by somebody who does not own the object only warns.
    IF has_database_privilege('public', current_database(), 'CONNECT')
        OR has_database_privilege('public', current_database(), 'TEMPORARY')
        OR (to_regnamespace('public') IS NOT NULL AND has_schema_privilege('public', 'public', 'CREATE'))
    THEN
        RAISE EXCEPTION 'PUBLIC keeps rights on the database % or its schema public', current_database()
            USING HINT = 'Apply this as the owner of the database, or revoke them as that owner first.';
    END IF;
{checks}END
$lock$;
",
        heading("The database"),
    )
}

/// Takes back what the logins got; PUBLIC stays locked out, since undoing a migration opens no door.
pub(super) fn unlock_database<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> String {
    let lines = connecting(items).map(|login| {
        format!("    EXECUTE format('REVOKE CONNECT ON DATABASE %I FROM %I', current_database(), {login});\n")
    });
    format!(
        "{}-- What PUBLIC lost stays lost: undoing a migration opens no door.
DO $lock$
BEGIN
{}END
$lock$;
",
        heading("The database"),
        lines.collect::<String>(),
    )
}

/// The logins that connect to the database, as literals.
fn connecting<'i>(items: impl Iterator<Item = &'i SchemaObject>) -> impl Iterator<Item = String> {
    items.filter_map(|item| match item {
        SchemaObject::Database { login } => Some(literal(login.as_str())),
        _ => None,
    })
}

/// Makes a schema, which belongs to the owner from its first moment.
pub(super) fn create_schema(owner: &Ident, schema: &Ident) -> String {
    let title = heading(&format!("Schema {schema}"));
    format!("{title}CREATE SCHEMA {} AUTHORIZATION {};\n", schema.quoted(), owner.quoted())
}

/// Lets roles name what is in a schema, or not any more; nobody but the owner may make things in it.
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

/// Drops a schema, which is empty by then.
pub(super) fn drop_schema(schema: &Ident) -> String {
    format!("DROP SCHEMA {};\n", schema.quoted())
}

/// Takes from PUBLIC what it would get on functions and types that the owner makes later.
///
/// Not `IN SCHEMA`: there a REVOKE of a built-in default does nothing.
pub(super) fn lock_defaults(types: bool) -> String {
    format!(
        "{}-- Everybody may run a new function and use a new type, unless the one who makes it says otherwise.\n{}",
        heading("Defaults"),
        defaults("REVOKE", "FROM", types)
    )
}

/// Brings the built-in defaults back, so that the role can be dropped.
pub(super) fn unlock_defaults(types: bool) -> String {
    format!("{}{}", heading("Defaults"), defaults("GRANT", "TO", types))
}

fn defaults(word: &str, to: &str, types: bool) -> String {
    let mut out = format!("ALTER DEFAULT PRIVILEGES {word} EXECUTE ON ROUTINES {to} PUBLIC;\n");
    if types {
        let _ = writeln!(out, "ALTER DEFAULT PRIVILEGES {word} USAGE ON TYPES {to} PUBLIC;");
    }
    out
}

/// Writes rows of VALUES, a column below the other.
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
