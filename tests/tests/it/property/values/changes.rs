//! Random changes from one version to the next.

use std::{env, iter};

use super::{
    super::random_declarations::Random,
    expressions::{Backfill, constant, template},
    first::{column, free_name, free_table_name, rule, table},
    hints::{is_declarable, write_hints},
    labels,
    model::{Column, Kind, Part, Scope, Table, Version},
};

/// A change to a version; returns a description, or `None` if the version offers no place for it.
type Mutation = fn(&mut Version, &mut Random) -> Option<String>;

/// The changes, with their names and weights.
const MUTATIONS: &[(&str, usize, Mutation)] = &[
    ("rename_columns", 4, rename_columns),
    ("rename_tables", 2, rename_tables),
    ("take_dropped_name", 1, take_dropped_name),
    ("add_column", 2, add_column),
    ("drop_column", 1, drop_column),
    ("retype", 2, retype),
    ("require", 2, require),
    ("allow_null", 1, allow_null),
    ("split", 2, split),
    ("merge", 2, merge),
    ("add_table", 1, add_table),
    ("drop_table", 1, drop_table),
    ("change_condition", 1, change_condition),
    ("change_statistics", 1, change_statistics),
    ("swap_again", 4, swap_again),
    ("hints_only", 1, hints_only),
    ("rename_labels", 3, labels::rename_labels),
    ("add_label", 1, labels::add_label),
    ("remove_label", 2, labels::remove_label),
    ("text_to_enum", 1, labels::text_to_enum),
    ("rename_roles", 2, labels::rename_roles),
    ("add_role", 1, labels::add_role),
    ("remove_role", 1, labels::remove_role),
];

/// Returns the names of all changes.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    MUTATIONS.iter().map(|(name, ..)| *name)
}

/// Returns the next version, with the names and the descriptions of its changes.
pub(super) fn next(before: &Version, most: usize, random: &mut Random) -> (Version, Vec<(&'static str, String)>) {
    let without = env::var("TENANT_PROPERTY_WITHOUT").unwrap_or_default();
    let is_used = |name: &str| without.split(',').all(|other| other != name);
    let used = MUTATIONS.iter().filter(|(name, ..)| is_used(name));
    let weighted: Vec<_> = used.flat_map(|mutation| iter::repeat_n(mutation, mutation.1)).collect();
    loop {
        let mut after = before.clone();
        let wanted = 1 + random.below(most);
        let mut made = Vec::new();
        // A version can be without a place for the changes that are left.
        for _ in 0..100 * wanted {
            if made.len() == wanted {
                break;
            }
            let (name, _, mutation) = random.pick(&weighted);
            made.extend(mutation(&mut after, random).map(|text| (*name, text)));
        }
        write_hints(before, &mut after, random);
        if is_declarable(before, &after) {
            return (after, made);
        }
    }
}

fn pick_table<'v>(version: &'v mut Version, random: &mut Random) -> &'v mut Table {
    let at = random.below(version.tables.len());
    &mut version.tables[at]
}

/// Picks several different positions below `end`.
pub(super) fn several(end: usize, most: usize, random: &mut Random) -> Vec<usize> {
    let mut left: Vec<_> = (0..end).collect();
    (0..most.min(end)).map(|_| left.remove(random.below(left.len()))).collect()
}

/// Gives things each other's names in a cycle, or in a chain that ends in a new name.
///
/// Returns the names and the one that becomes free.
pub(super) fn moved(
    names: &[&'static str],
    fresh: &'static str,
    random: &mut Random,
) -> (Vec<&'static str>, Option<&'static str>) {
    let mut new = names[1..].to_vec();
    if names.len() > 1 && random.chance(60) {
        new.push(names[0]);
        (new, None)
    } else {
        new.push(fresh);
        (new, Some(names[0]))
    }
}

fn rename_columns(version: &mut Version, random: &mut Random) -> Option<String> {
    let id = version.fresh();
    let table = pick_table(version, random);
    let most = 1 + random.below(3);
    let chosen = several(table.columns.len(), most, random);
    let names: Vec<_> = chosen.iter().map(|at| table.columns[*at].name).collect();
    let fresh = free_name(table, random);
    let (new, free) = moved(&names, fresh, random);
    for (at, name) in chosen.iter().zip(&new) {
        table.columns[*at].name = name;
    }
    if let ([a, b], None) = (&chosen[..], free) {
        table.swapped = Some((table.columns[*a].id, table.columns[*b].id));
    }
    let mut text = format!("{}: columns {names:?} become {new:?}", table.name);
    if let Some(name) = free.filter(|_| random.chance(35) && table.scope != Scope::Members) {
        let added = new_column(id, name, random);
        text += &format!(", new {:?} {name}", added.kind);
        table.columns.push(added);
    }
    Some(text)
}

/// Swaps two columns that an earlier version has swapped.
fn swap_again(version: &mut Version, _: &mut Random) -> Option<String> {
    let table = version.tables.iter_mut().find(|table| table.swapped.is_some())?;
    let (a, b) = table.swapped.take()?;
    let place = |table: &Table, id: usize| table.columns.iter().position(|column| column.id == id);
    let (a, b) = (place(table, a)?, place(table, b)?);
    let (one, other) = (table.columns[a].name, table.columns[b].name);
    (table.columns[a].name, table.columns[b].name) = (other, one);
    Some(format!("{}: swap {one} and {other} again", table.name))
}

/// Changes nothing but the attributes that earlier versions needed.
fn hints_only(_: &mut Version, _: &mut Random) -> Option<String> {
    Some("only attributes".to_owned())
}

fn rename_tables(version: &mut Version, random: &mut Random) -> Option<String> {
    let most = 1 + random.below(3);
    let chosen = several(version.tables.len(), most, random);
    let names: Vec<_> = chosen.iter().map(|at| version.tables[*at].name).collect();
    let fresh = free_table_name(version, random);
    let (new, free) = moved(&names, fresh, random);
    for (at, name) in chosen.iter().zip(&new) {
        version.tables[*at].name = name;
    }
    let mut text = format!("tables {names:?} become {new:?}");
    if let Some(name) = free.filter(|_| random.chance(35)) {
        let added = Table { name, ..table(version, random) };
        text += &format!(", new table {name}");
        version.tables.push(added);
    }
    Some(text)
}

fn is_droppable(table: &Table, column: &Column) -> bool {
    // A table keeps a plain column, which its rule can read.
    let others = table.columns.iter().filter(|other| other.part == Part::Plain && other.id != column.id).count();
    matches!(column.part, Part::Plain | Part::Link(_)) && others > 0
}

fn remove(table: &mut Table, id: usize) {
    table.columns.retain(|column| column.id != id);
    table.rule = table.rule.filter(|rule| rule.column != id);
}

/// Returns whether a down file can add the column to rows again, also down to the first version.
fn is_restorable(column: &Column) -> bool {
    column.default.is_some() || column.nullable && !column.was_required
}

/// Picks a column that can be dropped, usually one that a down file can add again.
fn pick_droppable(table: &Table, random: &mut Random) -> Option<Column> {
    let all: Vec<_> = table.columns.iter().filter(|column| is_droppable(table, column)).collect();
    let mild: Vec<_> = all.iter().copied().filter(|column| is_restorable(column)).collect();
    let from = if random.chance(92) { mild } else { all };
    (!from.is_empty()).then(|| random.pick(&from).clone())
}

fn drop_column(version: &mut Version, random: &mut Random) -> Option<String> {
    let table = pick_table(version, random);
    let gone = pick_droppable(table, random)?;
    remove(table, gone.id);
    Some(format!("{}: drop {}", table.name, gone.name))
}

fn take_dropped_name(version: &mut Version, random: &mut Random) -> Option<String> {
    let table = pick_table(version, random);
    let gone = pick_droppable(table, random)?;
    remove(table, gone.id);
    let at = random.below(table.columns.len());
    let old = std::mem::replace(&mut table.columns[at].name, gone.name);
    Some(format!("{}: drop {}, and {old} takes its name", table.name, gone.name))
}

/// Returns a column for rows that exist.
fn new_column(id: usize, name: &'static str, random: &mut Random) -> Column {
    let column = Column { unique: false, ..column(id, name, random) };
    let constant = Backfill::Constant(column.kind, constant(&column, random));
    let backfill = (!column.nullable && column.default.is_none()).then_some(constant);
    Column { backfill, ..column }
}

fn add_column(version: &mut Version, random: &mut Random) -> Option<String> {
    let id = version.fresh();
    let table = pick_table(version, random);
    if table.scope == Scope::Members {
        return None;
    }
    let mut added = new_column(id, free_name(table, random), random);
    if added.backfill.is_some() {
        added.backfill = a_backfill(table, &added, random);
    }
    let text = format!("{}: add {} {:?} {:?}", table.name, added.name, added.kind, added.backfill);
    table.columns.push(added);
    Some(text)
}

/// Returns an expression that fills a column, often from another column.
fn a_backfill(table: &Table, column: &Column, random: &mut Random) -> Option<Backfill> {
    let of = |is: fn(Kind) -> bool| -> Vec<usize> {
        let others = table.columns.iter().filter(|other| other.part == Part::Plain && other.id != column.id);
        others.filter(|other| is(other.kind)).map(|other| other.id).collect()
    };
    let (texts, numbers) = (of(Kind::is_text), of(Kind::is_number));
    Some(match column.first_kind {
        Kind::Text if !texts.is_empty() && random.chance(60) => {
            let a = random.pick(&texts);
            match random.below(3) {
                0 => Backfill::First(a),
                1 => Backfill::Rest(a),
                _ => Backfill::Copy(a),
            }
        }
        Kind::Integer if column.kind.is_number() && !numbers.is_empty() && random.chance(60) => {
            Backfill::Next(random.pick(&numbers))
        }
        _ => Backfill::Constant(column.kind, constant(column, random)),
    })
}

pub(super) fn pick_plain<'v>(
    version: &'v mut Version,
    fits: fn(&Column) -> bool,
    random: &mut Random,
) -> Option<(usize, usize)> {
    let place = |(at, table): (usize, &'v Table)| {
        let plain = table.columns.iter().enumerate().filter(|(_, column)| column.part == Part::Plain && fits(column));
        plain.map(move |(column, _)| (at, column)).collect::<Vec<_>>()
    };
    let places: Vec<_> = version.tables.iter().enumerate().flat_map(place).collect();
    (!places.is_empty()).then(|| random.pick(&places))
}

fn retype(version: &mut Version, random: &mut Random) -> Option<String> {
    let widens = |column: &Column| matches!(column.kind, Kind::Integer | Kind::Bigint | Kind::Varchar | Kind::Labels);
    let (at, place) = pick_plain(version, widens, random)?;
    let table = &mut version.tables[at];
    let column = &mut table.columns[place];
    let old = column.kind;
    column.kind = match old {
        Kind::Integer if random.chance(50) => Kind::Bigint,
        _ => Kind::Text,
    };
    column.check = column.check.map(|_| template(column.kind, random));
    if let Some(rule) = table.rule.as_mut().filter(|rule| rule.column == column.id) {
        rule.template = template(column.kind, random);
    }
    let text = format!("{}: {} from {old:?} to {:?}", table.name, column.name, column.kind);
    Some(if random.chance(50) {
        let name = free_name(table, random);
        table.columns[place].name = name;
        format!("{text} as {name}")
    } else {
        text
    })
}

fn require(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_plain(version, |column| column.nullable && !column.unique, random)?;
    let table = &mut version.tables[at];
    let mut column = table.columns[place].clone();
    column.nullable = false;
    if column.default.is_none() && random.chance(40) {
        column.default = Some(constant(&column, random));
    }
    if column.default.is_none() {
        column.backfill = Some(a_backfill(table, &column, random)?);
    }
    let text = format!("{}: require {} by {:?} {:?}", table.name, column.name, column.default, column.backfill);
    table.columns[place] = column;
    Some(text)
}

fn allow_null(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_plain(version, |column| !column.nullable, random)?;
    let table = &mut version.tables[at];
    table.columns[place].nullable = true;
    table.columns[place].was_required = true;
    Some(format!("{}: allow NULL in {}", table.name, table.columns[place].name))
}

fn split(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_plain(version, |column| column.kind == Kind::Text, random)?;
    let ids = [version.fresh(), version.fresh()];
    let table = &mut version.tables[at];
    let whole = table.columns[place].clone();
    for (id, backfill) in ids.into_iter().zip([Backfill::First(whole.id), Backfill::Rest(whole.id)]) {
        let name = free_name(table, random);
        table.columns.push(Column { backfill: Some(backfill), ..Column::plain(id, name, Kind::Text) });
    }
    let is_dropped = random.chance(if is_restorable(&whole) { 80 } else { 15 });
    if is_dropped {
        remove(table, whole.id);
    }
    Some(format!("{}: split {}, dropped: {is_dropped}", table.name, whole.name))
}

fn merge(version: &mut Version, random: &mut Random) -> Option<String> {
    let joins = |column: &Column| column.kind.is_text() || column.kind.is_number();
    let (at, place) = pick_plain(version, joins, random)?;
    let id = version.fresh();
    let table = &mut version.tables[at];
    let one = table.columns[place].clone();
    let others: Vec<_> = table
        .columns
        .iter()
        .filter(|column| column.part == Part::Plain && column.id != one.id && joins(column))
        .collect();
    if others.is_empty() {
        return None;
    }
    let other = random.pick(&others).clone();
    let backfill = Some(Backfill::Joined(one.id, other.id));
    table.columns.push(Column { backfill, ..Column::plain(id, free_name(table, random), Kind::Text) });
    let is_dropped = random.chance(if is_restorable(&one) && is_restorable(&other) { 80 } else { 15 });
    if is_dropped {
        remove(table, one.id);
        remove(table, other.id);
    }
    Some(format!("{}: merge {} and {}, dropped: {is_dropped}", table.name, one.name, other.name))
}

fn add_table(version: &mut Version, random: &mut Random) -> Option<String> {
    if version.tables.len() > 5 {
        return None;
    }
    let added = table(version, random);
    let text = format!("add table {}", added.name);
    version.tables.push(added);
    Some(text)
}

fn drop_table(version: &mut Version, random: &mut Random) -> Option<String> {
    let at = random.below(version.tables.len());
    let gone = &version.tables[at];
    let is_needed = version.is_referenced(gone.id) || gone.scope == Scope::Members;
    if is_needed || version.tables.len() < 3 || random.chance(50) {
        return None;
    }
    Some(format!("drop table {}", version.tables.remove(at).name))
}

/// Makes a column sensitive, which may have a policy, a foreign key or another change, or lets it have statistics again.
fn change_statistics(version: &mut Version, random: &mut Random) -> Option<String> {
    let table = pick_table(version, random);
    let at = random.below(table.columns.len());
    let column = &mut table.columns[at];
    if column.part == Part::Tenant {
        return None;
    }
    column.sensitive = !column.sensitive;
    Some(format!("{}: {} is sensitive: {}", table.name, column.name, column.sensitive))
}

fn change_condition(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_plain(version, |_| true, random)?;
    let table = &mut version.tables[at];
    if table.scope == Scope::Tenant && random.chance(40) {
        table.rule = if table.rule.is_some() { None } else { Some(rule(table, random)) };
        return Some(format!("{}: rule {:?}", table.name, table.rule));
    }
    let column = &mut table.columns[place];
    match random.below(4) {
        0 => column.index = !column.index,
        1 => column.unique = false,
        2 if !column.unique => {
            column.default = column.default.xor(Some(constant(column, random)));
        }
        _ => column.check = column.check.xor(Some(template(column.kind, random))),
    }
    let Column { name, index, default, check, .. } = column;
    Some(format!("{}: {name} index {index} default {default:?} check {check:?}", table.name))
}
