//! The SQL of columns in existing tables.

use std::{collections::BTreeMap, fmt::Write as _};

use super::without_force;
use crate::{
    ident::{Ident, literal},
    model::{
        column_property::ColumnProperty,
        names::{COUNTER_LAST, COUNTER_TENANT},
        schema::{Column, ColumnDefault, Expression, ForeignKey, QualifiedName},
    },
    plan::Counter,
};

pub(super) fn add(table: &QualifiedName, column: &Column) -> String {
    let rest = rest(column);
    let rest = if rest.is_empty() { rest } else { format!(" {rest}") };
    let mut out =
        format!("ALTER TABLE {} ADD COLUMN {} {}{rest};\n", table.quoted(), column.name.quoted(), column.sql_type());
    if column.sensitive {
        out.push_str(&collect_no_statistics(table, column));
    }
    if !column.comment.is_empty() {
        out.push_str(&comment(table, column));
    }
    out
}

/// Switches statistics of a new column off. On a partitioned table this also applies to the existing partitions; a partition
/// that is created later does not inherit it.
pub(super) fn collect_no_statistics(table: &QualifiedName, column: &Column) -> String {
    format!("ALTER TABLE {} ALTER COLUMN {} SET STATISTICS 0;\n", table.quoted(), column.name.quoted())
}

pub(super) fn drop(table: &QualifiedName, column: &Column) -> String {
    format!("ALTER TABLE {} DROP COLUMN {};\n", table.quoted(), column.name.quoted())
}

pub(super) fn rename(table: &QualifiedName, from: &Ident, to: &Ident) -> String {
    format!("ALTER TABLE {} RENAME COLUMN {} TO {};\n", table.quoted(), from.quoted(), to.quoted())
}

pub(super) fn alter(table: &QualifiedName, before: &Column, after: &Column) -> String {
    let head = format!("ALTER TABLE {} ALTER COLUMN {}", table.quoted(), after.name.quoted());
    let mut out = String::new();
    match (before.generated(), after.generated()) {
        // Only to revert the next case: the plan drops and adds a column that becomes generated.
        (None, Some(_)) => {
            out.push_str("-- PostgreSQL cannot make a column of a table generated: it is dropped, and added again.\n");
            return out + &drop(table, before) + &add(table, after);
        }
        (Some(_), None) => {
            let _ = writeln!(out, "-- The column keeps its values.\n{head} DROP EXPRESSION;");
            let plain = Column { default: None, ..before.clone() };
            return out + &alter(table, &plain, after);
        }
        _ => {}
    }
    for property in ColumnProperty::ALL.into_iter().filter(|property| property.differs(before, after)) {
        if property == ColumnProperty::Default && before.is_identity() {
            let _ = writeln!(out, "{head} DROP IDENTITY;");
            if after.default.is_none() {
                continue;
            }
        }
        match clause(property, after) {
            _ if property == ColumnProperty::Default && after.is_identity() => {
                out.push_str(&count(table, after, &head))
            }
            Some(clause) => {
                let _ = writeln!(out, "{head} {clause};");
            }
            None => out.push_str(&comment(table, after)),
        }
        if property == ColumnProperty::Sensitive && after.sensitive {
            out.push_str(&remove_statistics(&head, after));
        }
    }
    out
}

/// Removes the statistics that ANALYZE collected before the column became sensitive.
///
/// ANALYZE keeps the row of a column whose target is 0, and before PostgreSQL 18 only a superuser can delete it. A change of
/// the type removes it, and with it the statistics of partitions, of extended statistics, and of indexes on expressions;
/// to the same type, it does not rewrite the table.
fn remove_statistics(head: &str, column: &Column) -> String {
    let clause = clause(ColumnProperty::Type, column).unwrap_or_default();
    format!(
        "-- The type stays: the statement removes the statistics that ANALYZE has collected, without rewriting the rows.\n\
         {head} {clause};\n"
    )
}

/// Returns the ALTER COLUMN clause that sets a property; `None` for the comment, which COMMENT ON COLUMN sets.
pub(crate) fn clause(property: ColumnProperty, column: &Column) -> Option<String> {
    Some(match (property, &column.default) {
        // PostgreSQL does not accept USING for a generated column.
        (ColumnProperty::Type, Some(ColumnDefault::Generated(_))) => format!("TYPE {}", column.sql_type()),
        (ColumnProperty::Type, _) => {
            format!("TYPE {} USING {}::{}", column.sql_type(), column.name.quoted(), column.ty)
        }
        (ColumnProperty::Sensitive, _) if column.sensitive => "SET STATISTICS 0".to_owned(),
        // Since PostgreSQL 17 also written as DEFAULT.
        (ColumnProperty::Sensitive, _) => "SET STATISTICS -1".to_owned(),
        (ColumnProperty::Default, Some(ColumnDefault::Expression(text))) => format!("SET DEFAULT {text}"),
        (ColumnProperty::Default, _) => "DROP DEFAULT".to_owned(),
        (ColumnProperty::Nullable, _) if column.nullable => "DROP NOT NULL".to_owned(),
        (ColumnProperty::Nullable, _) => "SET NOT NULL".to_owned(),
        (ColumnProperty::Comment, _) => return None,
    })
}

/// Makes a column an identity column that continues after the highest existing value. To find this
/// value, the owner must see all rows.
fn count(table: &QualifiedName, column: &Column, head: &str) -> String {
    let (quoted, name) = (table.quoted(), column.name.quoted());
    let next = format!(
        "SELECT setval(pg_get_serial_sequence({}, {}), COALESCE(max({name}), 0) + 1, false) FROM {quoted};\n",
        literal(&quoted),
        literal(column.name.as_str()),
    );
    let why = "NO FORCE exempts only the table owner, which must see all rows to find the highest value.";
    format!("{head} ADD GENERATED ALWAYS AS IDENTITY;\n{}", without_force(&[quoted], why, &next))
}

pub(super) fn comment(table: &QualifiedName, column: &Column) -> String {
    let text = if column.comment.is_empty() { "NULL".to_owned() } else { literal(&column.comment) };
    format!("COMMENT ON COLUMN {}.{} IS {text};\n", table.quoted(), column.name.quoted())
}

/// Fills a column in the rows where it is NULL, and sets NOT NULL.
pub(super) fn fill(
    table: &QualifiedName,
    column: &Column,
    with: &Expression,
    has_triggers: bool,
    is_deferred: bool,
) -> String {
    let (quoted, name) = (table.quoted(), column.name.quoted());
    let update = format!("UPDATE {quoted} SET {name} = {with} WHERE {name} IS NULL;\n");
    fill_all_rows(table, column, update_all_rows(&[&quoted], update, has_triggers), is_deferred)
}

/// Fills the tenant column of each row with the tenant of its parent, which a foreign key references, and sets NOT NULL.
pub(super) fn fill_tenant(
    table: &QualifiedName,
    column: &Column,
    key: &ForeignKey,
    has_triggers: bool,
    is_deferred: bool,
) -> String {
    let (quoted, name, parent) = (table.quoted(), column.name.quoted(), key.target.quoted());
    let ([_, reference], [tenant, id]) = (&key.columns[..], &key.target_columns[..]) else { return String::new() };
    // A sub-select, because it fails if several parents have the key.
    let update = format!(
        "UPDATE {quoted} SET {name} = (SELECT parent.{} FROM {parent} AS parent WHERE parent.{} = {quoted}.{});\n",
        tenant.quoted(),
        id.quoted(),
        reference.quoted()
    );
    fill_all_rows(table, column, update_all_rows(&[&quoted, &parent], update, has_triggers), is_deferred)
}

/// Runs the update that fills a column, and sets NOT NULL.
fn fill_all_rows(table: &QualifiedName, column: &Column, update: String, is_deferred: bool) -> String {
    let check_now = "-- Check deferred constraints now: ALTER TABLE fails while checks are pending.\nSET CONSTRAINTS ALL IMMEDIATE;\n";
    // The first ALTER TABLE after the update is the one that sets FORCE again.
    let (before, after) = if is_deferred { (check_now, "") } else { ("", check_now) };
    let (table, name) = (table.quoted(), column.name.quoted());
    format!("{before}{update}{after}ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;\n")
}

/// Changes labels in existing rows, all in one statement, so that labels can be exchanged.
pub(super) fn relabel(
    table: &QualifiedName,
    column: &Ident,
    array: bool,
    labels: &BTreeMap<String, String>,
    has_triggers: bool,
) -> String {
    if labels.is_empty() {
        return String::new();
    }
    let (quoted, name) = (table.quoted(), column.quoted());
    let when = |(old, new): (&String, &String)| format!("\n        WHEN {} THEN {}", literal(old), literal(new));
    let whens: String = labels.iter().map(when).collect();
    let old = labels.keys().map(|old| literal(old)).collect::<Vec<_>>().join(", ");
    let update = match array {
        true => format!(
            "UPDATE {quoted} SET {name} = ARRAY(\n    \
                 SELECT CASE label{whens}\n        ELSE label END\n    \
                 FROM unnest({name}) WITH ORDINALITY AS element (label, place) ORDER BY place\n\
             ) WHERE {name} && ARRAY[{old}];\n"
        ),
        false => format!("UPDATE {quoted} SET {name} = CASE {name}{whens} END\n    WHERE {name} IN ({old});\n"),
    };
    update_all_rows(&[&quoted], update, has_triggers)
}

/// Updates rows of all tenants as the owner of the first table, without running its triggers: the update is not a change that a user
/// makes. The update can also read the other tables.
fn update_all_rows(tables: &[&str], update: String, has_triggers: bool) -> String {
    let statements = match (has_triggers, tables) {
        (true, [quoted, ..]) => format!(
            "-- The triggers do not run: the change log records changes that users make, and members do not change.\n\
             ALTER TABLE {quoted} DISABLE TRIGGER USER;\n{update}ALTER TABLE {quoted} ENABLE TRIGGER USER;\n"
        ),
        _ => update,
    };
    let why = "NO FORCE exempts only the table owner from the policies, so that it sees all rows.";
    let tables: Vec<_> = tables.iter().map(|table| (*table).to_owned()).collect();
    without_force(&tables, why, &statements)
}

/// Numbers the rows of each tenant that have no number, after the highest number of the tenant, and stores the last numbers.
pub(super) fn start_counter(counter: &Counter) -> String {
    let (table, last_numbers) = (counter.table.quoted(), counter.last_numbers.quoted());
    let (tenant, name) = (counter.tenant.quoted(), counter.column.quoted());
    let key: Vec<_> = counter.key.iter().map(|column| column.quoted().to_string()).collect();
    let same = key.iter().map(|column| format!("t.{column} = n.{column}")).collect::<Vec<_>>().join(" AND ");
    let key = key.join(", ");
    let update = format!(
        "UPDATE {table} AS t SET {name} = n.new_number FROM (\n    \
             SELECT {key}, {name} IS NULL AS is_new, GREATEST(max({name}) OVER (PARTITION BY {tenant}), 0)\n        \
                 + row_number() OVER (PARTITION BY {tenant}, {name} IS NULL ORDER BY {key}) AS new_number\n    \
             FROM {table}\n\
         ) AS n WHERE {same} AND n.is_new;\n"
    );
    let insert = format!(
        "INSERT INTO {last_numbers} ({COUNTER_TENANT}, {COUNTER_LAST})\n    \
             SELECT {tenant}, GREATEST(max({name}), 0) FROM {table} GROUP BY {tenant};\n"
    );
    let mut out = update_all_rows(&[&table, &last_numbers], update + &insert, counter.has_triggers);
    if counter.nullable {
        let _ = writeln!(out, "ALTER TABLE {table} ALTER COLUMN {name} SET NOT NULL;");
    }
    out
}

/// Reverts [`start_counter`], except for the numbers of the rows.
pub(super) fn end_counter(counter: &Counter) -> String {
    match counter.nullable {
        true => {
            format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;\n", counter.table.quoted(), counter.column.quoted())
        }
        false => String::new(),
    }
}

pub(super) fn unfill(table: &QualifiedName, column: &Column) -> String {
    format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL;\n", table.quoted(), column.name.quoted())
}

/// Writes the part after a column's type: NOT NULL, and the default or the expression of a generated column.
pub(super) fn rest(column: &Column) -> String {
    let mut rest = Vec::new();
    if !column.nullable {
        rest.push("NOT NULL".to_owned());
    }
    match &column.default {
        Some(ColumnDefault::Identity) => rest.push("GENERATED ALWAYS AS IDENTITY".to_owned()),
        // The expression is in parentheses, because the grammar of DEFAULT does not allow bare operators.
        Some(ColumnDefault::Expression(text)) if is_simple(text.as_str()) => rest.push(format!("DEFAULT {text}")),
        Some(ColumnDefault::Expression(text)) => rest.push(format!("DEFAULT ({text})")),
        Some(ColumnDefault::Generated(text)) => rest.push(format!("GENERATED ALWAYS AS ({text}) STORED")),
        None | Some(ColumnDefault::Counter(_)) => {}
    }
    rest.join(" ")
}

/// Returns whether a default needs no parentheses: it is one word, one number, one string, or one call without
/// arguments.
fn is_simple(text: &str) -> bool {
    let inner = text.strip_suffix("()").unwrap_or(text);
    let word = inner.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'));
    let string = text.len() > 1
        && text.starts_with('\'')
        && text.ends_with('\'')
        && !text[1..text.len() - 1].contains(['\'', '\\']);
    word || string
}
