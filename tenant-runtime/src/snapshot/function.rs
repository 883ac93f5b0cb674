//! The entries of functions.

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{Reader, each, ident, idents, texts},
};
use crate::{
    ident::Ident,
    model::schema::{Expression, Function, QualifiedName, Returns, Volatility},
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FunctionEntry {
    schema: String,
    name: String,
    comment: String,
    arguments: Vec<ArgumentEntry>,
    returns: ReturnsEntry,
    stable: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    immutable: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    exact_floats: bool,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    extension_schemas: Vec<String>,
    body: String,
    execute: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ArgumentEntry {
    name: String,
    #[serde(rename = "type")]
    ty: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum ReturnsEntry {
    Void,
    Trigger,
    NewRow,
    Value(String),
    Rows(Vec<ArgumentEntry>),
}

impl From<(&QualifiedName, &Function)> for FunctionEntry {
    fn from((name, function): (&QualifiedName, &Function)) -> Self {
        Self {
            schema: name.schema.to_string(),
            name: name.table.to_string(),
            comment: function.comment.clone(),
            arguments: function.arguments.iter().map(ArgumentEntry::from).collect(),
            returns: match &function.returns {
                Returns::Void => ReturnsEntry::Void,
                Returns::Trigger => ReturnsEntry::Trigger,
                Returns::NewRow => ReturnsEntry::NewRow,
                Returns::Value(ty) => ReturnsEntry::Value(ty.to_string()),
                Returns::Rows(columns) => ReturnsEntry::Rows(columns.iter().map(ArgumentEntry::from).collect()),
            },
            stable: function.volatility == Volatility::Stable,
            immutable: function.volatility == Volatility::Immutable,
            exact_floats: function.exact_floats,
            extension_schemas: texts(&function.extension_schemas),
            body: function.body.clone(),
            execute: texts(&function.execute),
        }
    }
}

pub(super) fn function(entry: FunctionEntry, reader: &mut Reader) -> Result<(QualifiedName, Function), SnapshotError> {
    let name = QualifiedName { schema: ident(entry.schema)?, table: ident(entry.name)? };
    let function = Function {
        comment: entry.comment,
        arguments: each(entry.arguments, |entry| argument(entry, reader))?,
        returns: match entry.returns {
            ReturnsEntry::Void => Returns::Void,
            ReturnsEntry::Trigger => Returns::Trigger,
            ReturnsEntry::NewRow => Returns::NewRow,
            ReturnsEntry::Value(ty) => Returns::Value(reader.data_type(&ty)?),
            ReturnsEntry::Rows(columns) => Returns::Rows(each(columns, |entry| argument(entry, reader))?),
        },
        volatility: match (entry.stable, entry.immutable) {
            (_, true) => Volatility::Immutable,
            (true, false) => Volatility::Stable,
            (false, false) => Volatility::Volatile,
        },
        exact_floats: entry.exact_floats,
        extension_schemas: idents(entry.extension_schemas)?,
        body: entry.body,
        execute: idents(entry.execute)?,
    };
    Ok((name, function))
}

impl From<&(Ident, Expression)> for ArgumentEntry {
    fn from((name, ty): &(Ident, Expression)) -> Self {
        Self { name: name.to_string(), ty: ty.to_string() }
    }
}

fn argument(entry: ArgumentEntry, reader: &mut Reader) -> Result<(Ident, Expression), SnapshotError> {
    Ok((ident(entry.name)?, reader.data_type(&entry.ty)?))
}
