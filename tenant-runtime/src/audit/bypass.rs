//! Doors: what lies outside of the declaration and leads around it.

use sqlx::{FromRow, PgConnection};

use super::{
    finding::{self, Finding, Rule},
    fix::FixWriter,
    inspect,
};
use crate::{
    db::known_holes,
    error::Result,
    ident::quoted,
    model::schema::{RoleKind, Schema},
};

/// Looks for doors.
pub(super) async fn look(
    connection: &mut PgConnection,
    schema: &Schema,
    fix_writer: &FixWriter<'_>,
) -> Result<Vec<Finding>> {
    let doors: Vec<Bypass> = sqlx::query_as(include_str!("sql/bypass.sql"))
        .bind(inspect::schemas(schema))
        .bind(inspect::roles(schema))
        .bind(inspect::owners(schema))
        .fetch_all(&mut *connection)
        .await?;
    let mut findings: Vec<_> = doors.iter().filter_map(|door| door.finding(schema, fix_writer)).collect();
    if let Some(holes) = known_holes(fix_writer.version) {
        let fix = "-- Install the newest minor release of PostgreSQL, and restart the server.".to_owned();
        findings.push(Finding::new(&finding::SERVER, "server", holes, fix));
    }
    Ok(findings)
}

/// One row of `bypass.sql`.
#[derive(Debug, FromRow)]
struct Bypass {
    kind: String,
    /// NULL among those who may call a function is PUBLIC.
    names: Vec<Option<String>>,
    detail: Option<String>,
}

impl Bypass {
    fn finding(&self, schema: &Schema, fix_writer: &FixWriter<'_>) -> Option<Finding> {
        let name = |at: usize| self.names.get(at).and_then(Option::as_deref).unwrap_or_default();
        let sql = |at: usize| quoted(name(at)).to_string();
        let grantee = |at: usize| if name(at).is_empty() { "PUBLIC".to_owned() } else { sql(at) };
        let qualified = |at: usize| format!("{}.{}", sql(at), sql(at + 1));
        let routine = || format!("{}({})", qualified(0), name(2));
        let detail = self.detail.as_deref().unwrap_or_default();
        let found = |rule: &Rule, object: String, what: &str, fix: String| Some(Finding::new(rule, object, what, fix));
        match self.kind.as_str() {
            "view" => found(
                &finding::VIEW,
                format!("view {}", qualified(0)),
                &format!("it reads tables of the product as its owner `{detail}`"),
                format!("ALTER VIEW {} SET (security_invoker = true);", qualified(0)),
            ),
            "copy" => found(
                &finding::COPY,
                format!("materialized view {}", qualified(0)),
                "it holds a copy of rows that policies keep apart",
                format!("DROP MATERIALIZED VIEW {};", qualified(0)),
            ),
            "rule" => found(
                &finding::RULE,
                format!("rule {} of {}", sql(2), qualified(0)),
                &format!("it reads or writes `{detail}` with the rights of its table's owner"),
                format!("DROP RULE {} ON {};", sql(2), qualified(0)),
            ),
            "foreign table" => found(
                &finding::FOREIGN,
                format!("foreign table {}", qualified(0)),
                "it is in a schema of the product",
                format!("DROP FOREIGN TABLE {};", qualified(0)),
            ),
            "foreign table elsewhere" | "installed" => {
                let users = (2..self.names.len()).map(grantee).collect::<Vec<_>>().join(", ");
                let (rule, kind, what) = match self.kind.as_str() {
                    "installed" => (&finding::UNTRACKED_RELATION, "table", "it belongs to the extension"),
                    _ => (&finding::FOREIGN, "foreign table", "it leads to the server"),
                };
                found(
                    rule,
                    format!("{kind} {}", qualified(0)),
                    &format!("{what} `{detail}`, and {users} may use it"),
                    format!("REVOKE ALL ON {} FROM {users};", qualified(0)),
                )
            }
            "foreign server" | "foreign data wrapper" => found(
                &finding::FOREIGN,
                format!("{} {}", self.kind, sql(0)),
                &format!("{} may use it", grantee(1)),
                format!("REVOKE USAGE ON {} {} FROM {};", self.kind.to_uppercase(), sql(0), grantee(1)),
            ),
            "definer" | "untrusted" => {
                let callers: Vec<_> = (3..self.names.len()).map(grantee).collect();
                let rule = if self.kind == "definer" { &finding::DEFINER_FUNCTION } else { &finding::UNTRUSTED };
                let what = format!("{} may call it, and it runs as `{detail}`", callers.join(" and "));
                let what = if self.kind == "definer" { what } else { format!("{} may call it", callers.join(" and ")) };
                let fix = format!("REVOKE EXECUTE ON ROUTINE {} FROM {};", routine(), callers.join(", "));
                found(rule, format!("function {}", routine()), &what, fix)
            }
            "definer trigger" => found(
                &finding::DEFINER_FUNCTION,
                format!("trigger {} of {}", sql(2), qualified(0)),
                &format!("a role of the app may write there, and its function runs as `{detail}`"),
                format!("ALTER TABLE {} DISABLE TRIGGER {};", qualified(0), sql(2)),
            ),
            "event trigger" => found(
                &finding::EVENT_TRIGGER,
                format!("event trigger {}", sql(0)),
                &format!("it runs at each {detail}"),
                format!("ALTER EVENT TRIGGER {} DISABLE;", sql(0)),
            ),
            "partition" | "child" => {
                let (parent, child) = (qualified(0), qualified(2));
                let fix = match self.kind.as_str() {
                    "partition" => format!("ALTER TABLE {parent} DETACH PARTITION {child};"),
                    _ => format!("ALTER TABLE {child} NO INHERIT {parent};"),
                };
                found(&finding::RELATIVE, format!("table {child}"), &format!("it is a {} of {parent}", self.kind), fix)
            }
            "publication of all" => found(
                &finding::PUBLICATION,
                format!("publication {}", sql(0)),
                "it publishes every table",
                format!("DROP PUBLICATION {};", sql(0)),
            ),
            "subscription" => found(
                &finding::SUBSCRIPTION,
                format!("subscription {}", sql(0)),
                "it writes tables of the product",
                format!("ALTER SUBSCRIPTION {} DISABLE;", sql(0)),
            ),
            "publication" => found(
                &finding::PUBLICATION,
                format!("publication {}", sql(0)),
                &format!("it publishes {}", qualified(1)),
                format!("ALTER PUBLICATION {} DROP TABLE {};", sql(0), qualified(1)),
            ),
            "publication of schema" => found(
                &finding::PUBLICATION,
                format!("publication {}", sql(0)),
                &format!("it publishes the schema {}", sql(1)),
                format!("ALTER PUBLICATION {} DROP TABLES IN SCHEMA {};", sql(0), sql(1)),
            ),
            "member" => {
                let logins = if detail.is_empty() { String::new() } else { format!("; through it so are {detail}") };
                let by =
                    if fix_writer.version >= 160_000 { format!(" GRANTED BY {} CASCADE", sql(2)) } else { String::new() };
                found(
                    &finding::MEMBER,
                    format!("membership of {} in {}", sql(1), sql(0)),
                    &format!("{} is a member of {}, {}{logins}", sql(1), sql(0), purpose(schema, name(0))),
                    format!("REVOKE {} FROM {}{by};", sql(0), sql(1)),
                )
            }
            "unbound" => {
                let what = match (name(2), detail) {
                    ("", attribute) => format!("it has the attribute {attribute}"),
                    (_, "") => format!("it can become {}, which reaches the server's files and programs", sql(1)),
                    (_, attribute) => format!("it can become {}, which has the attribute {attribute}", sql(1)),
                };
                let fix = match name(2) {
                    "" => format!("ALTER ROLE {} NO{detail};", sql(0)),
                    _ => format!("REVOKE {} FROM {};", sql(2), sql(0)),
                };
                found(&finding::UNBOUND, format!("login {}", sql(0)), &what, fix)
            }
            "create role" => found(
                &finding::CREATE_ROLE,
                format!("login {}", sql(0)),
                "it has the attribute CREATEROLE",
                format!("ALTER ROLE {} NOCREATEROLE;", sql(0)),
            ),
            "foreign key" => found(
                &finding::FOREIGN_KEY,
                format!("constraint {} of {}", sql(2), qualified(0)),
                &format!("it refers to `{detail}`"),
                format!("ALTER TABLE {} DROP CONSTRAINT {};", qualified(0), sql(2)),
            ),
            "leakproof" => found(
                &finding::LEAKPROOF,
                format!("function {}", routine()),
                "it is marked LEAKPROOF",
                format!("ALTER FUNCTION {} NOT LEAKPROOF;", routine()),
            ),
            "shadow" => found(
                &finding::SHADOW,
                format!("{} {detail}", name(0).to_lowercase()),
                "the server does not ship it, nor does an extension",
                format!("DROP {} {detail};", name(0)),
            ),
            "history" => found(
                &finding::HISTORY,
                format!("table {}", qualified(0)),
                &format!("{} may write which migrations ran", grantee(2)),
                format!("REVOKE ALL ON {} FROM {};", qualified(0), grantee(2)),
            ),
            "connecting" => found(
                &finding::CONNECTING,
                format!("function {}", routine()),
                &format!("a role of the app may call it; it is of the extension `{detail}`"),
                format!("REVOKE EXECUTE ON ROUTINE {} FROM PUBLIC;", routine()),
            ),
            "owned" => found(
                &finding::OWNED,
                format!("role {}", sql(0)),
                &format!("it owns {detail}"),
                format!("REASSIGN OWNED BY {} TO CURRENT_USER;", sql(0)),
            ),
            "parameter" => found(
                &finding::PARAMETER,
                format!("parameter {}", name(0)),
                &format!("{} has the privilege {} on it", grantee(2), name(1)),
                format!("REVOKE {} ON PARAMETER {} FROM {};", name(1), parameter(name(0)), grantee(2)),
            ),
            "shipped" => found(
                &finding::SHIPPED,
                format!("{} {detail}", name(1).to_lowercase()),
                &format!("{} has the privilege {} on it", grantee(2), name(0)),
                format!("REVOKE {} ON {} {detail} FROM {};", name(0), name(1), grantee(2)),
            ),
            "server setting" => found(
                &finding::SETTING,
                format!("setting {} of the server", name(0)),
                &format!("it is `{detail}` for every session"),
                format!("ALTER SYSTEM RESET {};\nSELECT pg_reload_conf();", name(0)),
            ),
            "set_config" => found(
                &finding::SET_CONFIG,
                "function set_config".to_owned(),
                "everybody may call it; `gen-migrations harden` takes it away",
                "-- A login that dumps needs it, unless it is a superuser; `gen-migrations harden --undo` gives it back.\n\
                 REVOKE EXECUTE ON FUNCTION pg_catalog.set_config(text, text, boolean) FROM PUBLIC;"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// A parameter's name as it stands in SQL.
fn parameter(name: &str) -> String {
    name.split('.').map(|part| quoted(part).to_string()).collect::<Vec<_>>().join(".")
}

/// Says what a role of the product is for.
fn purpose(schema: &Schema, role: &str) -> &'static str {
    match schema.roles().iter().find(|own| own.name.as_str() == role).map(|own| &own.kind) {
        Some(RoleKind::SchemaOwner) => "which owns the tables",
        Some(RoleKind::FunctionOwner) => "which sees the rows of all tenants",
        Some(RoleKind::Application { .. }) => "which can choose any tenant unless membership is asked",
        Some(RoleKind::Login { .. } | RoleKind::RoleLogin { .. }) => "which can become roles of the app",
        Some(RoleKind::System | RoleKind::SystemLogin { .. }) => "which crosses tenants",
        _ => "which is the product's own",
    }
}
