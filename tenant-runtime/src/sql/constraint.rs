//! The SQL of keys, checks, foreign keys and indexes of tables that are there.

use super::{
    columns,
    table::{partition, references},
};
use crate::{
    diff::{KeyKind, SchemaObject},
    ident::Ident,
    model::schema::{ForeignKey, Key, QualifiedName},
};

/// Adds a constraint; `how` says whether the rows that are there are read.
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

pub(super) fn drop(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    match item {
        SchemaObject::Key { kind: KeyKind::Index, .. } => format!("DROP INDEX {};\n", beside(table, name)),
        _ => format!("ALTER TABLE {} DROP CONSTRAINT {};\n", table.quoted(), name.quoted()),
    }
}

pub(super) fn rename(before: &SchemaObject, after: &SchemaObject) -> String {
    let (Some(table), Some(from), Some(to)) = (after.table(), before.constraint(), after.constraint()) else {
        return String::new();
    };
    match after {
        SchemaObject::Key { kind: KeyKind::Index, .. } => {
            format!("ALTER INDEX {} RENAME TO {};\n", beside(table, from), to.quoted())
        }
        _ => format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {};\n", table.quoted(), from.quoted(), to.quoted()),
    }
}

pub(super) fn validate(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    format!("ALTER TABLE {} VALIDATE CONSTRAINT {};\n", table.quoted(), name.quoted())
}

pub(super) fn create_index(item: &SchemaObject) -> String {
    let SchemaObject::Key { table, key, .. } = item else { return String::new() };
    index(table, key, "INDEX")
}

/// Builds an index while others read and write. An owner's member may, who inherits from the owner.
pub(super) fn build(item: &SchemaObject) -> String {
    match item {
        SchemaObject::Key { table, key, kind: KeyKind::Index } => index(table, key, "INDEX CONCURRENTLY"),
        SchemaObject::Key { table, key, .. } => index(table, key, "UNIQUE INDEX CONCURRENTLY"),
        _ => String::new(),
    }
}

fn index(table: &QualifiedName, key: &Key, how: &str) -> String {
    format!("CREATE {how} {} ON {} {};\n", key.name.quoted(), table.quoted(), columns(&key.columns))
}

pub(super) fn unbuild(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    format!("DROP INDEX CONCURRENTLY IF EXISTS {};\n", beside(table, name))
}

pub(super) fn attach(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    let (table, name) = (table.quoted(), name.quoted());
    format!("ALTER TABLE {table} ADD CONSTRAINT {name} UNIQUE USING INDEX {name};\n")
}

/// Adds a foreign key that is valid at once.
///
/// PostgreSQL checks the rows that are there by a query of the owner's, whom FORCE keeps from seeing them: it would call
/// dangling rows valid. So FORCE is lifted for that moment, for the owner alone; the application_roles stay under the policies.
pub(super) fn add_at_once(name: &QualifiedName, key: &ForeignKey, partitions: Option<u16>) -> String {
    let mut tables = vec![name.quoted()];
    tables.extend((0..partitions.unwrap_or(0)).map(|remainder| partition(name, remainder).quoted()));
    if key.target != *name {
        tables.push(key.target.quoted());
    }
    let force = |word: &str| {
        tables.iter().map(|table| format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY;\n")).collect::<String>()
    };
    format!(
        "{}ALTER TABLE {} ADD CONSTRAINT {} {};\n{}",
        force("NO FORCE"),
        name.quoted(),
        key.name.quoted(),
        references(key),
        force("FORCE")
    )
}

/// An index lives in the schema of its table.
fn beside(table: &QualifiedName, name: &Ident) -> String {
    QualifiedName { schema: table.schema.clone(), table: name.clone() }.quoted()
}
