//! Bypasses: undeclared objects and privileges through which the policies can be bypassed.

use serde::Deserialize;
use sqlx::PgConnection;

use super::{
    bound_logins,
    catalog::Name,
    finding::{self, Finding},
    fix::FixWriter,
    inspect, inventory,
};
use crate::{
    db::{Inventory, REACHABLE, known_vulnerabilities},
    error::{Error, Result},
    ident::quoted,
    model::schema::Schema,
};

/// The queries; a test compares their kinds with the variants of [`Bypass`].
const QUERIES: [&str; 2] = [include_str!("sql/bypass.sql"), REACHABLE];

/// Finds all bypasses.
pub(super) async fn find(
    connection: &mut PgConnection,
    schema: &Schema,
    fix_writer: &FixWriter<'_>,
    shipped: &Inventory,
) -> Result<Vec<Finding>> {
    let mut rows: Vec<String> = Vec::new();
    for query in QUERIES {
        let query = sqlx::query_scalar(query)
            .bind(inspect::schemas(schema))
            .bind(inspect::roles(schema))
            .bind(inspect::owners(schema));
        rows.extend(query.fetch_all(&mut *connection).await?);
    }
    let bypasses = rows.iter().map(|row| Bypass::parse(row)).collect::<Result<Vec<_>>>()?;
    let bound = bound_logins::read(connection, schema).await?;
    // What a known version of an extension ships is compared with the inventory.
    let reported = bypasses.iter().filter(|bypass| !bypass.extension().is_some_and(inventory::contains));
    let reported = reported.filter(|bypass| {
        !bypass.membership().is_some_and(|(role, member)| bound.iter().any(|login| login.explains(role, member)))
    });
    let mut findings: Vec<_> = reported.map(|bypass| bypass.finding(fix_writer)).collect();
    findings.extend(bound.iter().filter_map(|login| login.finding(fix_writer)));
    findings.extend(inventory::find(shipped, fix_writer.version / 10_000));
    if let Some(vulnerable) = known_vulnerabilities(fix_writer.version) {
        let fix = "-- Install the newest minor release of PostgreSQL, and restart the server.".to_owned();
        findings.push(Finding::new(&finding::SERVER, "server", vulnerable, fix));
    }
    Ok(findings)
}

/// A bypass: one row of `bypass.sql` or of `reachable.sql`. A grantee or caller of `None` stands for PUBLIC.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Bypass {
    View { view: Name, owner: String },
    MaterializedView { view: Name },
    Rule { table: Name, rule: String, target: String },
    ForeignTable { table: Name },
    OutsideRelations(OutsideRelations),
    OutsideForeignTable { table: Name, grantees: Vec<Option<String>>, server: String },
    ForeignDataWrapper { wrapper: String, grantee: Option<String> },
    ForeignServer { server: String, grantee: Option<String> },
    DefinerFunction { function: Routine, callers: Vec<Option<String>>, owner: String, extension: Option<String> },
    UntrustedFunction { function: Routine, callers: Vec<Option<String>> },
    OutsideFunctions(OutsideFunctions),
    OutsideTrigger { table: Name, trigger: String, function: String },
    OutsideRule { table: Name, rule: String },
    Language { language: String },
    LargeObjects { objects: Vec<u32>, grantees: Vec<Option<String>> },
    UntrackedObject { what: String, object: String },
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
    PredefinedRole { login: String, role: String, through: String },
    DatabaseOwner { database: String, owner: String },
    CreateRole { login: String },
    ForeignKey { table: Name, constraint: String, target: String },
    LeakproofFunction { function: Routine },
    ShadowingObject { what: String, object: String, fix: String },
    ConnectingFunction { function: Routine, extension: String },
    OwnedObject { role: String, object: String },
    ParameterPrivilege { parameter: String, privilege: String, grantee: Option<String> },
    SystemPrivilege { privilege: String, keyword: String, object: String, grantee: Option<String> },
    MigrationsTable { table: Name, grantee: Option<String> },
    ServerSetting { setting: String, value: String },
    PreloadedLibraries { libraries: Vec<String> },
    UnreadableSettings { settings: Vec<String> },
    SetConfig {},
}

/// Undeclared relations of one kind, owner and set of grants in a schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutsideRelations {
    pub(super) schema: String,
    pub(super) what: String,
    pub(super) owner: String,
    pub(super) relations: Vec<String>,
    pub(super) grantees: Vec<Option<String>>,
    pub(super) privileges: String,
    pub(super) definition: Option<String>,
}

/// Undeclared functions of one owner and set of callers in a schema.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutsideFunctions {
    pub(super) schema: String,
    pub(super) owner: String,
    pub(super) functions: Vec<Routine>,
    pub(super) callers: Vec<Option<String>>,
    pub(super) definition: String,
}

impl Bypass {
    /// Returns the extension and its version, if the object belongs to one.
    fn extension(&self) -> Option<&str> {
        match self {
            Self::DefinerFunction { extension, .. } => extension.as_deref(),
            _ => None,
        }
    }

    /// Returns a role of the product and its member from outside.
    fn membership(&self) -> Option<(&str, &str)> {
        match self {
            Self::Member { role, member, .. } => Some((role, member)),
            _ => None,
        }
    }

    /// Reads a row. A row of an unknown kind is an error, because skipping it would hide a bypass.
    fn parse(row: &str) -> Result<Self> {
        serde_json::from_str(row).map_err(|error| Error::Database(sqlx::Error::Decode(error.into())))
    }
}

/// A function: its schema, its name, and its argument types as the server writes them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct Routine(pub(super) String, pub(super) String, pub(super) String);

impl Routine {
    /// Writes the function with its schema and arguments.
    pub(super) fn sql(&self) -> String {
        let Self(schema, name, arguments) = self;
        format!("{}.{}({arguments})", quoted(schema), quoted(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Returns the kinds that the queries can return: the literals in the first column of each branch.
    fn kinds_in_queries() -> BTreeSet<String> {
        let branches = QUERIES.into_iter().flat_map(|query| {
            let (_, branches) = query.split_once("\nfound AS (").expect("the branches");
            branches.split("\n    UNION ALL\n")
        });
        let mut kinds = BTreeSet::new();
        for branch in branches {
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
    fn kinds_in_the_queries_are_the_variants_of_the_enum() {
        assert_eq!(kinds_in_queries(), variants());
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
