//! The types of the snapshot file, separate from the model's types, so that the model can change without changing
//! committed files.
//!
//! These types are strict: an unknown key or kind is an error, and every name and expression is validated again.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize, Serializer};

use super::{
    FORMAT, Snapshot, SnapshotError,
    column::{ColumnEntry, column},
    enum_type::{EnumEntry, enum_type},
    function::{FunctionEntry, function},
    index::{IndexEntry, index},
    key::{ForeignKeyEntry, KeyEntry, foreign_key, key},
    policy::{PolicyEntry, policy},
    role::{RoleEntry, role},
    value::{Reader, TableNameEntry, each, ident, idents, table_name, texts},
};
use crate::model::schema::{
    Check, Command, Grant, LabelCheck, LogClasses, QualifiedName, Renames, Schema, Scope, Table, Trigger, TriggerKind,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SnapshotFile {
    pub(super) format: u32,
    product: String,
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    external_roles: bool,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pgaudit: Option<String>,
    roles: Vec<RoleEntry>,
    schemas: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    extensions: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    enums: Vec<EnumEntry>,
    context_settings: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    functions: Vec<FunctionEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    sequences: Vec<TableNameEntry>,
    tables: Vec<TableEntry>,
    #[serde(serialize_with = "by_number")]
    migrations: BTreeMap<String, String>,
    pub(super) checksum: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TableEntry {
    schema: String,
    table: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    renamed_from: Option<TableNameEntry>,
    comment: String,
    scope: ScopeEntry,
    columns: Vec<ColumnEntry>,
    primary_key: KeyEntry,
    uniques: Vec<KeyEntry>,
    checks: Vec<CheckEntry>,
    foreign_keys: Vec<ForeignKeyEntry>,
    indexes: Vec<IndexEntry>,
    policies: Vec<PolicyEntry>,
    grants: Vec<GrantEntry>,
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    triggers: Vec<TriggerEntry>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    partitions: Option<u16>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
enum ScopeEntry {
    Tenant(String),
    Parent(String),
    Shared,
    Global,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct TriggerEntry {
    name: String,
    function_schema: String,
    function: String,
    /// Whether the trigger fires before each update.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    before_update: bool,
    /// Whether the trigger fires before each inserted row.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    before_insert: bool,
    /// The arguments of the function, for a trigger that fires after each change.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    each_change: Option<Vec<String>>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct CheckEntry {
    name: String,
    condition: String,
    /// The labels of an enum column, and the column.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    labels: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    column: Option<String>,
    /// Whether the column contains arrays of labels.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    array: bool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantEntry {
    command: Command,
    columns: Vec<String>,
    role: String,
}

impl From<&Snapshot> for SnapshotFile {
    fn from(snapshot: &Snapshot) -> Self {
        let schema = &snapshot.schema;
        Self {
            format: FORMAT,
            product: schema.product.clone(),
            external_roles: schema.external_roles,
            pgaudit: schema.pgaudit.as_ref().map(ToString::to_string),
            roles: schema.roles.iter().map(RoleEntry::from).collect(),
            schemas: texts(&schema.schemas),
            extensions: schema.extensions.iter().map(|(name, home)| (name.to_string(), home.to_string())).collect(),
            enums: schema.enums.iter().map(|item| EnumEntry::from((item, &schema.renames))).collect(),
            context_settings: schema.context_settings.clone(),
            functions: schema.functions.iter().map(FunctionEntry::from).collect(),
            sequences: schema.sequences.iter().map(TableNameEntry::from).collect(),
            tables: schema.tables.iter().map(|table| TableEntry::from((table, &schema.renames))).collect(),
            migrations: snapshot.files.clone(),
            checksum: String::new(),
        }
    }
}

/// Writes the files in execution order, so that the newest file is last even if the numbers differ in length.
fn by_number<S: Serializer>(files: &BTreeMap<String, String>, serializer: S) -> Result<S::Ok, S::Error> {
    let number = |name: &str| name.split('_').next().and_then(|number| number.parse::<i64>().ok());
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by_key(|(name, _)| number(name));
    serializer.collect_map(files)
}

impl TryFrom<SnapshotFile> for Snapshot {
    type Error = SnapshotError;

    fn try_from(file: SnapshotFile) -> Result<Self, SnapshotError> {
        let mut reader = Reader::default();
        let tables: Result<_, SnapshotError> = file.tables.into_iter().map(|entry| table(entry, &mut reader)).collect();
        let enums: Result<_, SnapshotError> =
            file.enums.into_iter().map(|entry| enum_type(entry, &mut reader)).collect();
        let functions: Result<_, SnapshotError> =
            file.functions.into_iter().map(|entry| function(entry, &mut reader)).collect();
        let pgaudit = file.pgaudit.as_deref().map(LogClasses::parse).transpose();
        let schema = Schema {
            product: file.product,
            external_roles: file.external_roles,
            pgaudit: pgaudit.map_err(|class| SnapshotError::Content(format!("pgaudit has no class {class:?}")))?,
            roles: each(file.roles, role)?,
            schemas: idents(file.schemas)?,
            extensions: each(file.extensions.into_iter().collect(), |(name, home)| Ok((ident(name)?, ident(home)?)))?
                .into_iter()
                .collect(),
            enums: enums?,
            context_settings: file.context_settings,
            functions: functions?,
            sequences: each(file.sequences, table_name)?.into_iter().collect(),
            tables: tables?,
            renames: reader.renames,
        };
        Ok(Self { schema, files: file.migrations })
    }
}

impl From<((&QualifiedName, &Arc<Table>), &Renames)> for TableEntry {
    fn from(((name, table), renames): ((&QualifiedName, &Arc<Table>), &Renames)) -> Self {
        let old_name = renames.tables.get(name);
        Self {
            schema: name.schema.to_string(),
            table: name.table.to_string(),
            renamed_from: old_name.map(TableNameEntry::from),
            comment: table.comment.clone(),
            scope: match &table.scope {
                Scope::Tenant(column) => ScopeEntry::Tenant(column.to_string()),
                Scope::Parent(column) => ScopeEntry::Parent(column.to_string()),
                Scope::Shared => ScopeEntry::Shared,
                Scope::Global => ScopeEntry::Global,
            },
            columns: table.columns.iter().map(|column| ColumnEntry::from((name, column, renames))).collect(),
            primary_key: KeyEntry::from(&table.primary_key),
            uniques: table.uniques.iter().map(KeyEntry::from).collect(),
            checks: table
                .checks
                .iter()
                .map(|check| CheckEntry {
                    name: check.name.to_string(),
                    condition: check.condition.to_string(),
                    labels: check.labels.as_ref().map(|check| check.labels.clone()),
                    column: check.labels.as_ref().map(|check| check.column.to_string()),
                    array: check.labels.as_ref().is_some_and(|check| check.array),
                })
                .collect(),
            foreign_keys: table.foreign_keys.iter().map(ForeignKeyEntry::from).collect(),
            indexes: table.indexes.iter().map(IndexEntry::from).collect(),
            policies: table.policies.iter().map(PolicyEntry::from).collect(),
            grants: table
                .grants
                .iter()
                .map(|grant| GrantEntry {
                    command: grant.command,
                    columns: texts(&grant.columns),
                    role: grant.role.to_string(),
                })
                .collect(),
            triggers: table
                .triggers
                .iter()
                .map(|trigger| TriggerEntry {
                    name: trigger.name.to_string(),
                    function_schema: trigger.function.schema.to_string(),
                    function: trigger.function.table.to_string(),
                    before_update: trigger.kind == TriggerKind::BeforeUpdate,
                    before_insert: trigger.kind == TriggerKind::BeforeInsert,
                    each_change: match &trigger.kind {
                        TriggerKind::AtCommit | TriggerKind::BeforeUpdate | TriggerKind::BeforeInsert => None,
                        TriggerKind::EachChange { arguments } => Some(arguments.clone()),
                    },
                })
                .collect(),
            partitions: table.partitions,
        }
    }
}

fn table(entry: TableEntry, reader: &mut Reader) -> Result<(QualifiedName, Arc<Table>), SnapshotError> {
    let name = QualifiedName { schema: ident(entry.schema)?, table: ident(entry.table)? };
    if let Some(old) = entry.renamed_from {
        reader.renames.tables.insert(name.clone(), table_name(old)?);
    }
    let table = Table {
        comment: entry.comment,
        scope: match entry.scope {
            ScopeEntry::Tenant(column) => Scope::Tenant(ident(column)?),
            ScopeEntry::Parent(column) => Scope::Parent(ident(column)?),
            ScopeEntry::Shared => Scope::Shared,
            ScopeEntry::Global => Scope::Global,
        },
        columns: each(entry.columns, |entry| column(entry, &name, reader))?,
        primary_key: key(entry.primary_key)?,
        uniques: each(entry.uniques, key)?,
        checks: each(entry.checks, |entry| check(entry, reader))?,
        foreign_keys: each(entry.foreign_keys, foreign_key)?,
        indexes: each(entry.indexes, |entry| index(entry, reader))?,
        policies: each(entry.policies, |entry| policy(entry, reader))?,
        grants: each(entry.grants, |grant| {
            Ok(Grant { command: grant.command, columns: idents(grant.columns)?, role: ident(grant.role)? })
        })?,
        triggers: each(entry.triggers, |trigger| {
            let function = QualifiedName { schema: ident(trigger.function_schema)?, table: ident(trigger.function)? };
            let kind = match (trigger.before_update, trigger.before_insert, trigger.each_change) {
                (false, false, None) => TriggerKind::AtCommit,
                (true, false, None) => TriggerKind::BeforeUpdate,
                (false, true, None) => TriggerKind::BeforeInsert,
                (false, false, Some(arguments)) => TriggerKind::EachChange { arguments },
                _ => {
                    let problem = format!("trigger {:?} fires on two occasions", trigger.name);
                    return Err(SnapshotError::Content(problem));
                }
            };
            Ok(Trigger { name: ident(trigger.name)?, function, kind })
        })?,
        partitions: entry.partitions,
    };
    Ok((name, Arc::new(table)))
}

fn check(entry: CheckEntry, reader: &mut Reader) -> Result<Check, SnapshotError> {
    let labels = match (entry.column, entry.labels) {
        (Some(column), Some(labels)) => Some(LabelCheck { column: ident(column)?, array: entry.array, labels }),
        (None, None) => None,
        _ => {
            let problem = format!("check {:?} has labels without a column, or a column without labels", entry.name);
            return Err(SnapshotError::Content(problem));
        }
    };
    Ok(Check { name: ident(entry.name)?, condition: reader.expression(&entry.condition)?, labels })
}
