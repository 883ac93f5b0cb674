//! Probes of tables that keep deleted rows: deleting, reading deleted rows, restoring and removing them.

use crate::{
    db::set_local,
    ident::quoted,
    model::{def::TableDef, names, schema::Command},
    verify::{
        oracle::{Context, NOW},
        outcome::Expected,
        principals::Principal,
        probe::Probe,
        row_data,
        runner::Runner,
    },
};

/// A time other than that of the transaction.
const OTHER_TIME: &str = "2019-09-19 19:19:19+00";

impl Runner<'_> {
    /// Deletes, reads, restores and removes rows, with and without the setting that shows deleted rows.
    pub(in crate::verify) fn deleted_rows<'p>(
        &self,
        principal: &'p Principal,
        context: &Context,
        def: &'static TableDef,
        probes: &mut Vec<Probe<'p>>,
    ) {
        let Some(column) = def.columns.iter().find(|column| def.is_deletion_time(column)) else { return };
        let (table, name, key) = (row_data::name(def.name), quoted(column.name), Self::key(def, ""));
        let setting = self.tenancy.deleted_rows_setting();
        let shown = format!("{}; ", set_local(&setting, names::DELETED_ROWS_SHOWN));
        let (hiding, showing) = (self.oracle(context), self.oracle(context).showing_deleted());
        let ours = self.is_test_row(def);
        let read = format!("{shown}SELECT {key} FROM {table} WHERE {ours}");
        probes.push(Probe::new("deleted rows", (def.name, Command::Select), principal, read, showing.select(def)));
        // Without WHERE and RETURNING, the SELECT policies do not apply to the new rows.
        let blind = format!("UPDATE {table} SET {name} = '{OTHER_TIME}'");
        let technique = "deletion at another time without reading";
        probes.push(Probe::new(technique, (def.name, Command::Update), principal, blind, Expected::Nothing));
        for row in self.fixture.rows_of(def.name) {
            let is_row = row_data::is_row(def, row);
            let update = |show: &str, value: &str| {
                format!("{show}UPDATE {table} SET {name} = {value} WHERE {is_row} RETURNING {key}")
            };
            let about = (def.name, Command::Update);
            let now = || Some(NOW.to_owned());
            let other = || Some(OTHER_TIME.to_owned());
            let (at_now, at_other) = ("transaction_timestamp()", format!("'{OTHER_TIME}'"));
            let updates = [
                ("deletion", update("", at_now), hiding.update(def, &[row], &[column], Some(&[now()]))),
                (
                    "deletion at another time",
                    update("", &at_other),
                    hiding.update(def, &[row], &[column], Some(&[other()])),
                ),
                ("deletion again", update(&shown, at_now), showing.update(def, &[row], &[column], Some(&[now()]))),
                ("restoration", update(&shown, "NULL"), showing.update(def, &[row], &[column], Some(&[None]))),
            ];
            for (technique, statement, expected) in updates {
                probes.push(Probe::new(technique, about, principal, statement, expected));
            }
            let (expected, gone) = showing.delete(def, row);
            let statement = format!("{shown}DELETE FROM {table} WHERE {is_row} RETURNING {key}");
            let about = (def.name, Command::Delete);
            let removal = Probe::new("removal of a deleted row", about, principal, statement, expected);
            probes.push(Probe { removes: Some(gone), ..removal });
        }
    }
}
