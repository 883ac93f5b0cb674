//! The catalog as plain facts: what there is, by name, and how it is. No number of the server's reaches it.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ident::quoted, model::schema::QualifiedName};

/// What the database says, or shall say, about the schemas and roles of one product.
///
/// Two of them are equal when the databases are, whatever way each has come to be.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Catalog {
    pub(super) facts: BTreeMap<Object, State>,
}

/// How an object is: its properties by name.
pub type State = BTreeMap<String, Value>;

impl Catalog {
    /// Returns the objects in their order, each with its state.
    pub fn facts(&self) -> impl Iterator<Item = (&Object, &State)> {
        self.facts.iter()
    }

    /// Returns how an object is, where it is there.
    #[must_use]
    pub fn get(&self, object: &Object) -> Option<&State> {
        self.facts.get(object)
    }
}

/// A line for each fact, so that two catalogs can be compared by eye or by `diff`.
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

/// A thing of the catalog, by what it is and its name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Object {
    /// A role.
    Role(String),
    /// That a role is a member of another.
    Membership {
        /// The role.
        role: String,
        /// Its member.
        member: String,
    },
    /// A setting with which sessions begin.
    Setting {
        /// Whose sessions; none for everybody's.
        role: Option<String>,
        /// Whether in this database alone.
        here: bool,
        /// The setting.
        name: String,
    },
    /// The database itself.
    Database,
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
    /// A privilege that somebody besides the owner has.
    Privilege {
        /// On what.
        on: Box<Object>,
        /// The SQL keyword.
        privilege: String,
        /// Who has it; none for PUBLIC.
        to: Option<String>,
    },
    /// A privilege on things yet to be made.
    DefaultPrivilege {
        /// Who makes them.
        by: String,
        /// In which schema; none for all.
        schema: Option<String>,
        /// The SQL keyword of what is made, such as `TABLES`.
        on: String,
        /// The SQL keyword of the privilege.
        privilege: String,
        /// Who has it; none for PUBLIC.
        to: Option<String>,
    },
}

/// A name in a schema.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "(String, String)", into = "(String, String)")]
pub struct Name {
    /// The schema.
    pub schema: String,
    /// The name in it.
    pub name: String,
}

impl Name {
    /// Returns the name as it stands in SQL.
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
    /// Returns what must be there for this to be: the table of a column, what a privilege is on and who has it.
    pub(super) fn rests_on(&self) -> Vec<Object> {
        let schema = |name: &Name| vec![Self::Schema(name.schema.clone())];
        let role = |name: &String| Self::Role(name.clone());
        match self {
            Self::Role(_) | Self::Database | Self::Schema(_) => Vec::new(),
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

/// Names a role as it stands in SQL; nobody in particular is PUBLIC.
pub(super) fn grantee(role: Option<&String>) -> String {
    role.map_or_else(|| "PUBLIC".to_owned(), |role| quoted(role).to_string())
}

/// Writes a function's name with the types of its arguments, which the server has written.
pub(super) fn signature(name: &Name, arguments: &[String]) -> String {
    format!("{}({})", name.quoted(), arguments.join(", "))
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
                write!(f, "default {privilege} on {on} that {} makes{place} for {}", quoted(by), grantee(to.as_ref()))
            }
        }
    }
}
