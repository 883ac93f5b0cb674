//! Random changes to the labels of enums and to the roles of the tenancy, and the hints for them.

use super::{
    super::random_declarations::Random,
    changes::{moved, pick_plain, several},
    expressions::Backfill,
    first::{LABEL_TEXTS, ROLE_NAMES, label},
    hints::hint,
    model::{Column, Kind, Label, Part, Replaced, Version},
};

fn free_text(labels: &[Label], texts: &[&'static str], random: &mut Random) -> Option<&'static str> {
    let free: Vec<_> = texts.iter().filter(|text| labels.iter().all(|label| label.text != **text)).collect();
    (!free.is_empty()).then(|| *random.pick(&free))
}

fn fresh_id(labels: &[Label]) -> usize {
    100 + labels.iter().map(|label| label.id).max().unwrap_or_default()
}

/// Renames some labels; returns what was renamed.
fn rename(labels: &mut Vec<Label>, texts: &[&'static str], random: &mut Random) -> Option<String> {
    let most = 1 + random.below(3);
    let chosen = several(labels.len(), most, random);
    let names: Vec<_> = chosen.iter().map(|at| labels[*at].text).collect();
    let (new, free) = moved(&names, free_text(labels, texts, random)?, random);
    for (at, text) in chosen.iter().zip(&new) {
        labels[*at].text = text;
    }
    let mut told = format!("{names:?} become {new:?}");
    if let Some(text) = free.filter(|_| random.chance(35)) {
        let id = fresh_id(labels);
        labels.insert(random.below(labels.len() + 1), label(id, text));
        told += &format!(", new {text}");
    }
    Some(told)
}

fn pick_enum(version: &mut Version, random: &mut Random) -> Option<(usize, usize)> {
    pick_plain(version, |column| column.kind == Kind::Labels, random)
}

/// Changes the labels of a column, and with them its default and its backfill.
fn change(
    column: &mut Column,
    random: &mut Random,
    with: impl FnOnce(&mut Column, &mut Random) -> Option<String>,
) -> Option<String> {
    let old = column.clone();
    let told = with(column, random)?;
    let text = |value: &'static str, column: &Column| {
        let label = old.labels.iter().find(|label| label.text == value)?;
        let into = column.replaced.iter().find(|gone| gone.text == value).map(|gone| gone.into);
        column.text_of(label.id).or_else(|| column.text_of(into?))
    };
    column.default = column.default.and_then(|value| text(value, column));
    if let Some(Backfill::Constant(kind, value)) = column.backfill {
        column.backfill = text(value, column).map(|value| Backfill::Constant(kind, value));
    }
    Some(told)
}

pub(super) fn rename_labels(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_enum(version, random)?;
    let (name, column) = (version.tables[at].name, &mut version.tables[at].columns[place]);
    let told = change(column, random, |column, random| rename(&mut column.labels, &LABEL_TEXTS, random))?;
    Some(format!("{name}.{}: labels {told}", column.name))
}

pub(super) fn add_label(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_enum(version, random)?;
    let (name, column) = (version.tables[at].name, &mut version.tables[at].columns[place]);
    let text = free_text(&column.labels, &LABEL_TEXTS, random)?;
    column.labels.push(label(fresh_id(&column.labels), text));
    Some(format!("{name}.{}: add label {text}", column.name))
}

/// Replaces a removed label, and what it has replaced itself.
fn replace(column: &mut Column, gone: &Label, into: usize) {
    column.replaced.iter_mut().filter(|other| other.into == gone.id).for_each(|other| other.into = into);
    column.replaced.push(Replaced { id: gone.id, text: gone.text, into });
}

/// Removes a label; rows that have it get another one, which is sometimes new.
fn remove(column: &mut Column, texts: &[&'static str], random: &mut Random) -> Option<String> {
    if column.labels.len() < 3 {
        return None;
    }
    let gone = column.labels[random.below(column.labels.len())].clone();
    let others: Vec<_> = column.labels.iter().filter(|label| label.id != gone.id).cloned().collect();
    let mut into = others[random.below(others.len())].clone();
    if let Some(text) = free_text(&column.labels, texts, random).filter(|_| random.chance(30)) {
        into = label(fresh_id(&column.labels), text);
        column.labels.push(into.clone());
    }
    column.labels.retain(|label| label.id != gone.id);
    replace(column, &gone, into.id);
    Some(format!("remove {}, replaced by {}", gone.text, into.text))
}

pub(super) fn remove_label(version: &mut Version, random: &mut Random) -> Option<String> {
    let (at, place) = pick_enum(version, random)?;
    let (name, column) = (version.tables[at].name, &mut version.tables[at].columns[place]);
    let told = change(column, random, |column, random| remove(column, &LABEL_TEXTS, random))?;
    Some(format!("{name}.{}: labels {told}", column.name))
}

/// Makes an enum of a text that contains only labels.
pub(super) fn text_to_enum(version: &mut Version, random: &mut Random) -> Option<String> {
    let is_text = |column: &Column| column.kind == Kind::Text && column.first_kind == Kind::Labels;
    let (at, place) = pick_plain(version, is_text, random)?;
    let (name, column) = (version.tables[at].name, &mut version.tables[at].columns[place]);
    column.kind = Kind::Labels;
    let mut told = format!("{name}.{}: text to enum", column.name);
    if !column.was_enum && random.chance(60) {
        told += &change(column, random, |column, random| rename(&mut column.labels, &LABEL_TEXTS, random))?;
    }
    column.was_enum = true;
    Some(told)
}

pub(super) fn rename_roles(version: &mut Version, random: &mut Random) -> Option<String> {
    let told = rename(&mut version.roles, &ROLE_NAMES, random)?;
    version.share_roles();
    Some(format!("roles {told}"))
}

pub(super) fn add_role(version: &mut Version, random: &mut Random) -> Option<String> {
    let name = free_text(&version.roles, &ROLE_NAMES, random)?;
    let (id, place) = (fresh_id(&version.roles), random.below(version.roles.len() + 1));
    version.roles.insert(place, label(id, name));
    version.share_roles();
    Some(format!("add role {name}"))
}

pub(super) fn remove_role(version: &mut Version, random: &mut Random) -> Option<String> {
    if version.roles.len() < 3 {
        return None;
    }
    let gone = version.roles.remove(random.below(version.roles.len()));
    let into = version.roles[random.below(version.roles.len())].clone();
    version.share_roles();
    for column in version.tables.iter_mut().flat_map(|table| &mut table.columns) {
        if column.part == Part::Role {
            replace(column, &gone, into.id);
        }
    }
    Some(format!("remove role {}, replaced by {}", gone.text, into.text))
}

/// Writes `renamed_from` of labels or roles.
pub(super) fn write_label_hints(before: &[Label], after: &mut [Label], random: &mut Random) {
    for label in after {
        let was = before.iter().find(|old| old.id == label.id).map(|old| old.text);
        label.renamed_from = hint(was, label.text, label.renamed_from, random);
    }
}

/// Writes the hints of a column. A label that an earlier version removed may stay in `replaces`.
pub(super) fn write_column_hints(was: Option<&Column>, column: &mut Column, random: &mut Random) {
    let Some(was) = was.filter(|_| column.kind == Kind::Labels) else {
        column.replaced.clear();
        column.labels.iter_mut().for_each(|label| label.renamed_from = None);
        return;
    };
    if column.part != Part::Role {
        write_label_hints(&was.labels, &mut column.labels, random);
    }
    let ids: Vec<_> = column.labels.iter().map(|label| label.id).collect();
    let has = |labels: &[Label], text: &str| labels.iter().any(|label| label.text == text);
    let labels = column.labels.clone();
    // A label that is renamed and removed at once has its old text in the rows.
    for gone in &mut column.replaced {
        gone.text = was.text_of(gone.id).unwrap_or(gone.text);
    }
    column.replaced.retain(|gone| {
        let is_new = was.text_of(gone.id).is_some();
        let is_stale = was.replaced.iter().any(|other| other.id == gone.id);
        ids.contains(&gone.into) && (is_new || is_stale && !has(&labels, gone.text) && random.chance(50))
    });
}

/// Returns whether attributes can express the change of the labels.
pub(super) fn are_declarable(before: &[Label], after: &[Label]) -> bool {
    let gone = |text: &str| before.iter().any(|old| old.text == text && after.iter().all(|label| label.id != old.id));
    after.iter().all(|label| {
        let was = before.iter().find(|old| old.id == label.id);
        let is_renamed = was.is_some_and(|was| was.text != label.text);
        let is_repeated = |old: &Label| old.text == label.text && old.renamed_from == label.renamed_from;
        // The text of a removed label stays the label of its rows.
        !(gone(label.text) || is_renamed && before.iter().any(is_repeated))
    })
}

/// Returns whether each removed label of a column is replaced once, and no label of a text changes.
pub(super) fn are_replaced_once(was: Option<&Column>, column: &Column) -> bool {
    let texts = |column: &Column| column.labels.iter().map(|label| label.text).collect::<Vec<_>>();
    if column.kind == Kind::Text && was.is_some_and(|was| texts(was) != texts(column)) {
        return false;
    }
    column.replaced.iter().enumerate().all(|(at, gone)| {
        let is_other = |text: &str| text != gone.text;
        column.replaced[..at].iter().all(|other| is_other(other.text))
            && column.labels.iter().all(|label| is_other(label.text))
    })
}
