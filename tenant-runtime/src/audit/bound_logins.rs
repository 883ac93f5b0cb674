//! Logins that are bound to a tenant, a user and a role: they need no signature for this context, so each must exist and
//! have exactly the privileges of its binding.

use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};

use super::{
    finding::{self, Finding},
    fix::FixWriter,
    inspect,
};
use crate::{
    db::assert_sql_safe,
    error::{Error, Result},
    ident::{literal, quoted},
    model::{
        names,
        schema::{QualifiedName, Schema},
    },
};

/// A role and the role that granted the membership.
type Membership = (String, String);

/// A binding in the database, and what its login is; a row of `bound_logins.sql`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BoundLogin {
    login: String,
    role: String,
    exists: bool,
    is_ours: bool,
    /// The attributes that a bound login must not have.
    attributes: Vec<String>,
    is_member: bool,
    /// Memberships of the login beyond SET ROLE to the role of its binding.
    excess: Vec<Membership>,
    /// Members of the login, who can assume its role.
    members: Vec<Membership>,
}

/// Reads the bindings. Without signed contexts there are none.
///
/// If the login of the audit cannot read the table, no binding is returned, so the memberships of bound logins are findings.
pub(super) async fn read(transaction: &mut PgConnection, schema: &Schema) -> Result<Vec<BoundLogin>> {
    let (Some(table), Some(owner)) = (table(schema), schema.function_owner()) else { return Ok(Vec::new()) };
    let mut savepoint = transaction.begin().await?;
    let role = format!("SET LOCAL ROLE {}", owner.name.quoted());
    let bindings = format!("SELECT login, role FROM {} ORDER BY login", table.quoted());
    let read = async {
        sqlx::raw_sql(assert_sql_safe(role)).execute(&mut *savepoint).await?;
        sqlx::query_as::<_, (String, String)>(assert_sql_safe(bindings))
            .persistent(false)
            .fetch_all(&mut *savepoint)
            .await
    };
    let read = read.await;
    savepoint.rollback().await?;
    let (logins, roles): (Vec<_>, Vec<_>) = match read {
        Ok(bindings) => bindings.into_iter().unzip(),
        // The table or the privilege is missing, which the comparison with the declaration reports.
        Err(sqlx::Error::Database(_)) => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    let query = sqlx::query_scalar(include_str!("sql/bound_logins.sql")).bind(logins).bind(roles);
    let query = query.bind(inspect::roles(schema)).bind(inspect::owners(schema));
    let rows: Vec<String> = query.fetch_all(transaction).await?;
    let rows = rows.iter().map(|row| serde_json::from_str(row)).collect::<Result<_, _>>();
    rows.map_err(|error| Error::Database(sqlx::Error::Decode(error.into())))
}

/// Returns the table of the bindings, if the schema has one.
fn table(schema: &Schema) -> Option<&QualifiedName> {
    let is_signed = !schema.sequences.is_empty();
    schema.tables().keys().find(|name| is_signed && name.table.as_str() == names::BOUND_LOGINS)
}

impl BoundLogin {
    /// Returns whether this binding explains that a role outside the product is a member of one of its roles. What the login has
    /// beyond the binding is reported by [`finding`](Self::finding).
    pub(super) fn explains(&self, role: &str, member: &str) -> bool {
        self.exists && !self.is_ours && self.login == member && self.role == role
    }

    /// Returns the finding; `None` if the login has exactly the privileges of its binding.
    pub(super) fn finding(&self, fix_writer: &FixWriter<'_>) -> Option<Finding> {
        let login = quoted(&self.login);
        let unbind = || {
            let schema = fix_writer.schema;
            let owner = schema.owner().map(|owner| owner.name.quoted().to_string()).unwrap_or_default();
            let functions = table(schema).map(|table| names::auth_schema(table.schema.as_str()).quoted().to_string());
            format!(
                "SET ROLE {owner};\nSELECT {}.{}({});\nRESET ROLE;",
                functions.unwrap_or_default(),
                names::UNBIND_LOGIN,
                literal(&self.login)
            )
        };
        let (what, fix) = if self.is_ours {
            (
                "it is a login role of the app, which can then act without a signature in the context of the binding"
                    .into(),
                unbind(),
            )
        } else if !self.exists {
            ("the login role does not exist; a role that is created with this name acts in the context of the binding".into(), unbind())
        } else {
            let excess = self.beyond_the_binding();
            if excess.is_empty() {
                return None;
            }
            (excess.join("; "), self.fix(fix_writer.version >= 160_000))
        };
        Some(Finding::new(&finding::BOUND_LOGIN, format!("bound login {login}"), what, fix))
    }

    /// Describes what the login has beyond the binding, and what it lacks.
    fn beyond_the_binding(&self) -> Vec<String> {
        let names = |memberships: &[Membership]| {
            memberships.iter().map(|(role, _)| quoted(role).to_string()).collect::<Vec<_>>().join(", ")
        };
        let mut parts = Vec::new();
        if !self.attributes.is_empty() {
            parts.push(format!("it has {}", self.attributes.join(", ")));
        }
        if !self.excess.is_empty() {
            let role = quoted(&self.role);
            parts.push(format!("it has memberships beyond SET ROLE to {role}: {}", names(&self.excess)));
        }
        if !self.members.is_empty() {
            parts.push(format!("other roles are members of it: {}", names(&self.members)));
        }
        if !self.is_member {
            parts.push(format!("it cannot assume {}", quoted(&self.role)));
        }
        parts
    }

    fn fix(&self, has_options: bool) -> String {
        let login = quoted(&self.login);
        let by = |grantor: &str| match has_options {
            true => format!(" GRANTED BY {} CASCADE", quoted(grantor)),
            false => String::new(),
        };
        let mut lines = Vec::new();
        if !self.attributes.is_empty() {
            let none: Vec<_> = self.attributes.iter().map(|attribute| format!("NO{attribute}")).collect();
            lines.push(format!("ALTER ROLE {login} {};", none.join(" ")));
        }
        lines.extend(
            self.excess.iter().map(|(role, grantor)| format!("REVOKE {} FROM {login}{};", quoted(role), by(grantor))),
        );
        lines.extend(
            self.members
                .iter()
                .map(|(member, grantor)| format!("REVOKE {login} FROM {}{};", quoted(member), by(grantor))),
        );
        if !self.is_member || self.excess.iter().any(|(role, _)| *role == self.role) {
            let options = if has_options { " WITH INHERIT FALSE, SET TRUE" } else { "" };
            lines.push(format!("GRANT {} TO {login}{options};", quoted(&self.role)));
        }
        lines.join("\n")
    }
}
