//! Bypasses: undeclared objects and privileges through which the policies can be bypassed.

use serde::Deserialize;
use sqlx::PgConnection;

use super::{
    catalog::Name,
    finding::{self, Finding},
    fix::FixWriter,
    inspect,
};
use crate::{
    db::known_vulnerabilities,
    error::{Error, Result},
    model::schema::Schema,
};

/// The query; a test compares its kinds with the variants of [`Bypass`].
const QUERY: &str = include_str!("sql/bypass.sql");

/// Finds all bypasses.
pub(super) async fn find(
    connection: &mut PgConnection,
    schema: &Schema,
    fix_writer: &FixWriter<'_>,
) -> Result<Vec<Finding>> {
    let rows: Vec<String> = sqlx::query_scalar(QUERY)
        .bind(inspect::schemas(schema))
        .bind(inspect::roles(schema))
        .bind(inspect::owners(schema))
        .fetch_all(&mut *connection)
        .await?;
    let bypasses = rows.iter().map(|row| Bypass::parse(row)).collect::<Result<Vec<_>>>()?;
    let mut findings: Vec<_> = bypasses.iter().map(|bypass| bypass.finding(fix_writer)).collect();
    if let Some(vulnerable) = known_vulnerabilities(fix_writer.version) {
        let fix = "-- Install the newest minor release of PostgreSQL, and restart the server.".to_owned();
        findings.push(Finding::new(&finding::SERVER, "server", vulnerable, fix));
    }
    Ok(findings)
}

/// A bypass: one row of `bypass.sql`. A grantee or caller of `None` stands for PUBLIC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Bypass {
    View { view: Name, owner: String },
    MaterializedView { view: Name },
    Rule { table: Name, rule: String, target: String },
    ForeignTable { table: Name },
    ExtensionTable { table: Name, grantees: Vec<Option<String>>, extension: String },
    OutsideForeignTable { table: Name, grantees: Vec<Option<String>>, server: String },
    ForeignDataWrapper { wrapper: String, grantee: Option<String> },
    ForeignServer { server: String, grantee: Option<String> },
    DefinerFunction { function: Routine, callers: Vec<Option<String>>, owner: String },
    UntrustedFunction { function: Routine, callers: Vec<Option<String>> },
    DefinerTrigger { table: Name, trigger: String, owner: String },
    EventTrigger { trigger: String, event: String },
    Partition { parent: Name, table: Name },
    Child { parent: Name, table: Name },
    PublicationOfAllTables { publication: String },
    PublicationOfTable { publication: String, table: Name },
    PublicationOfSchema { publication: String, schema: String },
    Subscription { subscription: String },
    Member { role: String, member: String, grantor: String, logins: Option<String> },
    BypassingLogin { login: String, role: String, through: Option<String>, attribute: Option<String> },
    CreateRole { login: String },
    ForeignKey { table: Name, constraint: String, target: String },
    LeakproofFunction { function: Routine },
    ShadowingObject { keyword: String, object: String },
    ConnectingFunction { function: Routine, extension: String },
    OwnedObject { role: String, object: String },
    ParameterPrivilege { parameter: String, privilege: String, grantee: Option<String> },
    SystemPrivilege { privilege: String, keyword: String, object: String, grantee: Option<String> },
    MigrationsTable { table: Name, grantee: Option<String> },
    ServerSetting { setting: String, value: String },
    SetConfig {},
}

impl Bypass {
    /// Reads a row. A row of an unknown kind is an error, because skipping it would hide a bypass.
    fn parse(row: &str) -> Result<Self> {
        serde_json::from_str(row).map_err(|error| Error::Database(sqlx::Error::Decode(error.into())))
    }
}

/// A function: its schema, its name, and its argument types as the server writes them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Routine(pub(super) String, pub(super) String, pub(super) String);

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the kinds that the query can return: the literals in the first column of each branch.
    fn kinds_in_query() -> BTreeSet<String> {
        let (_, branches) = QUERY.split_once("found AS (").expect("the branches");
        let mut kinds = BTreeSet::new();
        for branch in branches.split("\n    UNION ALL\n") {
            let (_, branch) = branch.split_once("SELECT ").expect("a branch begins with SELECT");
            let (column, _) = branch.split_once(", jsonb_build_object(").or(branch.split_once(", '{}'")).expect(branch);
            let parts: Vec<&str> = column.split('\'').collect();
            let before = parts.iter().step_by(2).map(|text| text.trim().rsplit(' ').next().unwrap_or_default());
            let literals = parts.iter().skip(1).step_by(2);
            let literals = before.zip(literals).filter(|(word, _)| ["", "DISTINCT", "THEN", "ELSE"].contains(word));
            let branch: BTreeSet<_> = literals.map(|(_, kind)| (*kind).to_owned()).collect();
            assert!(!branch.is_empty(), "a branch without a kind: {column}");
            kinds.extend(branch);
        }
        kinds
    }

    /// Returns the variants of [`Bypass`], which serde lists in the error about an unknown variant.
    fn variants() -> BTreeSet<String> {
        let error = serde_json::from_str::<Bypass>(r#"{"kind": "vieuw"}"#).expect_err("no such kind").to_string();
        let (_, list) = error.split_once("expected one of ").expect("the error lists the kinds");
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    #[test]
    fn kinds_in_bypass_sql_are_the_variants_of_the_enum() {
        assert_eq!(kinds_in_query(), variants());
        assert!(variants().len() > 30);
    }

    #[test]
    fn unknown_kinds_and_fields_are_errors() {
        let row = r#"{"kind": "view", "view": ["app", "v"], "owner": "postgres"}"#;
        assert!(Bypass::parse(row).is_ok());
        for wrong in [row.replace("\"view\",", "\"vieuw\","), row.replace("owner", "ovner"), row.replace("kind", "k")] {
            assert!(matches!(Bypass::parse(&wrong), Err(Error::Database(_))), "{wrong}");
        }
    }
}
