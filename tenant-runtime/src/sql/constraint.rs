//! The SQL of constraints on existing tables, and of the indexes that are built for them.

use super::{
    columns, index,
    table::{deferral, partition, references},
    without_force,
};
use crate::{
    diff::{KeyKind, SchemaObject},
    ident::Ident,
    model::schema::{ForeignKey, QualifiedName},
};

/// Adds a constraint; `how` is `" NOT VALID"` to skip the check of existing rows.
pub(super) fn add(item: &SchemaObject, how: &str) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    let what = match item {
        SchemaObject::Key { key, kind: KeyKind::Primary, .. } => format!("PRIMARY KEY {}", columns(&key.columns)),
        SchemaObject::Key { key, .. } => format!("UNIQUE {}", columns(&key.columns)),
        SchemaObject::Check { check, .. } => format!("CHECK ({})", check.condition),
        SchemaObject::ForeignKey { key, .. } => references(key),
        _ => return String::new(),
    };
    format!("ALTER TABLE {} ADD CONSTRAINT {} {what}{how};\n", table.quoted(), name.quoted())
}

/// Changes when a foreign key is checked.
pub(super) fn defer(table: &QualifiedName, key: &ForeignKey) -> String {
    let (table, name, deferral) = (table.quoted(), key.name.quoted(), deferral(key.deferral));
    format!("ALTER TABLE {table} ALTER CONSTRAINT {name} {deferral};\n")
}

pub(super) fn drop(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    format!("ALTER TABLE {} DROP CONSTRAINT {};\n", table.quoted(), name.quoted())
}

pub(super) fn rename(before: &SchemaObject, after: &SchemaObject) -> String {
    let (Some(table), Some(from), Some(to)) = (after.table(), before.constraint(), after.constraint()) else {
        return String::new();
    };
    match after {
        SchemaObject::Index { index: after, .. } => index::rename(table, from, after),
        _ => format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {};\n", table.quoted(), from.quoted(), to.quoted()),
    }
}

/// Validates a constraint; `owner` owns the table and runs the statement.
///
/// PostgreSQL validates a foreign key with a single query. FORCE ROW LEVEL SECURITY filters that query, so dangling references can
/// go undetected. If the role cannot read the referencing columns, PostgreSQL instead looks up the referenced row of each row, which no
/// policy filters. This needs neither NO FORCE nor its lock.
pub(super) fn validate(item: &SchemaObject, owner: Option<&Ident>) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    let (quoted, name) = (table.quoted(), name.quoted());
    let validate = format!("ALTER TABLE {quoted} VALIDATE CONSTRAINT {name};\n");
    let (SchemaObject::ForeignKey { key, .. }, Some(owner)) = (item, owner) else { return validate };
    let owner = owner.quoted();
    // The lookups read the referenced columns.
    let referenced = columns(&key.target_columns);
    let (grant, revoke) = match key.target == *table {
        true => (
            format!("GRANT SELECT {referenced} ON {quoted} TO {owner};\n"),
            format!("REVOKE SELECT {referenced} ON {quoted} FROM {owner};\n"),
        ),
        false => (String::new(), String::new()),
    };
    format!(
        "-- Without SELECT on the referencing columns, PostgreSQL checks each row by a lookup that no policy filters. Otherwise\n\
         -- it runs one query, and FORCE ROW LEVEL SECURITY would hide rows from it.\n\
         REVOKE SELECT ON {quoted} FROM {owner};\n{grant}{validate}{revoke}GRANT SELECT ON {quoted} TO {owner};\n"
    )
}

/// Builds an index without blocking reads and writes.
pub(super) fn build(item: &SchemaObject) -> String {
    match item {
        SchemaObject::Index { table, index } => index::build(table, index),
        SchemaObject::Key { table, key, .. } => {
            let (name, table) = (key.name.quoted(), table.quoted());
            format!("CREATE UNIQUE INDEX CONCURRENTLY {name} ON {table} {};\n", columns(&key.columns))
        }
        _ => String::new(),
    }
}

pub(super) fn unbuild(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    format!("DROP INDEX CONCURRENTLY IF EXISTS {};\n", index::name(table, name))
}

pub(super) fn attach(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    let (table, name) = (table.quoted(), name.quoted());
    format!("ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};\n")
}

/// Adds a foreign key and validates it immediately.
///
/// PostgreSQL validates existing rows by a query with the privileges of the table owner. Under FORCE, the
/// owner does not see the rows, and dangling references would not be detected. So FORCE is turned off during
/// validation, which exempts only the owner; the policies still apply to the application roles.
pub(super) fn add_at_once(name: &QualifiedName, key: &ForeignKey, partitions: Option<u16>) -> String {
    let mut tables = vec![name.quoted()];
    tables.extend((0..partitions.unwrap_or(0)).map(|remainder| partition(name, remainder).quoted()));
    if key.target != *name {
        tables.push(key.target.quoted());
    }
    let add = format!("ALTER TABLE {} ADD CONSTRAINT {} {};\n", name.quoted(), key.name.quoted(), references(key));
    let why = "NO FORCE exempts only the table owner, which must see all rows to validate the foreign key.";
    without_force(&tables, why, &add)
}
