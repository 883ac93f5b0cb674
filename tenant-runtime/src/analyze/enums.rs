//! Lowers the enum types of columns.

use std::collections::BTreeMap;

use super::{
    Known,
    finding::{Findings, field_place},
    ident, list,
    tenancy::Tenancy,
};
use crate::model::{
    def::{EnumDef, LabelsDef, SqlType, TableDef},
    schema::{EnumType, QualifiedName, RoleKind},
};

/// Lowers the enum types, each with its labels.
pub(super) fn enums(known: &Known, tenancy: &Tenancy, findings: &mut Findings) -> BTreeMap<QualifiedName, EnumType> {
    let users = tenancy.roles.iter().filter(|role| role.kind == RoleKind::FunctionOwner);
    let users: Vec<_> = users.map(|role| role.name.clone()).collect();
    let mut enums: BTreeMap<QualifiedName, EnumType> = BTreeMap::new();
    for def in known.by_qualified_name.values() {
        for column in def.columns {
            let Some(declared) = enum_of(column.ty) else { continue };
            let place = field_place(def, column);
            let Some(name) = qualified(def, &declared, &place, findings) else { continue };
            if known.by_qualified_name.contains_key(&name) {
                findings.error(
                    &place,
                    format!("the enum type `{name}` has the name of a table, and so of the type of its rows"),
                    "set another name: `#[tenant(native = \"…\")]` on the enum",
                );
            }
            let labels: Vec<String> = declared.labels.labels.iter().map(ToString::to_string).collect();
            if let Some(other) = enums.get(&name).filter(|other| other.labels != labels) {
                findings.error(
                    &place,
                    format!(
                        "two enums have the type name `{name}`; the other has the labels {}",
                        list(other.labels.iter().map(String::as_str))
                    ),
                    "set another name on one of them: `#[tenant(native = \"…\")]`",
                );
            }
            enums.insert(name, EnumType { labels, users: users.clone() });
        }
    }
    enums
}

/// Returns the enum type of a column or of its elements.
pub(super) fn enum_of(ty: SqlType) -> Option<EnumDef> {
    match ty {
        SqlType::Enum(declared) => Some(declared),
        SqlType::Array(SqlType::Enum(declared)) => Some(*declared),
        _ => None,
    }
}

/// Returns the labels of a text column or of its elements.
pub(super) fn text_labels(ty: SqlType) -> Option<LabelsDef> {
    match ty {
        SqlType::Labels(labels) => Some(labels),
        SqlType::Array(SqlType::Labels(labels)) => Some(*labels),
        _ => None,
    }
}

/// Returns the name of an enum type, which is in the schema of the tenancy.
pub(super) fn qualified(
    def: &TableDef,
    declared: &EnumDef,
    place: &str,
    findings: &mut Findings,
) -> Option<QualifiedName> {
    let schema = ident(def.tenancy.schema, "schema", place, findings)?;
    Some(QualifiedName { schema, table: ident(declared.name, "native", place, findings)? })
}
