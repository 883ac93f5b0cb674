//! The SQL that fixes a finding, for an administrator to review and run.

mod alter;
mod create;
mod drop;
mod manual;

pub(super) use self::manual::comment_lines;
use crate::{
    audit::catalog::{Name, Object, signature},
    ident::{Ident, literal, quoted},
    model::schema::{Column, Function, QualifiedName, Schema, Table},
    sql::part,
};

/// Writes the SQL that fixes findings.
pub(super) struct FixWriter<'s> {
    pub(super) schema: &'s Schema,
    /// The server's version, such as 150004.
    pub(super) version: u32,
    /// The database's name.
    pub(super) database: String,
    /// The settings of the context.
    pub(super) context: Vec<String>,
}

impl FixWriter<'_> {
    /// Returns whether a role belongs to the product.
    pub(super) fn is_ours(&self, role: &str) -> bool {
        self.schema.roles().iter().any(|own| own.name.as_str() == role)
    }

    /// Returns whether a setting is part of the context.
    pub(super) fn is_context(&self, setting: &str) -> bool {
        self.context.iter().any(|own| own == setting)
    }

    fn has_options(&self) -> bool {
        self.version >= 160_000
    }

    fn table(&self, name: &Name) -> Option<(&QualifiedName, &Table)> {
        let mut tables = self.schema.tables().iter().map(|(own, table)| (own, &**table));
        tables.find(|(own, _)| Name::from(*own) == *name)
    }

    /// Finds a declared column.
    fn column(&self, table: &Name, name: &str) -> Option<&Column> {
        let (_, table) = self.table(table)?;
        table.columns.iter().find(|column| column.name.as_str() == name)
    }

    /// Finds the table of a declared partition, with the table's number of partitions and the
    /// remainder of this partition.
    fn partition(&self, name: &Name) -> Option<(&QualifiedName, u16, u16)> {
        self.schema.tables().iter().find_map(|(own, table)| {
            let count = table.partitions?;
            let remainder = (0..count).find(|remainder| Name::from(&part::partition_name(own, *remainder)) == *name)?;
            Some((own, count, remainder))
        })
    }

    fn function(&self, name: &Name) -> Option<(&QualifiedName, &Function)> {
        self.schema.functions().iter().find(|(own, _)| Name::from(*own) == *name)
    }

    /// Writes statements that run as a role, which then owns the objects that they create.
    fn run_as(role: Option<&Ident>, statements: &str) -> String {
        role.map_or_else(
            || statements.to_owned(),
            |role| format!("SET ROLE {};\n{statements}\nRESET ROLE;", role.quoted()),
        )
    }

    /// Writes a privilege's column list, and its object as GRANT expects it after `ON`.
    fn place(&self, on: &Object) -> (String, String) {
        match on {
            Object::Database => (String::new(), format!("DATABASE {}", quoted(&self.database))),
            Object::Schema(name) => (String::new(), format!("SCHEMA {}", quoted(name))),
            Object::Sequence(name) => (String::new(), format!("SEQUENCE {}", name.quoted())),
            Object::Type(name) => (String::new(), format!("TYPE {}", name.quoted())),
            Object::Function(name, arguments) => (String::new(), format!("ROUTINE {}", signature(name, arguments))),
            Object::Column(table, column) => (format!(" ({})", quoted(column)), table.quoted()),
            Object::Relation(name) => (String::new(), name.quoted()),
            other => (String::new(), other.to_string()),
        }
    }
}

/// Writes a COMMENT statement; an empty string removes the comment.
fn comment(on: &str, text: &str) -> String {
    let text = if text.is_empty() { "NULL".to_owned() } else { literal(text) };
    format!("COMMENT ON {on} IS {text};")
}
