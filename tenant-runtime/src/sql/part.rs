//! The SQL that creates a single object of a schema, for the fixes of the audit.

use std::sync::Arc;

use super::{
    access, column as column_sql, columns, constraint as constraints, extension as extensions, function as functions,
    index as indexes, migrations, role, sequence as sequences, table as tables,
};
pub(crate) use super::{
    column::clause as column_clause,
    enum_type::create as enum_type,
    pgaudit::SETTING as PGAUDIT,
    role::{mark as role_mark, timeout_settings},
    sequence::{CACHE as SEQUENCE_CACHE, options as sequence_options},
    table::partition as partition_name,
};
use crate::{
    diff::{extension_users, of_roles},
    ident::Ident,
    model::{
        migration_hints::MigrationHints,
        schema::{Column, Function, Index, Key, Policy, QualifiedName, Schema, Table, Trigger},
    },
    plan::plan,
};

/// Creates the missing roles and their memberships.
pub(crate) fn roles(schema: &Schema) -> String {
    let items = of_roles(schema);
    format!("{}\n{}", role::create(items.iter()), role::grant_memberships(items.iter()))
}

/// Creates a table with its policies, triggers and grants.
pub(crate) fn table(name: &QualifiedName, table: &Table) -> String {
    format!("{}\n{}", tables::create(name, table), tables::open(name, table))
}

/// Creates one of `count` partitions of a table.
pub(crate) fn partition(name: &QualifiedName, table: &Table, count: u16, remainder: u16) -> String {
    tables::create_partition(name, count, remainder) + &tables::collect_no_statistics(name, table)
}

/// Creates an extension, and its schema if that does not exist, with USAGE for the roles that use the extension.
pub(crate) fn extension(schema: &Schema, name: &Ident, home: &Ident) -> String {
    format!("{}{}", extension_schema(schema, home), extensions::create(name, home).trim_end())
}

/// Creates the schema of extensions if it does not exist, and grants USAGE on it.
pub(crate) fn extension_schema(schema: &Schema, home: &Ident) -> String {
    let users = extension_users(schema);
    format!("CREATE SCHEMA IF NOT EXISTS {};\n{}", home.quoted(), extensions::change_users(home, &[], &users))
}

/// Creates a sequence.
pub(crate) fn sequence(name: &QualifiedName) -> String {
    sequences::create(name).trim().to_owned()
}

/// Creates a schema with its contents: the SQL is that of the migration from the declaration
/// without this schema to the complete declaration.
pub(crate) fn schema(whole: &Schema, name: &str) -> String {
    let mut without = whole.clone();
    without.schemas.retain(|schema| schema.as_str() != name);
    without.tables.retain(|table, _| table.schema.as_str() != name);
    without.functions.retain(|function, _| function.schema.as_str() != name);
    without.enums.retain(|name_of_type, _| name_of_type.schema.as_str() != name);
    without.sequences.retain(|sequence| sequence.schema.as_str() != name);
    migration(&without, whole)
}

/// Changes a column whose statistics are collected, although the declaration says that it is sensitive: the SQL is that of
/// the migration in which the column becomes sensitive, which removes its statistics.
pub(crate) fn sensitive_column(whole: &Schema, table: &QualifiedName, column: &Column) -> String {
    let mut before = whole.clone();
    let columns = before.tables.get_mut(table).into_iter().flat_map(|table| &mut Arc::make_mut(table).columns);
    columns.filter(|other| other.name == column.name).for_each(|column| column.sensitive = false);
    migration(&before, whole)
}

/// Returns the migration between two schemas, if nothing is renamed or dropped: then the plan cannot fail.
fn migration(before: &Schema, after: &Schema) -> String {
    let Ok(plan) = plan(before, after, &MigrationHints::default()) else { return String::new() };
    let files = migrations(&plan).into_iter().map(|file| {
        // The header is omitted: it describes a file in the migrations folder.
        let lines = file.up.lines().skip_while(|line| line.is_empty() || line.starts_with("--"));
        let up = lines.collect::<Vec<_>>().join("\n");
        if file.transaction { format!("BEGIN;\n{up}\nCOMMIT;") } else { up }
    });
    files.collect::<Vec<_>>().join("\n")
}

/// Adds a column, without its comment.
pub(crate) fn column(table: &QualifiedName, column: &Column) -> String {
    column_sql::add(table, &Column { comment: String::new(), ..column.clone() }).trim_end().to_owned()
}

/// Adds the constraint with the given name.
pub(crate) fn constraint(name: &QualifiedName, table: &Table, constraint: &str) -> Option<String> {
    if let Some(key) = table.foreign_keys.iter().find(|key| key.name.as_str() == constraint) {
        return Some(constraints::add_at_once(name, key, table.partitions));
    }
    let key =
        |kind: &str, key: &Key| (key.name.as_str() == constraint).then(|| format!("{kind} {}", columns(&key.columns)));
    let checks = table.checks.iter().filter(|check| check.name.as_str() == constraint);
    let exclusions = table.indexes.iter().filter(|index| index.name.as_str() == constraint);
    let what = key("PRIMARY KEY", &table.primary_key)
        .or_else(|| table.uniques.iter().find_map(|unique| key("UNIQUE", unique)))
        .or_else(|| exclusions.map(indexes::exclusion).next())
        .or_else(|| checks.map(|check| format!("CHECK ({})", check.condition)).next())?;
    Some(format!("ALTER TABLE {} ADD CONSTRAINT {} {what};", name.quoted(), crate::ident::quoted(constraint)))
}

/// Builds an index.
pub(crate) fn index(table: &QualifiedName, index: &Index) -> String {
    indexes::create(table, index).trim_end().to_owned()
}

/// Creates a policy.
pub(crate) fn policy(table: &str, policy: &Policy) -> String {
    access::create_policy(table, policy).trim_end().to_owned()
}

/// Creates a trigger.
pub(crate) fn trigger(table: &str, trigger: &Trigger) -> String {
    access::create_trigger(table, trigger).trim().to_owned()
}

/// Creates a function with its EXECUTE grants.
pub(crate) fn function(name: &QualifiedName, function: &Function) -> String {
    functions::create(name, function).trim().to_owned()
}
