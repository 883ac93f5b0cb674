//! The fixture: the declarations, the test rows, and the effects of the foreign keys between them.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Expected, Outcome};
use crate::{
    ident::literal,
    model::def::{ColumnDef, OnDelete, ScopeDef, TableDef, TableName, TenancyDef},
};

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) table: TableName,
    /// The values as text, `None` for NULL.
    pub(super) values: BTreeMap<&'static str, Option<String>>,
    /// The declared conditions that the row satisfies: the index of the rule, and the user in the context.
    pub(super) matching_conditions: BTreeSet<(usize, Option<String>)>,
    /// The columns with a value other than the default and NULL, which its INSERT lists.
    pub(super) listed: BTreeSet<&'static str>,
}

/// The declarations and the test rows of their tables.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) tenancy: &'static TenancyDef,
    pub(super) tables: Vec<&'static TableDef>,
    pub(super) rows: Vec<Row>,
}

impl Fixture {
    pub(super) fn table(&self, name: TableName) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|table| table.name == name)
    }

    pub(super) fn rows_of(&self, name: TableName) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.table == name)
    }

    pub(super) fn membership(&self) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|table| table.membership.is_some())
    }
}

impl Row {
    pub(super) fn value(&self, column: &str) -> Option<&str> {
        self.values.get(column).and_then(Option::as_deref)
    }

    /// The value of a column as an SQL literal.
    pub(super) fn literal(&self, column: &str) -> String {
        self.value(column).map_or_else(|| "NULL".to_owned(), literal)
    }

    /// The key of the row as text.
    pub(super) fn key(&self, def: &TableDef) -> String {
        keys(def).map(|column| self.value(column.name).unwrap_or_default()).collect::<Vec<_>>().join("|")
    }
}

/// The columns of the primary key.
pub(super) fn keys(def: &TableDef) -> impl Iterator<Item = &'static ColumnDef> + use<> {
    let columns: &'static [ColumnDef] = def.columns;
    columns.iter().filter(|column| column.id)
}

/// The column that identifies a row within its tenant: the key, or its part that is not the tenant column.
pub(crate) fn row_id(def: &TableDef) -> Option<&'static ColumnDef> {
    let is_tenant = |column: &ColumnDef| def.scope == ScopeDef::Tenant { column: column.name };
    keys(def).find(|column| !is_tenant(column)).or_else(|| keys(def).next())
}

// The effects of foreign keys, independent of the subject.
impl Fixture {
    /// The outcome of deleting a row that no policy hides, and the rows that are deleted with it.
    pub(super) fn rows_after_delete(&self, def: &TableDef, row: &Row) -> (Expected, BTreeSet<(TableName, String)>) {
        let refers = |row: &Row, gone: &[&Row], action| {
            let Some(def) = self.table(row.table) else { return false };
            let mut columns =
                def.columns.iter().filter(|column| column.references.is_some_and(|to| to.on_delete == action));
            columns.any(|column| gone.iter().any(|target| self.references(def, row, column, target)))
        };
        let mut gone = vec![row];
        let is_in = |row: &Row, gone: &[&Row]| gone.iter().any(|other| std::ptr::eq(*other, row));
        while let Some(next) = self.rows.iter().find(|row| !is_in(row, &gone) && refers(row, &gone, OnDelete::Cascade))
        {
            gone.push(next);
        }
        let refusing: Vec<_> = self.rows.iter().filter(|row| refers(row, &gone, OnDelete::NoAction)).collect();
        let rows = Outcome::Rows([row.key(def)].into());
        let keys = gone.iter().filter_map(|row| Some((row.table, row.key(self.table(row.table)?)))).collect();
        if refusing.iter().any(|row| !is_in(row, &gone)) {
            (Expected::Is(Outcome::Broken), BTreeSet::new())
        } else if refusing.is_empty() {
            (Expected::Is(rows), keys)
        } else {
            (Expected::OneOf(vec![rows, Outcome::Broken]), keys)
        }
    }

    pub(super) fn references(&self, def: &TableDef, row: &Row, column: &ColumnDef, target: &Row) -> bool {
        let Some(other) = self.table(target.table) else { return false };
        let same_tenant = match (def.scope, other.scope) {
            (ScopeDef::Tenant { column: ours }, ScopeDef::Tenant { column: theirs }) => {
                row.value(ours) == target.value(theirs)
            }
            _ => true,
        };
        let id = row_id(other).and_then(|id| target.value(id.name));
        column.references.is_some_and(|to| to.table == target.table)
            && row.value(column.name).is_some()
            && row.value(column.name) == id
            && same_tenant
    }
}
