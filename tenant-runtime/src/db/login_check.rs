//! The login check on connect: rejects a login that could bypass RLS, with all findings at once.

use std::collections::BTreeSet;

use sqlx::{FromRow, PgConnection};

use super::begin_sql::setting;
use crate::{
    error::{Error, Result},
    ident::quoted,
    model::{def::TenancyDef, names},
    registry::Registered,
};

/// The query; a test compares its kinds with [`Kind`].
const QUERY: &str = include_str!("login_check.sql");

/// A login that passed the check.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct CheckedLogin {
    pub(super) name: String,
    /// The `CONNECTION LIMIT`, if there is one.
    pub(super) connection_limit: Option<u32>,
    /// Warnings for the operator.
    pub(super) warnings: Vec<String>,
}

/// Checks the login of a connection, which must not be able to assume any of the `others`.
///
/// If reading the facts fails, the connection is refused too: a login that cannot be checked is not considered safe.
pub(super) async fn check(connection: &mut PgConnection, others: &[String]) -> Result<CheckedLogin> {
    let query = sqlx::query_as(QUERY).bind(setting_prefixes()).bind(others);
    let rows: Vec<Row> = query.persistent(false).fetch_all(&mut *connection).await?;
    evaluate(rows, connection.server_version_num().unwrap_or_default())
}

fn evaluate(rows: Vec<Row>, version: u32) -> Result<CheckedLogin> {
    let facts = rows.into_iter().map(Fact::try_from).collect::<Result<Vec<_>>>()?;
    let login = facts.iter().find(|fact| fact.kind == Kind::Login).filter(|login| !login.name.is_empty());
    let Some(Fact { name: login, detail: limit, .. }) = login else {
        return Err(unreadable("the result names no login"));
    };
    let found = facts.iter().filter_map(|fact| fact.finding(login, version));
    let findings: Vec<String> = if facts.iter().any(|fact| fact.is_of_administrator(login)) {
        // The fixes would break the administrator.
        [administrator()].into_iter().chain(found.map(|(what, _)| what)).collect()
    } else {
        found.map(|(what, fix)| format!("{what}; {fix}")).collect()
    };
    if findings.is_empty() {
        Ok(CheckedLogin {
            name: login.clone(),
            connection_limit: limit.as_deref().and_then(|limit| limit.parse().ok()),
            warnings: known_vulnerabilities(version).into_iter().collect(),
        })
    } else {
        Err(Error::UnsafeLogin { login: login.clone(), findings })
    }
}

/// Returns the finding about the login of an administrator.
fn administrator() -> String {
    let app = match app_logins() {
        Some(logins) => format!("its login role {logins}, which the migrations create"),
        None => "the login role that the migrations create".to_owned(),
    };
    format!("it is an administrator's login: connect the app with {app}")
}

fn unreadable(reason: &str) -> Error {
    Error::Database(sqlx::Error::Decode(format!("the login check cannot be read: {reason}").into()))
}

/// Returns the role that owns the tables of the tenancy with this login, or of the first tenancy if no tenancy has it.
fn schema_owner(login: &str) -> String {
    let tenancies = tenancies();
    let own = tenancies.iter().find(|tenancy| tenancy.has_login(login)).or(tenancies.first());
    own.map_or_else(
        || "app_schema_owner".to_owned(),
        |tenancy| quoted(&tenancy.database_role(names::SCHEMA_OWNER)).to_string(),
    )
}

/// Returns the prefixes of the context settings of the linked tenancies, such as `app`.
fn setting_prefixes() -> Vec<String> {
    let settings = tenancies().into_iter().flat_map(|tenancy| [tenancy.tenant_setting, tenancy.user_setting]);
    let prefixes: BTreeSet<&str> = settings.filter_map(|name| name.split('.').next()).chain(["app"]).collect();
    prefixes.into_iter().map(|prefix| prefix.to_ascii_lowercase()).collect()
}

/// Returns the linked tenancies' roles for cross-tenant jobs, which the app's login must not be able to assume.
pub(super) fn system_roles() -> Vec<String> {
    let roles: BTreeSet<String> = tenancies().into_iter().map(|tenancy| tenancy.database_role(names::SYSTEM)).collect();
    roles.into_iter().collect()
}

/// The app's login roles of the linked tenancies, for messages: `` `app_service` `` where there is one tenancy.
pub(super) fn app_logins() -> Option<String> {
    let logins: BTreeSet<_> = tenancies().into_iter().map(|tenancy| format!("`{}`", tenancy.login(None))).collect();
    let logins: Vec<_> = logins.into_iter().collect();
    (!logins.is_empty()).then(|| logins.join(" or "))
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

/// One row of `login_check.sql`.
#[derive(Debug, FromRow)]
struct Row {
    kind: String,
    name: String,
    through: Option<String>,
    detail: Option<String>,
}

/// The kinds of facts that the query returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The name of the login, with its connection limit.
    Login,
    /// An attribute of the login.
    Attribute,
    /// A role with an unsafe attribute, or with access to server files, that the login can assume.
    PrivilegedRole,
    /// A role for cross-tenant jobs that the login can assume.
    SystemRole,
    /// The owner of relations with RLS: the login, or a role that it can assume.
    Owner,
    /// The owner of SECURITY DEFINER functions: a role that the login can assume.
    DefinerOwner,
    /// A privilege that needs no SET ROLE: the login's own, or inherited from a role.
    Privilege,
    /// A privilege of PUBLIC.
    PublicPrivilege,
    /// A setting of the login.
    LoginSetting,
    /// A setting of the login in this database.
    LoginInDatabaseSetting,
    /// A setting of the database.
    DatabaseSetting,
    /// A setting of all roles.
    ServerSetting,
    /// The setting `standard_conforming_strings`, which the server's configuration or the URL turns off.
    StringSyntax,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Login,
        Self::Attribute,
        Self::PrivilegedRole,
        Self::SystemRole,
        Self::Owner,
        Self::DefinerOwner,
        Self::Privilege,
        Self::PublicPrivilege,
        Self::LoginSetting,
        Self::LoginInDatabaseSetting,
        Self::DatabaseSetting,
        Self::ServerSetting,
        Self::StringSyntax,
    ];

    /// Returns the literal in the query.
    fn text(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Attribute => "attribute",
            Self::PrivilegedRole => "privileged_role",
            Self::SystemRole => "system_role",
            Self::Owner => "owner",
            Self::DefinerOwner => "definer_owner",
            Self::Privilege => "privilege",
            Self::PublicPrivilege => "public_privilege",
            Self::LoginSetting => "login_setting",
            Self::LoginInDatabaseSetting => "login_in_database_setting",
            Self::DatabaseSetting => "database_setting",
            Self::ServerSetting => "server_setting",
            Self::StringSyntax => "string_syntax",
        }
    }
}

/// A [`Row`] of a known kind.
#[derive(Debug)]
struct Fact {
    kind: Kind,
    /// A role, an attribute, or a setting.
    name: String,
    /// A role of which the login is a member, or a database.
    through: Option<String>,
    /// Relations or functions as written in SQL, an attribute, the source of a setting, or a connection limit.
    detail: Option<String>,
}

impl TryFrom<Row> for Fact {
    type Error = Error;

    /// A row of an unknown kind is an error, because skipping it would make an unsafe login look safe.
    fn try_from(Row { kind, name, through, detail }: Row) -> Result<Self> {
        let known = Kind::ALL.into_iter().find(|known| known.text() == kind);
        let kind = known.ok_or_else(|| unreadable(&format!("`{kind}` is an unknown kind of fact")))?;
        Ok(Self { kind, name, through, detail })
    }
}

impl Fact {
    /// Returns whether the fact shows the login of an administrator: a superuser, a login with
    /// CREATEROLE, or a member of a product's owner roles. A login role of the product never counts
    /// as an administrator, whatever it was granted.
    fn is_of_administrator(&self, login: &str) -> bool {
        let tenancies = tenancies();
        if tenancies.iter().any(|tenancy| tenancy.has_login(login)) {
            return false;
        }
        let owners = || {
            tenancies.iter().flat_map(|tenancy| {
                [names::SCHEMA_OWNER, names::FUNCTION_OWNER].map(|owner| tenancy.database_role(owner))
            })
        };
        match self.kind {
            Kind::Attribute => ["SUPERUSER", "CREATEROLE"].contains(&self.name.as_str()),
            Kind::Owner | Kind::DefinerOwner => owners().any(|owner| owner == self.name),
            _ => false,
        }
    }

    /// Says what is wrong and how to fix it; a test runs the statements that it names.
    fn finding(&self, login: &str, version: u32) -> Option<(String, String)> {
        let (name, detail) = (&self.name, self.detail.as_deref().unwrap_or_default());
        let login_sql = quoted(login);
        let is_login = name == login;
        Some(match self.kind {
            Kind::Login => return None,
            Kind::Attribute if name == "SUPERUSER" => {
                ("it is a superuser and bypasses RLS".to_owned(), format!("run `ALTER ROLE {login_sql} NOSUPERUSER`"))
            }
            Kind::Attribute => {
                (format!("it has the attribute {name}"), format!("run `ALTER ROLE {login_sql} NO{name}`"))
            }
            Kind::PrivilegedRole => {
                (format!("it can assume the role `{name}`, which has {detail}"), self.revoke(login))
            }
            Kind::SystemRole => (
                format!(
                    "it can assume the role `{name}`, but the login role of the app and the login role of \
                     cross-tenant jobs must not \
                     share a role"
                ),
                self.revoke(login),
            ),
            Kind::Owner if is_login => (
                format!("it owns {detail}, and the owner of a table can disable RLS"),
                format!("run `REASSIGN OWNED BY {login_sql} TO {}` as an administrator", schema_owner(login)),
            ),
            Kind::Owner => (format!("it can assume the role `{name}`, the owner of {detail}"), self.revoke(login)),
            Kind::DefinerOwner => (
                format!(
                    "it can assume the role `{name}`, which owns SECURITY DEFINER functions ({detail}) and can have privileges \
                     that the app must not have"
                ),
                self.revoke(login),
            ),
            Kind::Privilege if is_login => (
                format!("it has privileges on {detail} without SET ROLE"),
                format!("run `REVOKE ALL ON {detail} FROM {login_sql}`"),
            ),
            Kind::Privilege => (
                format!("it inherits the privileges of `{name}` on {detail} without SET ROLE"),
                format!("run `{}`", self.no_inherit(login, version)),
            ),
            Kind::PublicPrivilege => {
                (format!("PUBLIC has privileges on {detail}"), format!("run `REVOKE ALL ON {detail} FROM PUBLIC`"))
            }
            Kind::LoginSetting | Kind::LoginInDatabaseSetting | Kind::DatabaseSetting | Kind::ServerSetting => {
                let (of, reset) = self.reset(login);
                (
                    format!("the setting `{name}` is preset for {of}, so sessions do not start as the app expects"),
                    format!("run `{reset}`"),
                )
            }
            Kind::StringSyntax => (
                format!(
                    "its sessions start with `{name} = off`, set by the {}, but the statement filter parses \
                     statements as the server does with \
                     `{name} = on`",
                    if detail == "client" { "URL" } else { detail }
                ),
                format!("remove the setting `{name}`"),
            ),
        })
    }

    /// Returns the step that ends a membership of the login.
    fn revoke(&self, login: &str) -> String {
        match self.through.as_deref() {
            Some(role) => format!("run `REVOKE {} FROM {}`", quoted(role), quoted(login)),
            None => format!("revoke that role from `{login}`"),
        }
    }

    /// Returns the statement that ends inheritance, which is an option of the membership since PostgreSQL 16 and an
    /// attribute of the member in earlier versions.
    fn no_inherit(&self, login: &str, version: u32) -> String {
        match self.through.as_deref() {
            Some(role) if version >= 160_000 => {
                format!("GRANT {} TO {} WITH INHERIT FALSE, SET TRUE", quoted(role), quoted(login))
            }
            _ => format!("ALTER ROLE {} NOINHERIT", quoted(login)),
        }
    }

    /// Returns the scope of a setting, and the statement that resets the setting.
    fn reset(&self, login: &str) -> (&'static str, String) {
        let (setting, login) = (setting(&self.name), quoted(login));
        let database = quoted(self.through.as_deref().unwrap_or_default());
        match self.kind {
            Kind::LoginSetting => ("the login", format!("ALTER ROLE {login} RESET {setting}")),
            Kind::LoginInDatabaseSetting => {
                ("the login in this database", format!("ALTER ROLE {login} IN DATABASE {database} RESET {setting}"))
            }
            Kind::DatabaseSetting => ("the database", format!("ALTER DATABASE {database} RESET {setting}")),
            _ => ("all roles", format!("ALTER ROLE ALL RESET {setting}")),
        }
    }
}

/// Returns a sentence about a server version with known RLS vulnerabilities.
pub(crate) fn known_vulnerabilities(version: u32) -> Option<String> {
    let (major, minor) = (version / 10_000, version % 10_000);
    let fixed = match major {
        ..14 => {
            return Some(format!(
                "PostgreSQL {major} is no longer supported and has known RLS vulnerabilities; upgrade it"
            ));
        }
        14 => 24,
        15 => 19,
        16 => 15,
        17 => 11,
        18 => 6,
        _ => return None,
    };
    (minor < fixed)
        .then(|| format!("PostgreSQL {major}.{minor} has known RLS vulnerabilities; update it to {major}.{fixed}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_releases_with_known_vulnerabilities_are_reported() {
        assert!(known_vulnerabilities(150_018).is_some_and(|text| text.contains("15.19")));
        assert_eq!(known_vulnerabilities(150_019), None);
        assert!(known_vulnerabilities(130_030).is_some());
        assert_eq!(known_vulnerabilities(190_000), None);
    }

    #[test]
    fn finding_quotes_names_in_its_fix() {
        let fact = Fact {
            kind: Kind::PrivilegedRole,
            name: "Root".into(),
            through: Some("Ops \"x\"".into()),
            detail: Some("BYPASSRLS".into()),
        };
        assert!(fact.finding("me", 150_000).is_some_and(|(_, fix)| fix == "run `REVOKE \"Ops \"\"x\"\"\" FROM me`"));
    }

    /// Returns the kinds that the query can return: the literals in the first column of each branch.
    fn kinds_in_query() -> BTreeSet<String> {
        let at = QUERY.find("SELECT 'login'::text AS kind").expect("the first branch");
        let mut kinds = BTreeSet::new();
        for branch in QUERY[at..].split("UNION ALL\n") {
            let (_, branch) = branch.split_once("SELECT ").expect("a branch begins with SELECT");
            let case = branch.split_once("END, ").filter(|_| branch.starts_with("CASE"));
            let (column, _) = case.or(branch.split_once(", ")).expect("a second column");
            let parts: Vec<&str> = column.split('\'').collect();
            let before = parts.iter().step_by(2).map(|text| text.trim().rsplit(' ').next().unwrap_or_default());
            let literals = before.zip(parts.iter().skip(1).step_by(2));
            let literals = literals.filter(|(word, _)| ["", "THEN", "ELSE"].contains(word));
            let branch: BTreeSet<_> = literals.map(|(_, kind)| (*kind).to_owned()).collect();
            assert!(!branch.is_empty(), "a branch without a kind: {column}");
            kinds.extend(branch);
        }
        kinds
    }

    fn row(kind: &str, name: &str) -> Row {
        Row { kind: kind.into(), name: name.into(), through: None, detail: None }
    }

    #[test]
    fn kinds_in_login_check_sql_are_the_variants_of_the_enum() {
        assert_eq!(kinds_in_query(), Kind::ALL.map(|kind| kind.text().to_owned()).into());
    }

    #[test]
    fn rows_that_cannot_be_read_refuse_the_login() {
        assert!(evaluate(vec![row("login", "me")], 190_000).is_ok());
        let unknown = evaluate(vec![row("login", "me"), row("atribute", "BYPASSRLS")], 190_000);
        assert!(matches!(unknown, Err(Error::Database(sqlx::Error::Decode(_)))), "{unknown:?}");
        for rows in [vec![], vec![row("login", "")], vec![row("attribute", "BYPASSRLS")]] {
            let refused = evaluate(rows, 190_000);
            assert!(matches!(refused, Err(Error::Database(sqlx::Error::Decode(_)))), "{refused:?}");
        }
    }
}
