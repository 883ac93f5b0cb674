//! The entries of keys, indexes and foreign keys.

use serde::{Deserialize, Serialize};

use super::{
    SnapshotError,
    value::{ident, idents, texts},
};
use crate::model::schema::{Deferral, ForeignKey, ForeignKeyAction, Key, OnUpdate, QualifiedName};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyEntry {
    name: String,
    columns: Vec<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForeignKeyEntry {
    name: String,
    columns: Vec<String>,
    target_schema: String,
    target_table: String,
    target_columns: Vec<String>,
    on_delete: ActionEntry,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    on_update: Option<UpdateEntry>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    deferrable: Option<DeferralEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum UpdateEntry {
    Cascade,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum DeferralEntry {
    InitiallyImmediate,
    InitiallyDeferred,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum ActionEntry {
    NoAction,
    Cascade,
    SetNull(String),
    SetNullColumns(Vec<String>),
}

impl From<&Key> for KeyEntry {
    fn from(key: &Key) -> Self {
        Self { name: key.name.to_string(), columns: texts(&key.columns) }
    }
}

pub(super) fn key(entry: KeyEntry) -> Result<Key, SnapshotError> {
    Ok(Key { name: ident(entry.name)?, columns: idents(entry.columns)? })
}

impl From<&ForeignKey> for ForeignKeyEntry {
    fn from(key: &ForeignKey) -> Self {
        Self {
            name: key.name.to_string(),
            columns: texts(&key.columns),
            target_schema: key.target.schema.to_string(),
            target_table: key.target.table.to_string(),
            target_columns: texts(&key.target_columns),
            on_delete: match &key.on_delete {
                ForeignKeyAction::NoAction => ActionEntry::NoAction,
                ForeignKeyAction::Cascade => ActionEntry::Cascade,
                ForeignKeyAction::SetNull(columns) => match &columns[..] {
                    [column] => ActionEntry::SetNull(column.to_string()),
                    _ => ActionEntry::SetNullColumns(texts(columns)),
                },
            },
            on_update: match key.on_update {
                OnUpdate::NoAction => None,
                OnUpdate::Cascade => Some(UpdateEntry::Cascade),
            },
            deferrable: match key.deferral {
                Deferral::NotDeferrable => None,
                Deferral::InitiallyImmediate => Some(DeferralEntry::InitiallyImmediate),
                Deferral::InitiallyDeferred => Some(DeferralEntry::InitiallyDeferred),
            },
        }
    }
}

pub(super) fn foreign_key(entry: ForeignKeyEntry) -> Result<ForeignKey, SnapshotError> {
    Ok(ForeignKey {
        name: ident(entry.name)?,
        columns: idents(entry.columns)?,
        target: QualifiedName { schema: ident(entry.target_schema)?, table: ident(entry.target_table)? },
        target_columns: idents(entry.target_columns)?,
        on_delete: match entry.on_delete {
            ActionEntry::NoAction => ForeignKeyAction::NoAction,
            ActionEntry::Cascade => ForeignKeyAction::Cascade,
            ActionEntry::SetNull(column) => ForeignKeyAction::SetNull(vec![ident(column)?]),
            ActionEntry::SetNullColumns(columns) => ForeignKeyAction::SetNull(idents(columns)?),
        },
        on_update: match entry.on_update {
            None => OnUpdate::NoAction,
            Some(UpdateEntry::Cascade) => OnUpdate::Cascade,
        },
        deferral: match entry.deferrable {
            None => Deferral::NotDeferrable,
            Some(DeferralEntry::InitiallyImmediate) => Deferral::InitiallyImmediate,
            Some(DeferralEntry::InitiallyDeferred) => Deferral::InitiallyDeferred,
        },
    })
}
