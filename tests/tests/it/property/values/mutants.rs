//! Faults in generated migrations: one statement is left out, moved or changed.

use super::super::random_declarations::Random;

/// A statement of a version's migrations, with the position of its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) file: usize,
    pub(super) text: String,
}

type Statements = Vec<Statement>;

/// Returns every migration with one fault of a kind; none if the kind does not apply.
type Fault = fn(&[Statement]) -> Vec<Statements>;

/// The kinds of faults.
pub(super) const FAULTS: &[(&str, Fault)] = &[
    ("a rename of a column is left out", |all| without(all, is_column_rename)),
    ("a rename of a table is left out", |all| without(all, is_table_rename)),
    ("two successive renames are swapped", |all| swapped(all, |text| is_column_rename(text) || is_table_rename(text))),
    ("two columns get each other's name", |all| exchanged(all, is_column_rename, " TO ")),
    ("two tables get each other's name", |all| exchanged(all, is_table_rename, " RENAME TO ")),
    ("a rename has no temporary name", untemporary),
    ("a column is renamed at the end", |all| moved(all, is_column_rename, true)),
    ("a column is added and dropped instead of renamed", |all| rewritten(all, readded)),
    ("a table is created and dropped instead of renamed", |all| rewritten(all, recreated)),
    ("a backfill is left out", |all| without(all, is_update)),
    ("a backfill and its SET NOT NULL are left out", unfilled),
    ("a backfill writes one row", |all| rewritten(all, one_row)),
    ("a backfill writes every row", |all| rewritten(all, every_row)),
    ("a backfill loses the first character", |all| rewritten(all, shortened)),
    ("two backfills are exchanged", exchanged_backfills),
    ("rows are deleted instead of filled", |all| rewritten(all, deleted)),
    ("policies filter the backfill", filtered),
    ("a column is dropped before it is read", |all| moved(all, is_column_drop, false)),
    ("a column is not dropped", |all| without(all, is_column_drop)),
    ("two columns are dropped instead of one", dropped_more),
    ("a column is not added", |all| without(all, |text| text.contains(" ADD COLUMN "))),
    ("a default is left out", |all| rewritten(all, without_default)),
    ("a default is set after the column is added", |all| rewritten(all, late_default)),
    ("another default fills the rows", |all| rewritten(all, other_default)),
    ("a type change writes NULL", |all| rewritten(all, |text| retyped(text, "NULL"))),
    ("a type change loses characters", |all| rewritten(all, |text| retyped(text, "left({}::text, 1)"))),
    ("a type change is left out", |all| without(all, is_type_change)),
    ("SET NOT NULL is left out", |all| without(all, |text| text.contains(" SET NOT NULL"))),
    ("DROP NOT NULL is left out", |all| without(all, |text| text.contains(" DROP NOT NULL"))),
    ("FORCE is not set", |all| without(all, |text| text.contains(" FORCE ROW") && !text.contains(" NO FORCE"))),
    ("FORCE is not lifted", |all| without(all, |text| text.contains(" NO FORCE ROW"))),
    ("a table is not created", |all| without(all, |text| text.contains("CREATE TABLE "))),
    ("a table is not dropped", |all| without(all, |text| text.contains("DROP TABLE "))),
    ("the last file runs first", last_first),
];

fn is_column_rename(text: &str) -> bool {
    text.contains(" RENAME COLUMN ")
}

fn is_table_rename(text: &str) -> bool {
    text.starts_with("ALTER TABLE ") && text.contains(" RENAME TO ")
}

fn is_update(text: &str) -> bool {
    text.starts_with("UPDATE ")
}

fn is_column_drop(text: &str) -> bool {
    text.contains(" DROP COLUMN ")
}

fn is_type_change(text: &str) -> bool {
    text.contains(" ALTER COLUMN ") && text.contains(" TYPE ")
}

/// Returns the positions of the statements that fit.
fn places(all: &[Statement], fits: fn(&str) -> bool) -> Vec<usize> {
    (0..all.len()).filter(|at| fits(&all[*at].text)).collect()
}

fn without(all: &[Statement], fits: fn(&str) -> bool) -> Vec<Statements> {
    let one = |at| all[..at].iter().chain(&all[at + 1..]).cloned().collect();
    places(all, fits).into_iter().map(one).collect()
}

fn swapped(all: &[Statement], fits: fn(&str) -> bool) -> Vec<Statements> {
    let places = places(all, fits);
    let pairs = places.windows(2).map(|pair| {
        let mut all = all.to_vec();
        all.swap(pair[0], pair[1]);
        all
    });
    pairs.collect()
}

/// Moves a statement to the end or to the beginning of the migrations, as the role that owns the tables.
fn moved(all: &[Statement], fits: fn(&str) -> bool, to_end: bool) -> Vec<Statements> {
    let is_role = |statement: &&Statement| statement.text.starts_with("SET LOCAL ROLE ");
    let Some(first) = all.iter().position(|statement| is_role(&statement)) else { return Vec::new() };
    let last = all.iter().rposition(|statement| statement.text.starts_with("RESET ROLE")).unwrap_or(all.len());
    let one = |at: usize| {
        let mut all = all.to_vec();
        let statement = all.remove(at);
        all.insert(if to_end { last - 1 } else { first + 1 }, statement);
        all
    };
    places(all, fits).into_iter().map(one).filter(|mutant| mutant != all).collect()
}

fn rewritten(all: &[Statement], rewrite: fn(&str) -> Option<String>) -> Vec<Statements> {
    let one = |at: usize| {
        let text = rewrite(&all[at].text)?;
        let mut all = all.to_vec();
        all[at].text = text;
        Some(all)
    };
    (0..all.len()).filter_map(one).collect()
}

/// Returns the parts before and after a separator, without the semicolon.
fn parts<'t>(text: &'t str, separator: &str) -> Option<(&'t str, &'t str)> {
    text.trim_end().trim_end_matches(';').split_once(separator)
}

/// Exchanges what follows a separator in two statements.
fn exchanged(all: &[Statement], fits: fn(&str) -> bool, separator: &str) -> Vec<Statements> {
    let places = places(all, fits);
    let pairs = places.windows(2).filter_map(|pair| {
        let [one, other] = [pair[0], pair[1]].map(|at| parts(&all[at].text, separator));
        let ((one, one_end), (other, other_end)) = (one?, other?);
        let mut all = all.to_vec();
        all[pair[0]].text = format!("{one}{separator}{other_end};\n");
        all[pair[1]].text = format!("{other}{separator}{one_end};\n");
        Some(all)
    });
    pairs.collect()
}

/// Replaces a rename to a name and another one from that name by one rename.
fn untemporary(all: &[Statement]) -> Vec<Statements> {
    let renames = places(all, |text| is_column_rename(text) || is_table_rename(text));
    let mut mutants = Vec::new();
    for (at, first) in renames.iter().enumerate() {
        for last in &renames[at + 1..] {
            let separator = |at: &usize| if is_column_rename(&all[*at].text) { " TO " } else { " RENAME TO " };
            let (Some((from, name)), Some((of, to))) =
                (parts(&all[*first].text, separator(first)), parts(&all[*last].text, separator(last)))
            else {
                continue;
            };
            if of.ends_with(&format!(" {name}")) || of.ends_with(&format!(".{name}")) {
                let mut all = all.to_vec();
                all[*first].text = format!("{from}{}{to};\n", separator(first));
                all.remove(*last);
                mutants.push(all);
            }
        }
    }
    mutants
}

fn readded(text: &str) -> Option<String> {
    let (head, to) = parts(text, " TO ").filter(|_| is_column_rename(text))?;
    let (table, from) = head.split_once(" RENAME COLUMN ")?;
    Some(format!("{table} ADD COLUMN {to} text;\n{table} DROP COLUMN {from} CASCADE;\n"))
}

fn recreated(text: &str) -> Option<String> {
    let (head, to) = parts(text, " RENAME TO ").filter(|_| is_table_rename(text))?;
    let from = head.strip_prefix("ALTER TABLE ")?;
    let (schema, _) = from.split_once('.')?;
    Some(format!("CREATE TABLE {schema}.{to} (LIKE {from} INCLUDING ALL);\nDROP TABLE {from} CASCADE;\n"))
}

/// Leaves out an UPDATE and the SET NOT NULL that follows it.
fn unfilled(all: &[Statement]) -> Vec<Statements> {
    let one = |at: usize| {
        let set = at + all[at..].iter().position(|statement| statement.text.contains(" SET NOT NULL"))?;
        let kept = all.iter().enumerate().filter(|(place, _)| *place != at && *place != set);
        Some(kept.map(|(_, statement)| statement.clone()).collect())
    };
    places(all, is_update).into_iter().filter_map(one).collect()
}

/// The parts of an UPDATE: table, column, value and condition.
fn update(text: &str) -> Option<(&str, &str, &str, &str)> {
    let text = text.trim_end().trim_end_matches(';').strip_prefix("UPDATE ")?;
    let (table, rest) = text.split_once(" SET ")?;
    let (column, rest) = rest.split_once(" = ")?;
    let (value, condition) = rest.rsplit_once(" WHERE ")?;
    Some((table, column, value, condition))
}

fn one_row(text: &str) -> Option<String> {
    let (table, column, value, condition) = update(text)?;
    Some(format!(
        "UPDATE {table} SET {column} = {value} WHERE ctid = (SELECT min(ctid) FROM {table} WHERE {condition});\n"
    ))
}

fn every_row(text: &str) -> Option<String> {
    let (table, column, value, _) = update(text)?;
    Some(format!("UPDATE {table} SET {column} = {value};\n"))
}

fn shortened(text: &str) -> Option<String> {
    let (table, column, value, condition) = update(text)?;
    Some(format!("UPDATE {table} SET {column} = substr(({value})::text, 2) WHERE {condition};\n"))
}

fn deleted(text: &str) -> Option<String> {
    let (table, .., condition) = update(text)?;
    Some(format!("DELETE FROM {table} WHERE {condition};\n"))
}

fn exchanged_backfills(all: &[Statement]) -> Vec<Statements> {
    let pairs = places(all, is_update);
    let pairs = pairs.windows(2).filter_map(|pair| {
        let [one, other] = [pair[0], pair[1]].map(|at| update(&all[at].text));
        let ((table, column, value, filter), (other, other_column, other_value, other_filter)) = (one?, other?);
        let mut all = all.to_vec();
        all[pair[0]].text = format!("UPDATE {table} SET {column} = {other_value} WHERE {filter};\n");
        all[pair[1]].text = format!("UPDATE {other} SET {other_column} = {value} WHERE {other_filter};\n");
        Some(all)
    });
    pairs.collect()
}

/// Leaves FORCE on, and lets policies filter an UPDATE instead of failing.
fn filtered(all: &[Statement]) -> Vec<Statements> {
    if places(all, is_update).is_empty() {
        return Vec::new();
    }
    let kept = all.iter().filter(|statement| !statement.text.contains(" NO FORCE ROW"));
    let kept = kept.map(|Statement { file, text }| Statement {
        file: *file,
        text: text.replace("row_security = off", "row_security = on"),
    });
    vec![kept.collect()]
}

fn dropped_more(all: &[Statement]) -> Vec<Statements> {
    let added = all.iter().find_map(|statement| {
        let (table, rest) = statement.text.split_once(" ADD COLUMN ")?;
        Some((table.to_owned(), rest.split(' ').next()?.to_owned()))
    });
    let Some((table, column)) = added else { return Vec::new() };
    let last = all.iter().rposition(|statement| statement.text.starts_with("RESET ROLE")).unwrap_or(all.len());
    let mut all = all.to_vec();
    all.insert(last, Statement { file: all[last - 1].file, text: format!("{table} DROP COLUMN {column} CASCADE;\n") });
    vec![all]
}

/// The parts of ADD COLUMN with a default: everything before it, and the default.
fn added(text: &str) -> Option<(&str, &str)> {
    parts(text, " DEFAULT ").filter(|(head, _)| head.contains(" ADD COLUMN "))
}

fn without_default(text: &str) -> Option<String> {
    added(text).map(|(head, _)| format!("{head};\n"))
}

fn late_default(text: &str) -> Option<String> {
    let (head, default) = added(text)?;
    let (table, rest) = head.split_once(" ADD COLUMN ")?;
    let column = rest.split(' ').next()?;
    let head = head.trim_end_matches(" NOT NULL");
    Some(format!("{head};\n{table} ALTER COLUMN {column} SET DEFAULT {default};\n"))
}

fn other_default(text: &str) -> Option<String> {
    let (head, default) = added(text)?;
    let other = match default {
        "true" => "false",
        "false" => "true",
        text if text.parse::<i64>().is_ok() => "123",
        text if text.starts_with('\'') => "'another'",
        _ => return None,
    };
    Some(format!("{head} DEFAULT {other};\n"))
}

fn retyped(text: &str, value: &str) -> Option<String> {
    let (head, using) = parts(text, " USING ").filter(|_| is_type_change(text))?;
    let (column, ty) = using.rsplit_once("::")?;
    Some(format!("{head} USING ({})::{ty};\n", value.replace("{}", column)))
}

fn last_first(all: &[Statement]) -> Vec<Statements> {
    let last = all.last().map_or(0, |statement| statement.file);
    if last == 0 {
        return Vec::new();
    }
    let (late, early): (Vec<_>, Vec<_>) = all.iter().cloned().partition(|statement| statement.file == last);
    vec![late.into_iter().chain(early).collect()]
}

/// Picks one of the mutants of a kind.
pub(super) fn pick(fault: Fault, all: &[Statement], random: &mut Random) -> Option<Statements> {
    let mutants = fault(all);
    (!mutants.is_empty()).then(|| mutants[random.below(mutants.len())].clone())
}
