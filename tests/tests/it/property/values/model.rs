//! Versions of a product and their rows: the reference for every value after a migration.
//!
//! Tables and columns have an identity that no rename changes. The reference follows it; the planner knows only names.

use std::collections::{BTreeMap, BTreeSet};

use super::expressions::{Backfill, Condition};

/// A value as PostgreSQL casts it to text.
pub(super) type Value = Option<String>;
/// The values of a row, by the identity of the column.
pub(super) type Row = BTreeMap<usize, Value>;
/// The rows of all tables, by the identity of the table.
pub(super) type Rows = BTreeMap<usize, Vec<Row>>;

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Integer,
    Bigint,
    Text,
    Varchar,
    Date,
    Boolean,
    Uuid,
    /// An enum: text with a list of labels.
    Labels,
}

impl Kind {
    /// Returns the name of the type in the catalog.
    pub(super) fn sql_name(self) -> &'static str {
        match self {
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Text | Self::Labels => "text",
            Self::Varchar => "character varying(60)",
            Self::Date => "date",
            Self::Boolean => "boolean",
            Self::Uuid => "uuid",
        }
    }

    pub(super) fn is_number(self) -> bool {
        matches!(self, Self::Integer | Self::Bigint)
    }

    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Text | Self::Varchar)
    }
}

/// What a column is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Key,
    Tenant,
    /// References the key of another table, by the identity of that table.
    Link(usize),
    /// References the row whose tenant the row belongs to.
    Parent(usize),
    User,
    Role,
    Plain,
}

/// How the rows of a table belong to tenants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    Tenant,
    Parent,
    Global,
    Members,
}

/// A label of an enum, or a role of the tenancy.
#[derive(Debug, Clone)]
pub(super) struct Label {
    pub(super) id: usize,
    pub(super) text: &'static str,
    pub(super) renamed_from: Option<&'static str>,
}

/// A removed label.
#[derive(Debug, Clone, Copy)]
pub(super) struct Replaced {
    pub(super) id: usize,
    /// The text that it had in the version before.
    pub(super) text: &'static str,
    /// The label that replaces it.
    pub(super) into: usize,
}

#[derive(Debug, Clone)]
pub(super) struct Column {
    pub(super) id: usize,
    pub(super) name: &'static str,
    pub(super) renamed_from: Option<&'static str>,
    pub(super) part: Part,
    pub(super) kind: Kind,
    /// The first type of the column. Its values stay convertible to it, so that a migration can be reverted.
    pub(super) first_kind: Kind,
    pub(super) nullable: bool,
    /// Whether an earlier version had the column as NOT NULL.
    pub(super) was_required: bool,
    /// The labels, which a text that was an enum keeps as its only values.
    pub(super) labels: Vec<Label>,
    /// The removed labels, each with the label that replaces it.
    pub(super) replaced: Vec<Replaced>,
    /// Whether an earlier version declared the labels.
    pub(super) was_enum: bool,
    pub(super) default: Option<&'static str>,
    pub(super) backfill: Option<Backfill>,
    pub(super) check: Option<&'static str>,
    pub(super) unique: bool,
    pub(super) index: bool,
    pub(super) sensitive: bool,
}

impl Column {
    pub(super) fn plain(id: usize, name: &'static str, kind: Kind) -> Self {
        Self {
            id,
            name,
            renamed_from: None,
            part: Part::Plain,
            kind,
            first_kind: kind,
            nullable: false,
            was_required: false,
            labels: Vec::new(),
            replaced: Vec::new(),
            was_enum: kind == Kind::Labels,
            default: None,
            backfill: None,
            check: None,
            unique: false,
            index: false,
            sensitive: false,
        }
    }

    pub(super) fn text_of(&self, label: usize) -> Option<&'static str> {
        self.labels.iter().find(|other| other.id == label).map(|label| label.text)
    }

    /// Returns what a value of the column becomes in its next version.
    fn migrated(&self, value: &str, next: &Self) -> String {
        let Some(label) = self.labels.iter().find(|label| label.text == value) else { return value.to_owned() };
        let replacement = || {
            let found = next.replaced.iter().find(|gone| gone.text == value);
            found.and_then(|gone| next.text_of(gone.into))
        };
        next.text_of(label.id).or_else(replacement).unwrap_or(value).to_owned()
    }

    /// Returns what a value becomes when the migration to `next` is reverted.
    ///
    /// A label that replaced others and is new itself becomes the first of them. A label that existed before stays,
    /// since its rows cannot be told apart.
    fn reverted(&self, value: &str, next: &Self) -> String {
        let label = next.labels.iter().find(|label| label.text == value);
        let Some(label) = label.filter(|_| self.kind == Kind::Labels) else { return value.to_owned() };
        let replaced = || {
            let old = next.replaced.iter().filter(|gone| gone.into == label.id && self.has_text(gone.text));
            old.map(|gone| gone.text).min()
        };
        self.text_of(label.id).or_else(replaced).unwrap_or(value).to_owned()
    }

    fn has_text(&self, text: &str) -> bool {
        self.labels.iter().any(|label| label.text == text)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) id: usize,
    pub(super) name: &'static str,
    pub(super) renamed_from: Option<&'static str>,
    pub(super) scope: Scope,
    pub(super) rule: Option<Condition>,
    pub(super) columns: Vec<Column>,
    /// Two columns that an earlier version has swapped.
    pub(super) swapped: Option<(usize, usize)>,
}

impl Table {
    pub(super) fn column(&self, id: usize) -> Option<&Column> {
        self.columns.iter().find(|column| column.id == id)
    }

    pub(super) fn named(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub(super) fn part(&self, part: Part) -> Option<&Column> {
        self.columns.iter().find(|column| column.part == part)
    }

    /// Returns the table whose rows decide the tenant of this table's rows.
    pub(super) fn parent(&self) -> Option<usize> {
        self.columns.iter().find_map(|column| match column.part {
            Part::Parent(of) => Some(of),
            _ => None,
        })
    }
}

/// A version of the product.
#[derive(Debug, Clone)]
pub(super) struct Version {
    pub(super) tables: Vec<Table>,
    /// The roles, each of which includes the one before it.
    pub(super) roles: Vec<Label>,
    /// The next identity.
    pub(super) next: usize,
}

impl Version {
    pub(super) fn table(&self, id: usize) -> Option<&Table> {
        self.tables.iter().find(|table| table.id == id)
    }

    /// Returns the tenant column of the parent of a table's rows, of which the table has a copy.
    pub(super) fn tenant_of_parent(&self, table: &Table) -> Option<&Column> {
        self.table(table.parent()?)?.part(Part::Tenant)
    }

    /// Returns the tenant of a row, which is the tenant of its parent.
    pub(super) fn tenant_of_row(&self, rows: &Rows, table: &Table, row: &Row) -> Value {
        let of = table.parent().expect("the table has a parent");
        let parent = self.table(of).expect("the parent's table");
        let id = |table: &Table, part| table.part(part).expect("the column").id;
        let (key, reference) = (id(parent, Part::Key), id(table, Part::Parent(of)));
        let found = rows[&of].iter().find(|other| other[&key] == row[&reference]).expect("the parent");
        found[&id(parent, Part::Tenant)].clone()
    }

    /// Gives the column with the members' roles the roles of the tenancy as its labels.
    pub(super) fn share_roles(&mut self) {
        let columns = self.tables.iter_mut().flat_map(|table| &mut table.columns);
        columns.filter(|column| column.part == Part::Role).for_each(|column| column.labels = self.roles.clone());
    }

    pub(super) fn fresh(&mut self) -> usize {
        self.next += 1;
        self.next
    }

    pub(super) fn is_referenced(&self, id: usize) -> bool {
        let refers = |column: &Column| column.part == Part::Link(id) || column.part == Part::Parent(id);
        self.tables.iter().any(|table| table.columns.iter().any(refers))
    }
}

/// Returns the rows after the migration from one version to the next.
pub(super) fn migrated(rows: &Rows, before: &Version, after: &Version) -> Rows {
    let table = |table: &Table| {
        let rows = match before.table(table.id) {
            Some(old) => rows[&table.id].iter().map(|row| migrated_row(row, old, table)).collect(),
            None => Vec::new(),
        };
        (table.id, rows)
    };
    after.tables.iter().map(table).collect()
}

fn migrated_row(row: &Row, old: &Table, new: &Table) -> Row {
    let kept = |column: &Column| match old.column(column.id) {
        Some(was) => row[&column.id].as_ref().map(|value| was.migrated(value, column)),
        None => column.default.map(str::to_owned),
    };
    let mut values: Row = new.columns.iter().map(|column| (column.id, kept(column))).collect();
    // A backfill reads the new values, and the old ones of the columns that are dropped.
    let mut readable = row.clone();
    readable.extend(values.clone());
    for column in new.columns.iter().filter(|column| !column.nullable) {
        let value = values.get_mut(&column.id).expect("each column has a value");
        if value.is_none() {
            let filled = column.backfill.as_ref().map(|backfill| backfill.value(&readable));
            *value = filled.or(column.default.map(str::to_owned));
        }
    }
    values
}

/// Returns the rows after the migration from `before` to `after` has been reverted.
pub(super) fn reverted(rows: &Rows, before: &Version, after: &Version) -> Rows {
    let table = |old: &Table| {
        let Some(new) = after.table(old.id) else { return (old.id, Vec::new()) };
        let value = |row: &Row, column: &Column| match new.column(column.id) {
            Some(now) => row[&column.id].as_ref().map(|value| column.reverted(value, now)),
            None => column.default.map(str::to_owned),
        };
        let row = |row: &Row| old.columns.iter().map(|column| (column.id, value(row, column))).collect();
        (old.id, rows[&old.id].iter().map(row).collect())
    };
    before.tables.iter().map(table).collect()
}

/// Returns whether a migration drops a column that its down file cannot add to rows again.
pub(super) fn is_irreversible(before: &Version, after: &Version) -> bool {
    before.tables.iter().any(|old| {
        let Some(new) = after.table(old.id) else { return false };
        let is_lost = |column: &Column| new.column(column.id).is_none() && !column.nullable && column.default.is_none();
        old.columns.iter().any(is_lost)
    })
}

/// Returns whether rows hold NULL in a column that is NOT NULL: the column was dropped and came back empty.
pub(super) fn holds_forbidden_null(rows: &Rows, version: &Version) -> bool {
    version.tables.iter().any(|table| {
        let required: Vec<_> = table.columns.iter().filter(|column| !column.nullable).collect();
        rows[&table.id].iter().any(|row| required.iter().any(|column| row[&column.id].is_none()))
    })
}

/// Returns whether rows hold a label that a version does not have yet: it has replaced another one since.
pub(super) fn holds_unknown_label(rows: &Rows, version: &Version) -> bool {
    version.tables.iter().any(|table| {
        let mut enums = table.columns.iter().filter(|column| column.kind == Kind::Labels);
        let is_unknown =
            |column: &Column, row: &Row| row[&column.id].as_ref().is_some_and(|value| !column.has_text(value));
        enums.any(|column| rows[&table.id].iter().any(|row| is_unknown(column, row)))
    })
}

/// Returns the names by which `--drop` confirms what a migration drops.
pub(super) fn dropped(before: &Version, after: &Version) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for old in &before.tables {
        match after.table(old.id) {
            None => drop(names.insert(format!("app.{}", old.name))),
            Some(new) => {
                let gone = old.columns.iter().filter(|column| new.column(column.id).is_none());
                names.extend(gone.map(|column| format!("app.{}.{}", new.name, column.name)));
            }
        }
    }
    names
}
