//! The fixture: the declarations, the test rows, and the effects of the foreign keys between them.

use std::collections::{BTreeMap, BTreeSet};

use super::outcome::{Expected, Outcome};
use crate::{
    ident::literal,
    model::{
        def::{ColumnDef, OnDelete, RuleDef, TableDef, TableName, TenancyDef},
        def_access::Reference,
    },
};

/// A test row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) table: TableName,
    /// The values as text; `None` for NULL.
    pub(super) values: BTreeMap<&'static str, Option<String>>,
    /// The declared conditions that the row satisfies: the index of each rule, and the user in the context.
    pub(super) matching_conditions: BTreeSet<(usize, Option<String>)>,
    /// The columns with a value other than the default and NULL, which its INSERT lists.
    pub(super) listed: BTreeSet<&'static str>,
}

/// The declarations and the test rows of their tables.
///
/// Every probe on every table uses the fixture, so no lookup searches all tables.
#[derive(Debug)]
pub(super) struct Fixture {
    pub(super) tenancy: &'static TenancyDef,
    pub(super) tables: Vec<&'static TableDef>,
    pub(super) rows: Vec<Row>,
    by_name: BTreeMap<TableName, TableEntry>,
    membership: Option<&'static TableDef>,
    /// Whether a condition of any table reads other tables.
    pub(super) has_subqueries: bool,
}

/// A table with the positions of its rows, and the foreign keys that reference it.
#[derive(Debug)]
struct TableEntry {
    def: &'static TableDef,
    rows: Vec<usize>,
    referenced_by: Vec<(&'static TableDef, Reference)>,
}

impl Fixture {
    pub(super) fn new(tenancy: &'static TenancyDef, tables: &[&'static TableDef]) -> Self {
        let entry =
            |def: &&'static TableDef| (def.name, TableEntry { def, rows: Vec::new(), referenced_by: Vec::new() });
        let mut by_name: BTreeMap<_, _> = tables.iter().map(entry).collect();
        for def in tables {
            for reference in def.references() {
                if let Some(target) = by_name.get_mut(&reference.to.table) {
                    target.referenced_by.push((def, reference));
                }
            }
        }
        Self {
            tenancy,
            tables: tables.to_vec(),
            rows: Vec::new(),
            by_name,
            membership: tables.iter().copied().find(|table| table.membership.is_some()),
            has_subqueries: tables.iter().flat_map(|def| def.rules).any(reads_other_tables),
        }
    }

    /// Adds a test row.
    pub(super) fn push(&mut self, row: Row) {
        if let Some(entry) = self.by_name.get_mut(&row.table) {
            entry.rows.push(self.rows.len());
        }
        self.rows.push(row);
    }

    pub(super) fn table(&self, name: TableName) -> Option<&'static TableDef> {
        self.by_name.get(&name).map(|entry| entry.def)
    }

    pub(super) fn rows_of(&self, name: TableName) -> impl Iterator<Item = &Row> {
        self.by_name.get(&name).into_iter().flat_map(|entry| &entry.rows).filter_map(|at| self.rows.get(*at))
    }

    pub(super) fn membership(&self) -> Option<&'static TableDef> {
        self.membership
    }

    /// Returns the foreign keys that reference a table, each with its own table.
    pub(super) fn referenced_by(&self, name: TableName) -> &[(&'static TableDef, Reference)] {
        self.by_name.get(&name).map_or(&[], |entry| &entry.referenced_by)
    }
}

/// Returns whether a condition reads other tables.
pub(super) fn reads_other_tables(rule: &RuleDef) -> bool {
    rule.condition.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("select"))
}

impl Row {
    pub(super) fn value(&self, column: &str) -> Option<&str> {
        self.values.get(column).and_then(Option::as_deref)
    }

    /// Returns a column's value as an SQL literal.
    pub(super) fn literal(&self, column: &str) -> String {
        self.value(column).map_or_else(|| "NULL".to_owned(), literal)
    }

    /// Returns the key of the row as text.
    pub(super) fn key(&self, def: &TableDef) -> String {
        keys(def).map(|column| self.value(column.name).unwrap_or_default()).collect::<Vec<_>>().join("|")
    }
}

/// Returns the columns of the primary key.
pub(super) fn keys(def: &TableDef) -> impl Iterator<Item = &'static ColumnDef> + use<> {
    let columns: &'static [ColumnDef] = def.columns;
    columns.iter().filter(|column| column.id)
}

/// Returns the column that identifies a row within its tenant; `None` if the key has several such columns.
pub(super) fn row_id(def: &TableDef) -> Option<&'static ColumnDef> {
    match def.own_key()[..] {
        [id] => Some(id),
        _ => None,
    }
}

// The effects of foreign keys, independent of the subject.
impl Fixture {
    /// Returns the invitation table. With it, a user joins a tenant only with consent.
    pub(super) fn invitations(&self) -> Option<&'static TableDef> {
        self.tables.iter().copied().find(|def| def.invitation.is_some())
    }

    /// Returns the outcome of deleting a row that no policy hides, and the rows that are deleted with it.
    pub(super) fn rows_after_delete(&self, def: &TableDef, row: &Row) -> (Expected, BTreeSet<(TableName, String)>) {
        let referring = |target: &Row, action: OnDelete| {
            let keys = self.referenced_by(target.table).iter();
            let keys = keys.filter(move |(_, reference)| reference.to.on_delete == action);
            let target = target.clone();
            keys.flat_map(move |(def, reference)| {
                let rows = self.rows_of(def.name).filter(|row| self.references(def, row, reference, &target));
                rows.collect::<Vec<_>>()
            })
        };
        let mut gone = vec![row];
        let is_in = |row: &Row, gone: &[&Row]| gone.iter().any(|other| std::ptr::eq(*other, row));
        let mut next = 0;
        while let Some(target) = gone.get(next).copied() {
            for row in referring(target, OnDelete::Cascade) {
                if !is_in(row, &gone) {
                    gone.push(row);
                }
            }
            next += 1;
        }
        let refusing: Vec<_> = gone.iter().flat_map(|target| referring(target, OnDelete::NoAction)).collect();
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

    /// Returns whether a row references another row. A row with NULL in one of the columns references no row.
    pub(super) fn references(&self, def: &TableDef, row: &Row, reference: &Reference, target: &Row) -> bool {
        let Some(other) = self.table(target.table) else { return false };
        let same_tenant = match (def.tenant_column(), other.tenant_column()) {
            (Some(ours), Some(theirs)) => row.value(ours) == target.value(theirs),
            _ => true,
        };
        let key = other.own_key();
        let is_same = |(column, key): (&&ColumnDef, &&ColumnDef)| {
            row.value(column.name).is_some() && row.value(column.name) == target.value(key.name)
        };
        reference.to.table == target.table
            && reference.columns.len() == key.len()
            && reference.columns.iter().zip(&key).all(is_same)
            && same_tenant
    }
}
