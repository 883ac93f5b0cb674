//! The SQL of a table: columns, keys, indexes, row level security, policies and grants, in that order.

use std::fmt::Write as _;

use super::heading;
use crate::{
    ident::{Ident, literal},
    model::schema::{
        Column, ColumnDefault, Command, ForeignKey, ForeignKeyAction, Key, Policy, QualifiedName, Table, Trigger,
    },
};

/// Makes a table, under row level security from its first moment.
pub(super) fn create(name: &QualifiedName, table: &Table, foreign_keys: &[&ForeignKey]) -> String {
    let title = heading(&format!("Table {name}"));
    let quoted = name.quoted();
    let mut out = format!("{title}CREATE TABLE {quoted} (\n{}\n)", body(table, foreign_keys).join(",\n"));
    match (table.tenant_column(), table.partitions) {
        (Some(tenant), Some(count)) => {
            let _ = writeln!(out, " PARTITION BY HASH ({});", tenant.quoted());
            out.push_str(&partitions(name, count));
        }
        _ => out.push_str(";\n"),
    }
    if !table.comment.is_empty() {
        let _ = writeln!(out, "COMMENT ON TABLE {quoted} IS {};", literal(&table.comment));
    }
    for column in table.columns.iter().filter(|column| !column.comment.is_empty()) {
        let column_name = column.name.quoted();
        let _ = writeln!(out, "COMMENT ON COLUMN {quoted}.{column_name} IS {};", literal(&column.comment));
    }
    for index in &table.indexes {
        let _ = writeln!(out, "CREATE INDEX {} ON {quoted} {};", index.name.quoted(), columns(&index.columns));
    }
    let _ = write!(
        out,
        "\nALTER TABLE {quoted} ENABLE ROW LEVEL SECURITY;\nALTER TABLE {quoted} FORCE ROW LEVEL SECURITY;\n"
    );
    out
}

/// Lets the roles at a table. Nobody can read it before its policies are in place: the grants come last.
pub(super) fn open(name: &QualifiedName, table: &Table) -> String {
    let quoted = name.quoted();
    let mut out = heading(&format!("Access to {name}"));
    if table.policies.is_empty() {
        out.push_str("-- Nobody: there is no policy and no grant.\n");
    }
    let policies = table.policies.iter().map(|policy| create_policy(&quoted, policy));
    out.push_str(&policies.collect::<Vec<_>>().join("\n"));
    out.extend(table.triggers.iter().map(|trigger| create_trigger(&quoted, trigger)));
    if !table.grants.is_empty() {
        out.push('\n');
    }
    for grant in &table.grants {
        let list = if grant.columns.is_empty() { String::new() } else { format!(" {}", columns(&grant.columns)) };
        let _ = writeln!(out, "GRANT {}{list} ON {quoted} TO {};", grant.command.keyword(), grant.role.quoted());
    }
    out
}

/// Takes the policies away, which may ask tables that are dropped next.
pub(super) fn close(name: &QualifiedName, table: &Table) -> String {
    let (quoted, title) = (name.quoted(), heading(&format!("Access to {name}")));
    let mut out = String::new();
    for policy in table.policies.iter().rev() {
        let _ = writeln!(out, "DROP POLICY {} ON {quoted};", policy.name.quoted());
    }
    if out.is_empty() { out } else { title + &out }
}

/// Makes the partitions. A partition that is read directly is not under its parent's policies; without one of its own and
/// under FORCE it shows nothing to anybody.
fn partitions(name: &QualifiedName, count: u16) -> String {
    let mut out = String::new();
    for remainder in 0..count {
        let number = format!("p{remainder}");
        let table = Ident::derived([name.table.as_str(), &number]);
        let part = QualifiedName { schema: name.schema.clone(), table }.quoted();
        let parent = name.quoted();
        let _ = write!(
            out,
            "CREATE TABLE {part} PARTITION OF {parent} FOR VALUES WITH (MODULUS {count}, REMAINDER {remainder});\n\
             ALTER TABLE {part} ENABLE ROW LEVEL SECURITY;\nALTER TABLE {part} FORCE ROW LEVEL SECURITY;\n"
        );
    }
    out
}

/// Drops a table.
pub(super) fn drop(name: &QualifiedName) -> String {
    format!("DROP TABLE {};\n", name.quoted())
}

fn body(table: &Table, foreign_keys: &[&ForeignKey]) -> Vec<String> {
    let width = |text: fn(&Column) -> String| table.columns.iter().map(|c| text(c).chars().count()).max().unwrap_or(0);
    let name_width = width(|column| column.name.quoted().to_string());
    let type_width = width(|column| column.ty.to_string());
    let mut lines: Vec<String> = table
        .columns
        .iter()
        .map(|column| {
            let rest = column_rest(column);
            let type_width = if rest.is_empty() { 0 } else { type_width + 1 };
            format!("    {:name_width$} {:type_width$}{rest}", column.name.quoted().to_string(), column.ty.to_string())
        })
        .collect();
    lines.push(constraint(&table.primary_key.name, &format!("PRIMARY KEY {}", columns(&table.primary_key.columns))));
    let unique = |key: &Key| constraint(&key.name, &format!("UNIQUE {}", columns(&key.columns)));
    lines.extend(table.uniques.iter().map(unique));
    lines.extend(table.checks.iter().map(|check| constraint(&check.name, &format!("CHECK ({})", check.condition))));
    lines.extend(foreign_keys.iter().map(|key| constraint(&key.name, &references(key))));
    lines
}

pub(super) fn column_rest(column: &Column) -> String {
    let mut rest = Vec::new();
    if !column.nullable {
        rest.push("NOT NULL".to_owned());
    }
    match &column.default {
        Some(ColumnDefault::Identity) => rest.push("GENERATED ALWAYS AS IDENTITY".to_owned()),
        // In parentheses where the grammar would otherwise read on: DEFAULT takes no bare operators.
        Some(ColumnDefault::Expression(text)) if is_simple(text.as_str()) => rest.push(format!("DEFAULT {text}")),
        Some(ColumnDefault::Expression(text)) => rest.push(format!("DEFAULT ({text})")),
        None => {}
    }
    rest.join(" ")
}

/// Says whether a default reads the same without parentheses: one word, number, string or call without arguments.
fn is_simple(text: &str) -> bool {
    let inner = text.strip_suffix("()").unwrap_or(text);
    let word = inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let string = text.len() > 1
        && text.starts_with('\'')
        && text.ends_with('\'')
        && !text[1..text.len() - 1].contains(['\'', '\\']);
    word || string
}

fn constraint(name: &Ident, what: &str) -> String {
    format!("    CONSTRAINT {} {what}", name.quoted())
}

fn references(key: &ForeignKey) -> String {
    let action = match &key.on_delete {
        ForeignKeyAction::Refuse => String::new(),
        ForeignKeyAction::Cascade => " ON DELETE CASCADE".to_owned(),
        ForeignKeyAction::SetNull(column) => format!(" ON DELETE SET NULL ({})", column.quoted()),
    };
    format!(
        "FOREIGN KEY {}\n        REFERENCES {} {}{action}",
        columns(&key.columns),
        key.target.quoted(),
        columns(&key.target_columns)
    )
}

/// Adds a foreign key to a table that has row level security.
///
/// PostgreSQL checks the rows that are there by a query of the owner's, whom FORCE keeps from seeing them: it would call
/// dangling rows valid. So FORCE is lifted for that moment, for the owner alone; the tiers stay under the policies.
pub(super) fn add_foreign_key(name: &QualifiedName, key: &ForeignKey) -> String {
    let mut tables = vec![name.quoted()];
    if key.target != *name {
        tables.push(key.target.quoted());
    }
    let force = |word: &str| {
        tables.iter().map(|table| format!("ALTER TABLE {table} {word} ROW LEVEL SECURITY;\n")).collect::<String>()
    };
    format!(
        "{}{}ALTER TABLE {} ADD CONSTRAINT {} {};\n{}",
        heading(&format!("Foreign key {}", key.name)),
        force("NO FORCE"),
        name.quoted(),
        key.name.quoted(),
        references(key),
        force("FORCE")
    )
}

/// Drops a foreign key.
pub(super) fn drop_foreign_key(name: &QualifiedName, key: &ForeignKey) -> String {
    format!("ALTER TABLE {} DROP CONSTRAINT {};\n", name.quoted(), key.name.quoted())
}

pub(super) fn create_trigger(table: &str, trigger: &Trigger) -> String {
    let (name, function) = (trigger.name.quoted(), trigger.function.quoted());
    format!(
        "\nCREATE CONSTRAINT TRIGGER {name} AFTER UPDATE OR DELETE ON {table} DEFERRABLE INITIALLY DEFERRED\n    \
         FOR EACH ROW EXECUTE FUNCTION {function}();\n"
    )
}

pub(super) fn create_policy(table: &str, policy: &Policy) -> String {
    let name = policy.name.quoted();
    let kind = if policy.restrictive { "RESTRICTIVE" } else { "PERMISSIVE" };
    let command = policy.command.map_or("ALL", Command::keyword);
    let role = policy.role.as_ref().map_or_else(|| "PUBLIC".to_owned(), |role| role.quoted().to_string());
    let mut out = format!("CREATE POLICY {name} ON {table} AS {kind} FOR {command} TO {role}");
    if let Some(using) = &policy.using {
        let _ = write!(out, "\n    USING ({using})");
    }
    if let Some(check) = &policy.with_check {
        let _ = write!(out, "\n    WITH CHECK ({check})");
    }
    let _ = writeln!(out, ";\nCOMMENT ON POLICY {name} ON {table} IS {};", literal(&policy.comment));
    out
}

pub(super) fn columns(names: &[Ident]) -> String {
    format!("({})", names.iter().map(|name| name.quoted().to_string()).collect::<Vec<_>>().join(", "))
}
