//! The SQL of constraints and indexes on existing tables.

use super::{
    columns,
    table::{partition, references},
    without_force,
};
use crate::{
    diff::{KeyKind, SchemaObject},
    ident::Ident,
    model::schema::{ForeignKey, Key, QualifiedName},
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

pub(super) fn drop(item: &SchemaObject) -> String {
    let (Some(table), Some(name)) = (item.table(), item.constraint()) else { return String::new() };
    match item {
        SchemaObject::Key { kind: KeyKind::Index, .. } => format!("DROP INDEX {};\n", index_name(table, name)),
        _ => format!("ALTER TABLE {} DROP CONSTRAINT {};\n", table.quoted(), name.quoted()),
    }
}

pub(super) fn rename(before: &SchemaObject, after: &SchemaObject) -> String {
    let (Some(table), Some(from), Some(to)) = (after.table(), before.constraint(), after.constraint()) else {
        return String::new();
    };
    match after {
        SchemaObject::Key { kind: KeyKind::Index, .. } => {
            format!("ALTER INDEX {} RENAME TO {};\n", index_name(table, from), to.quoted())
        }
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

pub(super) fn create_index(item: &SchemaObject) -> String {
    let SchemaObject::Key { table, key, .. } = item else { return String::new() };
    index(table, key, "INDEX")
}

/// Builds an index without blocking reads and writes. The administrator can build the index,
/// because an administrator inherits the privileges of the owner role.
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
    format!("DROP INDEX CONCURRENTLY IF EXISTS {};\n", index_name(table, name))
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

/// Returns the qualified name of an index, which is in the schema of its table.
fn index_name(table: &QualifiedName, name: &Ident) -> String {
    QualifiedName { schema: table.schema.clone(), table: name.clone() }.quoted()
}
