//! The SQL of a table: columns, constraints, indexes, row-level security, policies and grants, in that order.

use std::fmt::Write as _;

use super::{access, column, columns, heading, index};
use crate::{
    ident::{Ident, literal},
    model::schema::{
        Column, Deferral, ForeignKey, ForeignKeyAction, Index, IndexKind, Key, OnUpdate, QualifiedName, Table,
    },
};

/// Creates a table and enables row-level security on it in the same transaction.
pub(super) fn create(name: &QualifiedName, table: &Table) -> String {
    let title = heading(&format!("Table {name}"));
    let quoted = name.quoted();
    let mut out = format!("{title}CREATE TABLE {quoted} (\n{}\n)", body(table).join(",\n"));
    match (table.tenant_column(), table.partitions) {
        (Some(tenant), Some(count)) => {
            let _ = writeln!(out, " PARTITION BY HASH ({});", tenant.quoted());
            out.push_str(&partitions(name, count));
        }
        _ => out.push_str(";\n"),
    }
    out.push_str(&collect_no_statistics(name, table));
    if !table.comment.is_empty() {
        out.push_str(&comment(name, &table.comment));
    }
    for column in table.columns.iter().filter(|column| !column.comment.is_empty()) {
        out.push_str(&column::comment(name, column));
    }
    table
        .indexes
        .iter()
        .filter(|index| !is_exclusion(index))
        .for_each(|index| out.push_str(&index::create(name, index)));
    let _ = write!(
        out,
        "\nALTER TABLE {quoted} ENABLE ROW LEVEL SECURITY;\nALTER TABLE {quoted} FORCE ROW LEVEL SECURITY;\n"
    );
    out
}

/// Creates the policies, triggers and grants of a table. The grants come last, so that no role has access before the
/// policies exist.
pub(super) fn open(name: &QualifiedName, table: &Table) -> String {
    let quoted = name.quoted();
    let mut out = heading(&format!("Policies and grants of {name}"));
    if table.policies.is_empty() {
        out.push_str("-- None: application roles have no access to this table.\n");
    }
    let policies = table.policies.iter().map(|policy| access::create_policy(&quoted, policy));
    out.push_str(&policies.collect::<Vec<_>>().join("\n"));
    for trigger in &table.triggers {
        out.push('\n');
        out.push_str(&access::create_trigger(&quoted, trigger));
    }
    if !table.grants.is_empty() {
        out.push('\n');
    }
    table.grants.iter().for_each(|grant| out.push_str(&access::grant(&quoted, grant)));
    out
}

/// Drops the policies, which can read tables that are dropped next: the permissive policies first, the restrictive
/// policy last.
pub(super) fn close(name: &QualifiedName, table: &Table) -> String {
    let (quoted, title) = (name.quoted(), heading(&format!("Policies and grants of {name}")));
    let mut out = String::new();
    for policy in table.policies.iter().rev() {
        out.push_str(&access::drop_policy(&quoted, policy));
    }
    if out.is_empty() { out } else { title + &out }
}

/// Switches statistics of the sensitive columns off, also for the existing partitions.
pub(super) fn collect_no_statistics(name: &QualifiedName, table: &Table) -> String {
    let sensitive = table.columns.iter().filter(|column| column.sensitive);
    sensitive.map(|column| column::collect_no_statistics(name, column)).collect()
}

/// Creates the partitions.
fn partitions(name: &QualifiedName, count: u16) -> String {
    (0..count).map(|remainder| create_partition(name, count, remainder)).collect()
}

/// Creates a partition. The parent's policies do not apply to queries on the partition itself;
/// because RLS is forced on the partition and it has no policies, such a query returns no rows.
pub(super) fn create_partition(name: &QualifiedName, count: u16, remainder: u16) -> String {
    let (part, parent) = (partition(name, remainder).quoted(), name.quoted());
    format!(
        "CREATE TABLE {part} PARTITION OF {parent} FOR VALUES WITH (MODULUS {count}, REMAINDER {remainder});\n\
         ALTER TABLE {part} ENABLE ROW LEVEL SECURITY;\nALTER TABLE {part} FORCE ROW LEVEL SECURITY;\n"
    )
}

/// Returns the name of a partition.
pub(crate) fn partition(name: &QualifiedName, remainder: u16) -> QualifiedName {
    let number = format!("p{remainder}");
    QualifiedName { schema: name.schema.clone(), table: Ident::derived([name.table.as_str(), &number]) }
}

/// Renames a table, with its partitions.
pub(super) fn rename(from: &QualifiedName, to: &QualifiedName, partitions: Option<u16>) -> String {
    let parts = (0..partitions.unwrap_or(0)).map(|remainder| (partition(from, remainder), partition(to, remainder)));
    let mut out = String::new();
    for (from, to) in [(from.clone(), to.clone())].into_iter().chain(parts) {
        let mut now = from.clone();
        if from.schema != to.schema {
            let _ = writeln!(out, "ALTER TABLE {} SET SCHEMA {};", from.quoted(), to.schema.quoted());
            now.schema = to.schema.clone();
        }
        if from.table != to.table {
            let _ = writeln!(out, "ALTER TABLE {} RENAME TO {};", now.quoted(), to.table.quoted());
        }
    }
    out
}

pub(super) fn comment(table: &QualifiedName, comment: &str) -> String {
    let text = if comment.is_empty() { "NULL".to_owned() } else { literal(comment) };
    format!("COMMENT ON TABLE {} IS {text};\n", table.quoted())
}

/// Drops a table.
pub(super) fn drop(name: &QualifiedName) -> String {
    format!("DROP TABLE {};\n", name.quoted())
}

fn body(table: &Table) -> Vec<String> {
    let width = |text: fn(&Column) -> String| table.columns.iter().map(|c| text(c).chars().count()).max().unwrap_or(0);
    let name_width = width(|column| column.name.quoted().to_string());
    let type_width = width(Column::sql_type);
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let rest = column::rest(column);
            let type_width = if rest.is_empty() { 0 } else { type_width + 1 };
            format!("    {:name_width$} {:type_width$}{rest}", column.name.quoted().to_string(), column.sql_type())
        })
        .collect();
    lines.push(constraint(&table.primary_key.name, &format!("PRIMARY KEY {}", columns(&table.primary_key.columns))));
    let unique = |key: &Key| constraint(&key.name, &format!("UNIQUE {}", columns(&key.columns)));
    lines.extend(table.uniques.iter().map(unique));
    let exclusions = table.indexes.iter().filter(|index| is_exclusion(index));
    lines.extend(exclusions.map(|index| constraint(&index.name, &index::exclusion(index))));
    lines.extend(table.checks.iter().map(|check| constraint(&check.name, &format!("CHECK ({})", check.condition))));
    lines.extend(table.foreign_keys.iter().map(|key| constraint(&key.name, &references(key))));
    lines
}

fn is_exclusion(index: &Index) -> bool {
    index.kind == IndexKind::Exclusion
}

fn constraint(name: &Ident, what: &str) -> String {
    format!("    CONSTRAINT {} {what}", name.quoted())
}

pub(super) fn references(key: &ForeignKey) -> String {
    let action = match &key.on_delete {
        ForeignKeyAction::NoAction => String::new(),
        ForeignKeyAction::Cascade => " ON DELETE CASCADE".to_owned(),
        ForeignKeyAction::SetNull(set) => format!(" ON DELETE SET NULL {}", columns(set)),
    };
    let on_update = match key.on_update {
        OnUpdate::NoAction => "",
        OnUpdate::Cascade => " ON UPDATE CASCADE",
    };
    let deferral = match key.deferral {
        Deferral::NotDeferrable => "",
        deferral => &format!(" {}", self::deferral(deferral)),
    };
    format!(
        "FOREIGN KEY {}\n        REFERENCES {} {}{action}{on_update}{deferral}",
        columns(&key.columns),
        key.target.quoted(),
        columns(&key.target_columns)
    )
}

/// Returns the clause that says when a foreign key is checked.
pub(super) fn deferral(deferral: Deferral) -> &'static str {
    match deferral {
        Deferral::NotDeferrable => "NOT DEFERRABLE",
        Deferral::InitiallyImmediate => "DEFERRABLE",
        Deferral::InitiallyDeferred => "DEFERRABLE INITIALLY DEFERRED",
    }
}
