//! The entries of enum types.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{Reader, ident, idents, texts},
};
use crate::model::schema::{EnumType, QualifiedName, Renames};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnumEntry {
    schema: String,
    name: String,
    labels: Vec<String>,
    /// The declared previous text of each renamed label, which the migrations have applied.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    renamed_labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    users: Vec<String>,
}

impl From<((&QualifiedName, &EnumType), &Renames)> for EnumEntry {
    fn from(((name, item), renames): ((&QualifiedName, &EnumType), &Renames)) -> Self {
        Self {
            schema: name.schema.to_string(),
            name: name.table.to_string(),
            labels: item.labels.clone(),
            renamed_labels: renames.enums.get(name).cloned().unwrap_or_default(),
            users: texts(&item.users),
        }
    }
}

pub(super) fn enum_type(entry: EnumEntry, reader: &mut Reader) -> Result<(QualifiedName, EnumType), SnapshotError> {
    let name = QualifiedName { schema: ident(entry.schema)?, table: ident(entry.name)? };
    if !entry.renamed_labels.is_empty() {
        reader.renames.enums.insert(name.clone(), entry.renamed_labels);
    }
    Ok((name, EnumType { labels: entry.labels, users: idents(entry.users)? }))
}
