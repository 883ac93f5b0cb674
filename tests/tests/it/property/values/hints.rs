//! The attributes that a developer writes for the changes between two versions.

use super::{
    super::random_declarations::Random,
    expressions::{Backfill, constant},
    labels,
    model::{Column, Kind, Table, Version},
};

/// Writes `renamed_from` for what has another name now, and keeps or removes the attributes of earlier versions.
pub(super) fn write_hints(before: &Version, after: &mut Version, random: &mut Random) {
    labels::write_label_hints(&before.roles, &mut after.roles, random);
    after.share_roles();
    for table in &mut after.tables {
        let old = before.table(table.id);
        table.renamed_from = hint(old.map(|old| old.name), table.name, table.renamed_from, random);
        let ids: Vec<_> = table.columns.iter().map(|column| column.id).collect();
        for column in &mut table.columns {
            let was = old.and_then(|old| old.column(column.id));
            column.renamed_from = hint(was.map(|was| was.name), column.name, column.renamed_from, random);
            labels::write_column_hints(was, column, random);
            let is_filled = old.is_some() && !column.nullable && was.is_none_or(|was| was.nullable);
            let reads_exist = |backfill: &Backfill| backfill.reads().iter().all(|id| ids.contains(id));
            column.backfill = match column.backfill.take() {
                _ if column.nullable || column.default.is_some() || old.is_none() => None,
                None if is_filled => Some(Backfill::Constant(column.kind, constant(column, random))),
                backfill if is_filled => backfill,
                backfill => backfill.filter(|backfill| reads_exist(backfill) && random.chance(40)),
            };
        }
    }
}

pub(super) fn hint(
    old: Option<&'static str>,
    new: &'static str,
    earlier: Option<&'static str>,
    random: &mut Random,
) -> Option<&'static str> {
    match old {
        Some(old) if old != new => Some(old),
        Some(_) => earlier.filter(|_| random.chance(60)),
        None => None,
    }
}

/// Returns whether attributes can express the difference between two versions.
pub(super) fn is_declarable(before: &Version, after: &Version) -> bool {
    labels::are_declarable(&before.roles, &after.roles)
        && after.tables.iter().all(|table| {
            // The tenant column that a table copies from its parent table.
            let copied = after.tenant_of_parent(table);
            if copied.is_some_and(|tenant| table.named(tenant.name).is_some()) {
                return false;
            }
            let Some(old) = before.table(table.id) else {
                // A new table under the name of a dropped one would be the same table.
                return before.tables.iter().all(|old| old.name != table.name || after.table(old.id).is_some());
            };
            // A rename that the previous version has declared already is invisible.
            let is_renamed = old.name != table.name;
            let is_repeated = |old: &Table| old.name == table.name && old.renamed_from == table.renamed_from;
            if is_renamed && before.tables.iter().any(is_repeated) {
                return false;
            }
            table.columns.iter().all(|column| is_column_declarable(old, table, column))
        })
}

fn is_column_declarable(old: &Table, table: &Table, column: &Column) -> bool {
    let was = old.column(column.id);
    let labels = was.map_or(&[][..], |was| &was.labels);
    if !labels::are_declarable(labels, &column.labels) || !labels::are_replaced_once(was, column) {
        return false;
    }
    if was.is_none() && old.named(column.name).is_some_and(|gone| table.column(gone.id).is_none()) {
        return false;
    }
    let is_renamed = was.is_some_and(|was| was.name != column.name);
    if is_renamed && old.named(column.name).is_some_and(|other| other.renamed_from == column.renamed_from) {
        return false;
    }
    // A column that is filled while another backfill reads it has two values in one migration.
    let is_filled = |column: &Column| {
        let was = old.column(column.id);
        !column.nullable && was.map_or(column.default.is_none(), |was| was.nullable)
    };
    let fits = |backfill: &Backfill, kind: Kind| match backfill {
        Backfill::Constant(..) | Backfill::Joined(..) => true,
        Backfill::First(_) | Backfill::Rest(_) | Backfill::Copy(_) => kind.is_text(),
        Backfill::Next(_) => kind.is_number(),
    };
    let Some(backfill) = &column.backfill else { return true };
    backfill.reads().into_iter().all(|id| match (table.column(id), old.column(id)) {
        (Some(read), _) => !is_filled(read) && fits(backfill, read.kind),
        (None, Some(read)) => table.named(read.name).is_none() && fits(backfill, read.kind),
        (None, None) => false,
    })
}
