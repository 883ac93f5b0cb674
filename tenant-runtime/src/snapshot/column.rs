//! The entry of a column.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{Reader, TableNameEntry, ident, table_name},
};
use crate::model::schema::{Column, ColumnDefault, QualifiedName, Renames};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ColumnEntry {
    name: String,
    /// The declared previous name, which the migrations have applied.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    renamed_from: Option<String>,
    /// The declared previous text of each renamed label.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    renamed_labels: BTreeMap<String, String>,
    comment: String,
    #[serde(rename = "type")]
    ty: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    collation: Option<CollationEntry>,
    nullable: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    default: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    identity: bool,
    /// The expression of a generated column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    generated: Option<String>,
    /// The table with the last numbers of a counter.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    counter: Option<TableNameEntry>,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    sensitive: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CollationEntry {
    schema: String,
    name: String,
}

impl From<(&QualifiedName, &Column, &Renames)> for ColumnEntry {
    fn from((table, column, renames): (&QualifiedName, &Column, &Renames)) -> Self {
        let place = (table.clone(), column.name.clone());
        let renamed_from = renames.columns.get(&place).map(ToString::to_string);
        let renamed_labels = renames.labels.get(&place).cloned().unwrap_or_default();
        let (default, identity, generated, counter) = match &column.default {
            Some(ColumnDefault::Identity) => (None, true, None, None),
            Some(ColumnDefault::Expression(text)) => (Some(text.to_string()), false, None, None),
            Some(ColumnDefault::Generated(text)) => (None, false, Some(text.to_string()), None),
            Some(ColumnDefault::Counter(table)) => (None, false, None, Some(TableNameEntry::from(table))),
            None => (None, false, None, None),
        };
        let collation = column.collation.as_ref();
        let collation = collation.map(|collation| CollationEntry {
            schema: collation.schema.to_string(),
            name: collation.table.to_string(),
        });
        let (name, ty) = (column.name.to_string(), column.ty.to_string());
        let (comment, nullable) = (column.comment.clone(), column.nullable);
        let sensitive = column.sensitive;
        Self {
            name,
            renamed_from,
            renamed_labels,
            comment,
            ty,
            collation,
            nullable,
            default,
            identity,
            generated,
            counter,
            sensitive,
        }
    }
}

pub(super) fn column(entry: ColumnEntry, table: &QualifiedName, reader: &mut Reader) -> Result<Column, SnapshotError> {
    let default = match (entry.default, entry.identity, entry.generated, entry.counter) {
        (None, true, None, None) => Some(ColumnDefault::Identity),
        (Some(text), false, None, None) => Some(ColumnDefault::Expression(reader.expression(&text)?)),
        (None, false, Some(text), None) => Some(ColumnDefault::Generated(reader.expression(&text)?)),
        (None, false, None, Some(table)) => Some(ColumnDefault::Counter(table_name(table)?)),
        (None, false, None, None) => None,
        _ => {
            return Err(SnapshotError::Content(format!(
                "column {:?} has two of a default, an identity, a generation expression and a counter",
                entry.name
            )));
        }
    };
    let collation = entry
        .collation
        .map(|entry| Ok::<_, SnapshotError>(QualifiedName { schema: ident(entry.schema)?, table: ident(entry.name)? }));
    let collation = collation.transpose()?;
    let ty = reader.data_type(&entry.ty)?;
    let name = ident(entry.name)?;
    let place = || (table.clone(), name.clone());
    if let Some(old) = entry.renamed_from {
        reader.renames.columns.insert(place(), ident(old)?);
    }
    if !entry.renamed_labels.is_empty() {
        reader.renames.labels.insert(place(), entry.renamed_labels);
    }
    let (comment, nullable, sensitive) = (entry.comment, entry.nullable, entry.sensitive);
    Ok(Column { name, comment, ty, collation, nullable, default, sensitive })
}
