//! The entries of indexes and exclusion constraints.

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{Reader, each, ident, idents, texts},
};
use crate::model::schema::{Index, IndexKey, IndexKind, IndexPart, Operator};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IndexEntry {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    kind: Option<KindEntry>,
    /// The method, if it is not `btree`.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    method: Option<String>,
    columns: Vec<PartEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    include: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    condition: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindEntry {
    Unique,
    UniqueNullsNotDistinct,
    Exclusion,
}

/// A column without options is its name.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PartEntry {
    Column(String),
    Part(OptionsEntry),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OptionsEntry {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    column: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    operator_class: Option<Vec<String>>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    descending: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    nulls_first: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    operator: Option<String>,
}

const BTREE: &str = "btree";

impl From<&Index> for IndexEntry {
    fn from(index: &Index) -> Self {
        Self {
            name: index.name.to_string(),
            kind: match index.kind {
                IndexKind::Plain => None,
                IndexKind::Unique { nulls_not_distinct: false } => Some(KindEntry::Unique),
                IndexKind::Unique { nulls_not_distinct: true } => Some(KindEntry::UniqueNullsNotDistinct),
                IndexKind::Exclusion => Some(KindEntry::Exclusion),
            },
            method: Some(index.method.to_string()).filter(|method| method != BTREE),
            columns: index.parts.iter().map(PartEntry::from).collect(),
            include: texts(&index.include),
            condition: index.condition.as_ref().map(ToString::to_string),
        }
    }
}

impl From<&IndexPart> for PartEntry {
    fn from(part: &IndexPart) -> Self {
        if let IndexKey::Column(name) = &part.key
            && *part == IndexPart::column(name.clone())
        {
            return Self::Column(name.to_string());
        }
        let (column, expression) = match &part.key {
            IndexKey::Column(name) => (Some(name.to_string()), None),
            IndexKey::Expression(text) => (None, Some(text.to_string())),
        };
        Self::Part(OptionsEntry {
            column,
            expression,
            operator_class: part.operator_class.as_deref().map(texts),
            descending: part.descending,
            nulls_first: part.nulls_first,
            operator: part.operator.as_ref().map(|operator| operator.as_str().to_owned()),
        })
    }
}

pub(super) fn index(entry: IndexEntry, reader: &mut Reader) -> Result<Index, SnapshotError> {
    Ok(Index {
        name: ident(entry.name)?,
        kind: match entry.kind {
            None => IndexKind::Plain,
            Some(KindEntry::Unique) => IndexKind::Unique { nulls_not_distinct: false },
            Some(KindEntry::UniqueNullsNotDistinct) => IndexKind::Unique { nulls_not_distinct: true },
            Some(KindEntry::Exclusion) => IndexKind::Exclusion,
        },
        method: ident(entry.method.unwrap_or_else(|| BTREE.to_owned()))?,
        parts: each(entry.columns, |entry| part(entry, reader))?,
        include: idents(entry.include)?,
        condition: entry.condition.map(|text| reader.expression(&text)).transpose()?,
    })
}

fn part(entry: PartEntry, reader: &mut Reader) -> Result<IndexPart, SnapshotError> {
    let entry = match entry {
        PartEntry::Column(name) => return Ok(IndexPart::column(ident(name)?)),
        PartEntry::Part(entry) => entry,
    };
    let key = match (entry.column, entry.expression) {
        (Some(name), None) => IndexKey::Column(ident(name)?),
        (None, Some(text)) => IndexKey::Expression(reader.expression(&text)?),
        _ => return Err(SnapshotError::Content("a part of an index is a column or an expression".to_owned())),
    };
    let operator = |text: String| {
        Operator::parse(&text).ok_or_else(|| SnapshotError::Content(format!("{text:?} is not an operator")))
    };
    Ok(IndexPart {
        key,
        operator_class: entry.operator_class.map(idents).transpose()?,
        descending: entry.descending,
        nulls_first: entry.nulls_first,
        operator: entry.operator.map(operator).transpose()?,
    })
}
