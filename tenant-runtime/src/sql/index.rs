//! The SQL of indexes and exclusion constraints.

use super::columns;
use crate::{
    ident::Ident,
    model::schema::{Index, IndexKey, IndexKind, IndexPart, QualifiedName},
};

/// Creates an index or an exclusion constraint.
pub(super) fn create(table: &QualifiedName, index: &Index) -> String {
    match index.kind {
        IndexKind::Exclusion => {
            let (table, constraint) = (table.quoted(), exclusion(index));
            format!("ALTER TABLE {table} ADD CONSTRAINT {} {constraint};\n", index.name.quoted())
        }
        IndexKind::Plain | IndexKind::Unique { .. } => create_index(table, index, ""),
    }
}

/// Builds an index without blocking reads and writes. The administrator can build the index, because an administrator
/// inherits the privileges of the owner role.
pub(super) fn build(table: &QualifiedName, index: &Index) -> String {
    create_index(table, index, "CONCURRENTLY ")
}

fn create_index(table: &QualifiedName, index: &Index, how: &str) -> String {
    let (unique, nulls) = match index.kind {
        IndexKind::Unique { nulls_not_distinct } => ("UNIQUE ", nulls_not_distinct),
        IndexKind::Plain | IndexKind::Exclusion => ("", false),
    };
    let nulls = if nulls { " NULLS NOT DISTINCT" } else { "" };
    let method = match index.method.as_str() {
        "btree" => String::new(),
        _ => format!(" USING {}", index.method.quoted()),
    };
    format!(
        "CREATE {unique}INDEX {how}{} ON {}{method} ({}){}{nulls}{};\n",
        index.name.quoted(),
        table.quoted(),
        parts(index),
        include(index),
        condition(index, "")
    )
}

/// Returns the definition of an exclusion constraint.
pub(super) fn exclusion(index: &Index) -> String {
    let method = index.method.quoted();
    format!("EXCLUDE USING {method} ({}){}{}", parts(index), include(index), condition(index, "("))
}

fn parts(index: &Index) -> String {
    index.parts.iter().map(part).collect::<Vec<_>>().join(", ")
}

fn part(part: &IndexPart) -> String {
    let mut out = match &part.key {
        IndexKey::Column(name) => name.quoted().to_string(),
        IndexKey::Expression(text) => format!("({text})"),
    };
    if let Some(class) = &part.operator_class {
        let class: Vec<_> = class.iter().map(|name| name.quoted().to_string()).collect();
        out.push_str(&format!(" {}", class.join(".")));
    }
    if part.descending {
        out.push_str(" DESC");
    }
    // Without a clause, PostgreSQL sorts NULL as if it were greater than every value.
    match (part.descending, part.nulls_first) {
        (false, true) => out.push_str(" NULLS FIRST"),
        (true, false) => out.push_str(" NULLS LAST"),
        _ => {}
    }
    if let Some(operator) = &part.operator {
        out.push_str(&format!(" WITH {}", operator.as_str()));
    }
    out
}

fn include(index: &Index) -> String {
    if index.include.is_empty() { String::new() } else { format!(" INCLUDE {}", columns(&index.include)) }
}

/// Returns the WHERE clause; a constraint requires parentheses around the condition.
fn condition(index: &Index, open: &str) -> String {
    let close = if open.is_empty() { "" } else { ")" };
    index.condition.as_ref().map(|condition| format!(" WHERE {open}{condition}{close}")).unwrap_or_default()
}

pub(super) fn drop(table: &QualifiedName, index: &Index) -> String {
    match index.kind {
        IndexKind::Exclusion => {
            format!("ALTER TABLE {} DROP CONSTRAINT {};\n", table.quoted(), index.name.quoted())
        }
        IndexKind::Plain | IndexKind::Unique { .. } => format!("DROP INDEX {};\n", name(table, &index.name)),
    }
}

pub(super) fn rename(table: &QualifiedName, from: &Ident, to: &Index) -> String {
    let new = to.name.quoted();
    match to.kind {
        IndexKind::Exclusion => {
            format!("ALTER TABLE {} RENAME CONSTRAINT {} TO {new};\n", table.quoted(), from.quoted())
        }
        IndexKind::Plain | IndexKind::Unique { .. } => {
            format!("ALTER INDEX {} RENAME TO {new};\n", name(table, from))
        }
    }
}

/// Returns the qualified name of an index, which is in the schema of its table.
pub(super) fn name(table: &QualifiedName, name: &Ident) -> String {
    QualifiedName { schema: table.schema.clone(), table: name.clone() }.quoted()
}
