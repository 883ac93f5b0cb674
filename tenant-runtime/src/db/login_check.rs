//! The boot guard: refuses a login that row security would not hold, with everything that is wrong at once.

use std::collections::BTreeSet;

use sqlx::{FromRow, PgConnection};

use crate::{
    error::{Error, Result},
    ident::quoted,
    model::{def::TenancyDef, names},
    registry::Registered,
};

/// Checks the login of a connection, which must not become one of some roles; returns its name, and what the operator should
/// know.
pub(super) async fn check(connection: &mut PgConnection, others: &[String]) -> Result<(String, Vec<String>)> {
    let facts = sqlx::query_as(include_str!("guard.sql")).bind(setting_prefixes()).bind(others);
    let facts: Vec<Fact> = facts.persistent(false).fetch_all(&mut *connection).await?;
    let login = facts.iter().find(|fact| fact.kind == "login").map(|fact| fact.name.clone()).unwrap_or_default();
    let version = connection.server_version_num().unwrap_or_default();
    let findings: Vec<String> = facts.iter().filter_map(|fact| fact.finding(&login, version)).collect();
    if findings.is_empty() {
        Ok((login, known_holes(version).into_iter().collect()))
    } else {
        Err(Error::UnsafeLogin { login, findings })
    }
}

/// What the context is carried in, such as `app`: the first parts of the settings of the linked tenancies.
fn setting_prefixes() -> Vec<String> {
    let settings = tenancies().into_iter().flat_map(|tenancy| [tenancy.tenant_setting, tenancy.user_setting]);
    let prefixes: BTreeSet<&str> = settings.filter_map(|name| name.split('.').next()).chain(["app"]).collect();
    prefixes.into_iter().map(|prefix| prefix.to_ascii_lowercase()).collect()
}

/// The roles by which jobs cross tenants, of the linked tenancies: the app's login becomes none of them.
pub(super) fn system_roles() -> Vec<String> {
    let roles: BTreeSet<String> = tenancies().into_iter().map(|tenancy| tenancy.database_role(names::SYSTEM)).collect();
    roles.into_iter().collect()
}

/// The linked tenancies, each once.
pub(super) fn tenancies() -> Vec<&'static TenancyDef> {
    let mut tenancies: Vec<&TenancyDef> = Vec::new();
    for registered in inventory::iter::<Registered>() {
        if !tenancies.contains(&registered.0.tenancy) {
            tenancies.push(registered.0.tenancy);
        }
    }
    tenancies
}

/// One row of `guard.sql`.
#[derive(Debug, FromRow)]
struct Fact {
    kind: String,
    /// A role, an attribute, or a setting.
    name: String,
    /// A role of which the login is a member, or a database.
    through: Option<String>,
    /// Relations or functions as they stand in SQL, an attribute, or whose setting it is.
    detail: Option<String>,
}

impl Fact {
    /// Says what is wrong and what mends it; a test runs the statements that it names.
    fn finding(&self, login: &str, version: u32) -> Option<String> {
        let (name, detail) = (&self.name, self.detail.as_deref().unwrap_or_default());
        let who = quoted(login);
        let leave = || match self.through.as_deref() {
            Some(role) => format!("run `REVOKE {} FROM {who}`", quoted(role)),
            None => format!("take that role from `{login}`"),
        };
        Some(match self.kind.as_str() {
            "attribute" if name == "SUPERUSER" => format!(
                "it is a superuser, whom no policy binds; connect as the login that the migrations make \
                 (such as `app_service`), or run `ALTER ROLE {who} NOSUPERUSER`"
            ),
            "attribute" => format!("it has the attribute {name}; run `ALTER ROLE {who} NO{name}`"),
            "becomes" => format!("it can become `{name}`, which has {detail}; {}", leave()),
            "crosses" => format!(
                "it can become `{name}`; the app and the jobs that cross tenants connect as different logins, and share no \
                 role: {}",
                leave()
            ),
            "owner" if name == login => format!(
                "it owns {detail}, and an owner can switch row security off; run \
                 `REASSIGN OWNED BY {who} TO app_schema_owner` as an administrator"
            ),
            "owner" => format!("it can become `{name}`, the owner of {detail}; {}", leave()),
            "definer" => format!(
                "it can become `{name}`, which owns functions that run as their owner ({detail}), so it may have what \
                 they have; {}",
                leave()
            ),
            "holds" if name == login => {
                format!("it may use {detail} without SET ROLE; run `REVOKE ALL ON {detail} FROM {who}`")
            }
            "holds" if name == "public" => {
                format!("everybody may use {detail} without SET ROLE; run `REVOKE ALL ON {detail} FROM PUBLIC`")
            }
            "holds" => format!(
                "it inherits the privileges of `{name}` on {detail}, so it needs no SET ROLE; run `{}`",
                match self.through.as_deref() {
                    // The membership decides since PostgreSQL 16, the member before.
                    Some(role) if version >= 160_000 =>
                        format!("GRANT {} TO {who} WITH INHERIT FALSE, SET TRUE", quoted(role)),
                    _ => format!("ALTER ROLE {who} NOINHERIT"),
                }
            ),
            "setting" => format!(
                "the setting `{name}` is fixed for {detail}, so sessions begin otherwise than the app takes them to; run `{}`",
                reset(name, detail, login, self.through.as_deref())
            ),
            "reads" => format!(
                "its sessions begin with `{name}` off, by the {}; leave that out, as the text of statements is judged with it on",
                if detail == "client" { "URL" } else { detail }
            ),
            _ => return None,
        })
    }
}

/// Writes the statement that removes a setting from a login, from a database, or from the login in the database.
fn reset(setting: &str, of: &str, login: &str, database: Option<&str>) -> String {
    let setting = setting.split('.').map(|part| quoted(part).to_string()).collect::<Vec<_>>().join(".");
    let (who, database) = (quoted(login), database.map(quoted));
    match (of, database) {
        ("the login", None) => format!("ALTER ROLE {who} RESET {setting}"),
        ("the login", Some(database)) => format!("ALTER ROLE {who} IN DATABASE {database} RESET {setting}"),
        (_, Some(database)) => format!("ALTER DATABASE {database} RESET {setting}"),
        (_, None) => format!("ALTER ROLE ALL RESET {setting}"),
    }
}

/// Says that a server's version has known holes in row security.
pub(crate) fn known_holes(version: u32) -> Option<String> {
    let (major, minor) = (version / 10_000, version % 10_000);
    let mended = match major {
        ..14 => {
            return Some(format!(
                "PostgreSQL {major} gets no more fixes and has known holes in row security; upgrade it"
            ));
        }
        14 => 24,
        15 => 19,
        16 => 15,
        17 => 11,
        18 => 6,
        _ => return None,
    };
    (minor < mended)
        .then(|| format!("PostgreSQL {major}.{minor} has known holes in row security; update it to {major}.{mended}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_with_known_vulnerabilities_are_reported() {
        assert!(known_holes(150_018).is_some_and(|text| text.contains("15.19")));
        assert_eq!(known_holes(150_019), None);
        assert!(known_holes(130_030).is_some());
        assert_eq!(known_holes(190_000), None);
    }

    #[test]
    fn finding_quotes_names_in_its_fix() {
        let fact = Fact {
            kind: "becomes".into(),
            name: "Root".into(),
            through: Some("Ops \"x\"".into()),
            detail: Some("BYPASSRLS".into()),
        };
        assert!(
            fact.finding("me", 150_000).is_some_and(|text| text.ends_with("run `REVOKE \"Ops \"\"x\"\"\" FROM me`"))
        );
    }
}
