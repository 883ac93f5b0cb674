//! The reference: what a declaration allows, told from the declaration and the rows that are there, and from nothing that was
//! generated from them.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    ident::literal,
    matrix::{is_by_function, may, may_use},
    model::{
        def::{ColumnDef, OnDelete, RuleDef, ScopeDef, TableDef, TableName, TenancyDef},
        schema::Command,
    },
};

/// A row.
#[derive(Debug, Clone)]
pub(super) struct Row {
    pub(super) table: TableName,
    /// The values as text, `None` for NULL.
    pub(super) values: BTreeMap<&'static str, Option<String>>,
    /// For which users each condition of the declaration holds on the row; the number is the rule's.
    pub(super) holds: BTreeSet<(usize, Option<String>)>,
}

/// What becomes of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A privilege is missing.
    Denied,
    /// A policy refuses a new row.
    Refused,
    /// A key refuses it: the row is there already, or what it refers to is not.
    Broken,
    /// It shows or changes rows, told by their keys.
    Rows(BTreeSet<String>),
    /// It fails in a way that no declaration means.
    Failed(String),
}

/// What may become of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Expected {
    /// This.
    Is(Outcome),
    /// One of these: which one, the order of constraints decides.
    OneOf(Vec<Outcome>),
    /// These rows or fewer: a condition asks other tables, which are under policies themselves.
    AtMost(BTreeSet<String>),
    /// Neither a row nor a change, by whatever error or none.
    Nothing,
}

impl Expected {
    pub(super) fn is_met_by(&self, found: &Outcome) -> bool {
        match (self, found) {
            (Self::Is(wanted), found) => wanted == found,
            (Self::OneOf(outcomes), found) => outcomes.contains(found),
            (Self::AtMost(most), Outcome::Rows(rows)) => rows.is_subset(most),
            (Self::AtMost(_), found) => *found == Outcome::Refused,
            (Self::Nothing, Outcome::Rows(rows)) => rows.is_empty(),
            (Self::Nothing, _) => true,
        }
    }
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    /// The role by its name in the declaration; none for who has none.
    pub(super) role: Option<&'static str>,
    pub(super) tenant: Option<String>,
    pub(super) user: Option<String>,
}

/// The declarations, and the rows that stand in their tables.
#[derive(Debug)]
pub(super) struct World {
    pub(super) tenancy: &'static TenancyDef,
    pub(super) tables: Vec<&'static TableDef>,
    pub(super) rows: Vec<Row>,
}

impl World {
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

    /// The value of a column as it stands in a statement.
    pub(super) fn literal(&self, column: &str) -> String {
        self.value(column).map_or_else(|| "NULL".to_owned(), literal)
    }

    /// The text by which the row is told from others of its table.
    pub(super) fn key(&self, def: &TableDef) -> String {
        keys(def).map(|column| self.value(column.name).unwrap_or_default()).collect::<Vec<_>>().join("|")
    }
}

/// The columns of the primary key.
pub(super) fn keys(def: &TableDef) -> impl Iterator<Item = &'static ColumnDef> + use<> {
    let columns: &'static [ColumnDef] = def.columns;
    columns.iter().filter(|column| column.id)
}

/// The column that names a row: the key, or the part of it that is not the tenant's.
pub(crate) fn row_id(def: &TableDef) -> Option<&'static ColumnDef> {
    let is_tenant = |column: &ColumnDef| def.scope == ScopeDef::Tenant { column: column.name };
    keys(def).find(|column| !is_tenant(column)).or_else(|| keys(def).next())
}

/// Says whether a condition asks other tables.
fn asks_others(rule: &RuleDef) -> bool {
    rule.condition.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("select"))
}

/// The model, for one who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'w> {
    pub(super) world: &'w World,
    pub(super) context: &'w Context,
}

// What the attributes mean.
impl Reference<'_> {
    fn may(&self, needed: Option<&str>) -> bool {
        self.context.role.is_some_and(|role| may(self.world.tenancy, role, needed))
    }

    pub(super) fn may_use(&self, def: &TableDef, command: Command, column: &ColumnDef) -> bool {
        self.context.role.is_some_and(|role| may_use(def, role, command, column))
    }

    /// Says whether the asker may read the columns by which rows are told apart, as WHERE and RETURNING do.
    pub(super) fn reads_keys(&self, def: &TableDef) -> bool {
        keys(def).all(|column| self.may_use(def, Command::Select, column))
    }

    /// The tenant is the one in the context, and where there is a membership table, it says that the user may act so.
    pub(super) fn acts_in(&self, tenant: Option<&str>) -> bool {
        let Some(asker) = self.context.role else { return false };
        let is_gated = |table: &'static TableDef| {
            let (Some(membership), ScopeDef::Tenant { column }) = (table.membership, table.scope) else { return false };
            self.world.rows_of(table.name).any(|row| {
                row.value(column) == tenant
                    && row.value(membership.user) == self.context.user.as_deref()
                    && row.value(membership.role).is_some_and(|role| may(self.world.tenancy, role, Some(asker)))
            })
        };
        tenant.is_some() && self.context.tenant.as_deref() == tenant && self.world.membership().is_none_or(is_gated)
    }

    fn is_of_tenant(&self, def: &TableDef, row: &Row) -> bool {
        match def.scope {
            ScopeDef::Global => true,
            ScopeDef::Tenant { column } => self.acts_in(row.value(column)),
            // Whose rows they are, other rows say: those that the asker sees.
            ScopeDef::Shared { through } => self.world.table(through).is_some_and(|members| {
                let user = members.membership.map(|membership| membership.user);
                let id = row_id(def).and_then(|id| row.value(id.name));
                self.world
                    .rows_of(through)
                    .any(|member| user.and_then(|user| member.value(user)) == id && self.sees(members, member))
            }),
            ScopeDef::Parent { column } => self.parent(def, row, column).is_some_and(|(def, row)| self.sees(def, row)),
        }
    }

    fn parent(&self, def: &TableDef, row: &Row, column: &str) -> Option<(&'static TableDef, &Row)> {
        let reference = def.columns.iter().find(|candidate| candidate.name == column)?.references?;
        let parent = self.world.table(reference.table)?;
        let id = row_id(parent)?.name;
        Some((parent, self.world.rows_of(reference.table).find(|other| other.value(id) == row.value(column))?))
    }

    fn is_own(&self, def: &TableDef, row: &Row) -> bool {
        let user = self.context.user.as_deref();
        def.owner.is_some_and(|owner| user.is_some() && row.value(owner) == user)
    }

    fn is_shown(&self, def: &TableDef, row: &Row) -> bool {
        def.visibility.is_none_or(|column| row.value(column) == Some("team") || self.is_own(def, row))
    }

    fn keeps_rules(&self, def: &TableDef, row: &Row, command: Command, check: bool) -> bool {
        let mut rules =
            def.rules.iter().enumerate().filter(|(_, rule)| rule.command == command.attribute() && rule.check == check);
        // What a condition that asks other tables finds, their policies decide: here it counts as if it held.
        rules.all(|(at, rule)| asks_others(rule) || row.holds.contains(&(at, self.context.user.clone())))
    }

    pub(super) fn sees(&self, def: &TableDef, row: &Row) -> bool {
        self.is_of_tenant(def, row) && self.is_shown(def, row) && self.keeps_rules(def, row, Command::Select, false)
    }

    /// Says whether an update or a delete reaches a row: by the role for any, or by the one for the user's own.
    fn reaches(&self, def: &TableDef, row: &Row, command: Command, check: bool) -> bool {
        let (any, own) = match command {
            Command::Update => (def.update, def.update_own),
            _ => (def.delete, def.delete_own),
        };
        (self.may(any) || self.may(own) && self.is_own(def, row))
            && self.is_of_tenant(def, row)
            && self.is_shown(def, row)
            && self.keeps_rules(def, row, command, check)
    }

    /// Takes an outcome as it is, or as the most that there may be where conditions ask other tables.
    fn expected(&self, def: &TableDef, outcome: Outcome) -> Expected {
        // A parent's or a member's conditions count as well, and there are never many.
        let exact = !self.world.tables.iter().any(|other| {
            other.rules.iter().any(asks_others)
                && (other.name == def.name || matches!(def.scope, ScopeDef::Parent { .. }))
        });
        match outcome {
            Outcome::Rows(rows) if !exact => Expected::AtMost(rows),
            other => Expected::Is(other),
        }
    }
}

// What statements do.
impl Reference<'_> {
    /// `SELECT` of rows by their keys.
    pub(super) fn select(&self, def: &TableDef) -> Expected {
        if !self.reads_keys(def) {
            return Expected::Is(Outcome::Denied);
        }
        let rows = self.world.rows_of(def.name).filter(|row| self.sees(def, row));
        self.expected(def, Outcome::Rows(rows.map(|row| row.key(def)).collect()))
    }

    /// `SELECT … FOR UPDATE` and its like, which take the right to update and its policy.
    pub(super) fn lock(&self, def: &TableDef) -> Expected {
        let may_update = def.columns.iter().any(|column| self.may_use(def, Command::Update, column));
        if !self.reads_keys(def) || !may_update {
            return Expected::Is(Outcome::Denied);
        }
        let rows = self.world.rows_of(def.name).filter(|row| self.sees(def, row));
        let rows = rows.filter(|row| self.reaches(def, row, Command::Update, false));
        self.expected(def, Outcome::Rows(rows.map(|row| row.key(def)).collect()))
    }

    /// `SELECT` of a row's key with that of the row to which a column of it refers.
    pub(super) fn join(&self, def: &TableDef, column: &ColumnDef, target: &TableDef) -> Expected {
        if !self.reads_keys(def) || !self.may_use(def, Command::Select, column) || !self.reads_keys(target) {
            return Expected::Is(Outcome::Denied);
        }
        let is_joined = |row: &&Row| {
            let mut targets = self.world.rows_of(target.name);
            targets.any(|other| self.names(def, row, column, other) && self.sees(target, other))
        };
        let rows = self.world.rows_of(def.name).filter(|row| self.sees(def, row)).filter(is_joined);
        let rows = Outcome::Rows(rows.map(|row| row.key(def)).collect());
        match (self.expected(def, rows.clone()), self.expected(target, rows)) {
            (Expected::Is(_), other) | (other, _) => other,
        }
    }

    /// `INSERT` of a row, some of whose columns are listed, maybe with `RETURNING` of its key.
    pub(super) fn insert(&self, def: &TableDef, row: &Row, listed: &[&ColumnDef], returning: bool) -> Expected {
        let may = listed.iter().all(|column| self.may_use(def, Command::Insert, column));
        if !may || returning && !self.reads_keys(def) {
            return Expected::Is(Outcome::Denied);
        }
        let is_its_users = def.owner.is_none() || self.is_own(def, row);
        let is_right = is_its_users
            && self.is_of_tenant(def, row)
            && self.keeps_rules(def, row, Command::Insert, true)
            && (!returning || self.sees(def, row));
        if !is_right {
            return Expected::Is(Outcome::Refused);
        }
        let is_listed = |name: &str| listed.iter().any(|column| column.name == name);
        let is_there = self.world.rows_of(def.name).any(|other| {
            keys(def).all(|column| is_listed(column.name) && other.value(column.name) == row.value(column.name))
        });
        let outcome = if is_there || !self.has_targets(def, row) {
            Outcome::Broken
        } else {
            Outcome::Rows(["changed 0".to_owned()].into())
        };
        match (self.expected(def, outcome.clone()), def.rules.iter().any(asks_others)) {
            (Expected::Is(_), true) => Expected::OneOf(vec![outcome, Outcome::Refused]),
            (expected, _) => expected,
        }
    }

    /// `UPDATE` of a column in some rows, to a value or, without one, to what it is, with `RETURNING` of the keys.
    pub(super) fn update(
        &self,
        def: &TableDef,
        rows: &[&Row],
        column: &ColumnDef,
        value: Option<&Option<String>>,
    ) -> Expected {
        let reads_value = value.is_some() || self.may_use(def, Command::Select, column);
        if !self.may_use(def, Command::Update, column) || !self.reads_keys(def) || !reads_value {
            return Expected::Is(Outcome::Denied);
        }
        let reached = rows.iter().filter(|row| self.reaches(def, row, Command::Update, false) && self.sees(def, row));
        let mut changed: Vec<Row> = reached.map(|row| Row::clone(row)).collect();
        if let Some(value) = value {
            changed.iter_mut().for_each(|row| drop(row.values.insert(column.name, value.clone())));
        }
        let stays = |row: &Row| self.reaches(def, row, Command::Update, true) && self.sees(def, row);
        let outcome = match () {
            () if !changed.iter().all(stays) => Outcome::Refused,
            () if !changed.iter().all(|row| self.has_targets(def, row)) => Outcome::Broken,
            () => Outcome::Rows(changed.iter().map(|row| row.key(def)).collect()),
        };
        self.expected(def, outcome)
    }

    /// `DELETE` of one row, with `RETURNING` of its key; and the rows that are gone then, by table and key.
    pub(super) fn delete(&self, def: &TableDef, row: &Row) -> (Expected, BTreeSet<(TableName, String)>) {
        let may = !is_by_function(def, Command::Delete) && (self.may(def.delete) || self.may(def.delete_own));
        if !may || !self.reads_keys(def) {
            return (Expected::Is(Outcome::Denied), BTreeSet::new());
        }
        if !self.reaches(def, row, Command::Delete, false) || !self.sees(def, row) {
            return (Expected::Is(Outcome::Rows(BTreeSet::new())), BTreeSet::new());
        }
        let (expected, gone) = self.world.without(def, row);
        match expected {
            Expected::Is(outcome) => (self.expected(def, outcome), gone),
            other => (other, gone),
        }
    }

    /// Says whether what a row refers to is there, in its own tenant.
    fn has_targets(&self, def: &TableDef, row: &Row) -> bool {
        let references = def.columns.iter().filter_map(|column| Some((column, column.references?.table)));
        let mut named = references.filter(|(column, _)| row.value(column.name).is_some());
        named.all(|(column, target)| self.world.rows_of(target).any(|target| self.names(def, row, column, target)))
    }

    fn names(&self, def: &TableDef, row: &Row, column: &ColumnDef, target: &Row) -> bool {
        self.world.names(def, row, column, target)
    }
}

// What follows from foreign keys, whoever asks.
impl World {
    /// What becomes of the deletion of a row that nobody refuses; and the rows that are gone then.
    pub(super) fn without(&self, def: &TableDef, row: &Row) -> (Expected, BTreeSet<(TableName, String)>) {
        let refers = |row: &Row, gone: &[&Row], action| {
            let Some(def) = self.table(row.table) else { return false };
            let mut columns =
                def.columns.iter().filter(|column| column.references.is_some_and(|to| to.on_delete == action));
            columns.any(|column| gone.iter().any(|target| self.names(def, row, column, target)))
        };
        let mut gone = vec![row];
        let is_in = |row: &Row, gone: &[&Row]| gone.iter().any(|other| std::ptr::eq(*other, row));
        while let Some(next) = self.rows.iter().find(|row| !is_in(row, &gone) && refers(row, &gone, OnDelete::Cascade))
        {
            gone.push(next);
        }
        let refusing: Vec<_> = self.rows.iter().filter(|row| refers(row, &gone, OnDelete::Refuse)).collect();
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

    fn names(&self, def: &TableDef, row: &Row, column: &ColumnDef, target: &Row) -> bool {
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
