//! The catalog as facts: named objects with their properties, without OIDs.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    error::{Error, Result},
    ident::quoted,
    model::{
        index::{Index, IndexKind},
        schema::QualifiedName,
    },
};

/// The catalog of one product's schemas and roles, either live or as declared.
///
/// Two databases with the same objects have equal catalogs, however each database was created.
///
/// ```no_run
/// # async fn f(connection: &mut sqlx::PgConnection) -> Result<(), Box<dyn std::error::Error>> {
/// let schema = tenant_runtime::analyze::check(&tenant_runtime::models![])?.schema;
/// let catalog = tenant_runtime::audit::Catalog::read(connection, &schema).await?;
/// println!("{catalog}");
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    pub(super) facts: BTreeMap<Object, State>,
}

/// The properties of an object, by name.
pub type State = BTreeMap<String, Value>;

impl Catalog {
    /// Returns the objects in order, each with its properties.
    ///
    /// ```no_run
    /// # fn f(catalog: &tenant_runtime::audit::Catalog) {
    /// use tenant_runtime::audit::Object;
    ///
    /// let policies = catalog.facts().filter(|(object, _)| matches!(object, Object::Policy(..))).count();
    /// # }
    /// ```
    pub fn facts(&self) -> impl Iterator<Item = (&Object, &State)> {
        self.facts.iter()
    }

    /// Returns the properties of an object, if it exists.
    ///
    /// ```no_run
    /// # fn f(catalog: &tenant_runtime::audit::Catalog) {
    /// use tenant_runtime::audit::{Object, State};
    ///
    /// let role: Option<&State> = catalog.get(&Object::Role("app_viewer".into()));
    /// println!("{role:?}");
    /// # }
    /// ```
    #[must_use]
    pub fn get(&self, object: &Object) -> Option<&State> {
        self.facts.get(object)
    }
}

/// One line per fact, so that two catalogs can be compared with `diff`.
impl fmt::Display for Catalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (object, state) in &self.facts {
            write!(f, "{object}")?;
            for (name, value) in state {
                write!(f, " {name}={value}")?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// An object of the catalog: its kind and its name.
///
/// ```
/// use tenant_runtime::audit::{Name, Object};
///
/// let table = Name { schema: "app".into(), name: "projects".into() };
/// let policy = Object::Policy(table, "tenant_isolation".into());
/// assert_eq!(policy.to_string(), "policy tenant_isolation of app.projects");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Object {
    /// A role.
    Role(String),
    /// The membership of one role in another.
    Membership {
        /// The role that is granted.
        role: String,
        /// The member.
        member: String,
    },
    /// A setting that sessions start with.
    Setting {
        /// The role of the sessions; `None` for all roles.
        role: Option<String>,
        /// Whether the setting applies in this database only.
        here: bool,
        /// The setting.
        name: String,
    },
    /// The database itself.
    Database,
    /// An extension.
    Extension(String),
    /// A schema.
    Schema(String),
    /// A table, a view, or another relation with columns.
    Relation(Name),
    /// A column.
    Column(Name, String),
    /// A constraint.
    Constraint(Name, String),
    /// An index that belongs to no constraint.
    Index(Name, String),
    /// A policy.
    Policy(Name, String),
    /// A trigger.
    Trigger(Name, String),
    /// A rewrite rule.
    Rule(Name, String),
    /// A sequence.
    Sequence(Name),
    /// A type that belongs to no relation.
    Type(Name),
    /// A function or a procedure, with the types of its arguments.
    Function(Name, Vec<String>),
    /// A privilege of a role other than the owner.
    Privilege {
        /// The object.
        on: Box<Object>,
        /// The SQL keyword.
        privilege: String,
        /// The grantee; `None` for PUBLIC.
        to: Option<String>,
    },
    /// A default privilege: granted on objects when they are created.
    DefaultPrivilege {
        /// The role that creates the objects.
        by: String,
        /// The schema; `None` for all schemas.
        schema: Option<String>,
        /// The SQL keyword of the kind of objects, such as `TABLES`.
        on: String,
        /// The SQL keyword of the privilege.
        privilege: String,
        /// The grantee; `None` for PUBLIC.
        to: Option<String>,
    },
}

/// A name in a schema.
///
/// ```
/// use tenant_runtime::audit::Name;
///
/// let name = Name { schema: "app".into(), name: "Order items".into() };
/// assert_eq!(name.quoted(), r#"app."Order items""#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub struct Name {
    /// The schema.
    pub schema: String,
    /// The name within the schema.
    pub name: String,
}

impl Name {
    /// Returns the quoted name for SQL.
    #[must_use]
    pub fn quoted(&self) -> String {
        format!("{}.{}", quoted(&self.schema), quoted(&self.name))
    }
}

impl From<(String, String)> for Name {
    fn from((schema, name): (String, String)) -> Self {
        Self { schema, name }
    }
}

impl From<Name> for (String, String) {
    fn from(name: Name) -> Self {
        (name.schema, name.name)
    }
}

impl From<&QualifiedName> for Name {
    fn from(name: &QualifiedName) -> Self {
        Self { schema: name.schema.to_string(), name: name.table.to_string() }
    }
}

impl Object {
    /// Returns the object of an index or an exclusion constraint.
    pub(super) fn of_index(table: &Name, index: &Index) -> Self {
        let (table, name) = (table.clone(), index.name.to_string());
        match index.kind {
            IndexKind::Exclusion => Self::Constraint(table, name),
            IndexKind::Plain | IndexKind::Unique { .. } => Self::Index(table, name),
        }
    }

    /// Returns the objects on which this object depends, such as the table of a column, or the
    /// object and grantee of a privilege.
    pub(super) fn dependencies(&self) -> Vec<Object> {
        let schema = |name: &Name| vec![Self::Schema(name.schema.clone())];
        let role = |name: &String| Self::Role(name.clone());
        match self {
            Self::Role(_) | Self::Database | Self::Extension(_) | Self::Schema(_) => Vec::new(),
            Self::Membership { role: of, member } => vec![role(of), role(member)],
            Self::Setting { role: whose, .. } => whose.iter().map(role).collect(),
            Self::Relation(name) | Self::Sequence(name) | Self::Type(name) | Self::Function(name, _) => schema(name),
            Self::Column(table, _)
            | Self::Constraint(table, _)
            | Self::Index(table, _)
            | Self::Policy(table, _)
            | Self::Trigger(table, _)
            | Self::Rule(table, _) => vec![Self::Relation(table.clone())],
            Self::Privilege { on, to, .. } => to.iter().map(role).chain([(**on).clone()]).collect(),
            Self::DefaultPrivilege { by, to, .. } => to.iter().chain([by]).map(role).collect(),
        }
    }
}

/// Writes a grantee for SQL; `None` is PUBLIC.
pub(super) fn grantee(role: Option<&String>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), |role| quoted(role).to_string())
}

/// Writes several roles; `None` stands for PUBLIC.
pub(super) fn grantees(roles: &[Option<String>], separator: &str) -> String {
    roles.iter().map(|role| grantee(role.as_ref())).collect::<Vec<_>>().join(separator)
}

/// Writes a function's name with the types of its arguments, as the server reports them.
pub(super) fn signature(name: &Name, arguments: &[String]) -> String {
    format!("{}({})", name.quoted(), arguments.join(", "))
}

/// The kinds of relations in `relations.sql`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum RelationKind {
    #[serde(rename = "table")]
    Table,
    #[serde(rename = "partitioned table")]
    PartitionedTable,
    #[serde(rename = "view")]
    View,
    #[serde(rename = "materialized view")]
    MaterializedView,
    #[serde(rename = "foreign table")]
    ForeignTable,
}

impl RelationKind {
    /// Reads the kind of a relation. An unknown kind is an error, because skipping it would hide an undeclared table.
    pub(super) fn of(state: &State) -> Result<Self> {
        let kind = state.get("kind").cloned().unwrap_or_default();
        serde_json::from_value(kind).map_err(|error| Error::Database(sqlx::Error::Decode(error.into())))
    }
}

impl fmt::Display for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |f: &mut fmt::Formatter<'_>, what: &str, name: &str, table: &Name| {
            write!(f, "{what} {} of {}", quoted(name), table.quoted())
        };
        match self {
            Self::Role(name) => write!(f, "role {}", quoted(name)),
            Self::Membership { role, member } => write!(f, "membership of {} in {}", quoted(member), quoted(role)),
            Self::Setting { role, here, name } => {
                let whose = role.as_ref().map_or_else(|| "all roles".to_owned(), |role| quoted(role).to_string());
                write!(f, "setting {name} of {whose}{}", if *here { " in this database" } else { "" })
            }
            Self::Database => f.write_str("database"),
            Self::Extension(name) => write!(f, "extension {}", quoted(name)),
            Self::Schema(name) => write!(f, "schema {}", quoted(name)),
            Self::Relation(name) => write!(f, "table {}", name.quoted()),
            Self::Column(table, name) => of(f, "column", name, table),
            Self::Constraint(table, name) => of(f, "constraint", name, table),
            Self::Index(table, name) => of(f, "index", name, table),
            Self::Policy(table, name) => of(f, "policy", name, table),
            Self::Trigger(table, name) => of(f, "trigger", name, table),
            Self::Rule(table, name) => of(f, "rule", name, table),
            Self::Sequence(name) => write!(f, "sequence {}", name.quoted()),
            Self::Type(name) => write!(f, "type {}", name.quoted()),
            Self::Function(name, arguments) => write!(f, "function {}", signature(name, arguments)),
            Self::Privilege { on, privilege, to } => write!(f, "{privilege} on {on} for {}", grantee(to.as_ref())),
            Self::DefaultPrivilege { by, schema, on, privilege, to } => {
                let place = schema.as_ref().map(|schema| format!(" in {}", quoted(schema))).unwrap_or_default();
                write!(f, "default {privilege} on {on} created by {}{place} for {}", quoted(by), grantee(to.as_ref()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::de::DeserializeOwned;
    use serde_json::json;

    use super::*;

    const QUERIES: [&str; 6] = [
        include_str!("sql/access.sql"),
        include_str!("sql/canonical.sql"),
        include_str!("sql/extensions.sql"),
        include_str!("sql/relations.sql"),
        include_str!("sql/roles.sql"),
        include_str!("sql/routines.sql"),
    ];

    /// Returns the variants of an enum, which serde lists in the error about an unknown variant.
    fn variants<T: DeserializeOwned>(unknown: Value) -> BTreeSet<String> {
        let Err(error) = serde_json::from_value::<T>(unknown) else { panic!("an unknown kind was read") };
        let error = error.to_string();
        let (_, list) = error.split_once("expected one of ").expect("the error lists the kinds");
        list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
    }

    /// Returns the literals that a CASE expression can return.
    fn results(case: &str) -> BTreeSet<String> {
        let parts: Vec<&str> = case.split('\'').collect();
        let before = parts.iter().step_by(2).map(|text| text.trim().rsplit(' ').next().unwrap_or_default());
        let literals = before.zip(parts.iter().skip(1).step_by(2));
        literals.filter(|(word, _)| ["THEN", "ELSE"].contains(word)).map(|(_, kind)| (*kind).to_owned()).collect()
    }

    /// Returns the kinds of objects that the queries emit: the keys of the JSON objects that identify an object.
    fn object_kinds() -> BTreeSet<String> {
        let mut kinds = BTreeSet::new();
        for query in QUERIES {
            let code: Vec<&str> = query.lines().map(str::trim).filter(|line| !line.starts_with("--")).collect();
            let code = code.join(" ");
            for (at, start) in code.match_indices("jsonb_build_object(") {
                let is_object = code[..at].ends_with("'object', ") || code[..at].ends_with("SELECT ");
                let argument = code[at + start.len()..].trim_start();
                if !is_object || argument.starts_with("'object'") {
                    continue;
                }
                match argument.strip_prefix('\'') {
                    Some(literal) => drop(kinds.insert(literal.split('\'').next().expect("it ends").to_owned())),
                    None => kinds.extend(results(argument.split(" END").next().expect("a CASE"))),
                }
            }
            kinds.extend(
                code.split("SELECT '\"").skip(1).map(|rest| rest.split('"').next().expect("it ends").to_owned()),
            );
        }
        kinds
    }

    #[test]
    fn object_kinds_in_the_queries_are_the_variants_of_the_enum() {
        assert_eq!(object_kinds(), variants::<Object>(json!({ "rolle": "x" })));
    }

    #[test]
    fn relation_kinds_in_the_query_are_the_variants_of_the_enum() {
        let (_, case) = QUERIES[3].split_once("'kind', CASE relation.relkind").expect("the kinds of relations");
        let kinds = results(case.split(" END").next().expect("the CASE ends").split("END").next().expect("it ends"));
        assert_eq!(kinds, variants::<RelationKind>(json!("tabel")));
    }

    #[test]
    fn misspelt_kinds_of_relations_are_errors() {
        let state = |kind: &str| State::from([("kind".to_owned(), json!(kind))]);
        assert_eq!(RelationKind::of(&state("partitioned table")).expect("a kind"), RelationKind::PartitionedTable);
        for state in [state("partitioned tabel"), State::new()] {
            assert!(matches!(RelationKind::of(&state), Err(Error::Database(_))), "{state:?}");
        }
    }
}
