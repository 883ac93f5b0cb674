//! The reference: what a declaration allows, told from the declaration and the rows that are there, and from nothing that was
//! generated from them.

use std::collections::BTreeSet;

use super::fixture::{Fixture, Row, keys, row_id};
use crate::{
    matrix::{is_by_function, may, may_use, system_may, system_may_use},
    model::{
        def::{ColumnDef, RuleDef, ScopeDef, TableDef, TableName},
        schema::Command,
    },
};

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

/// Who has rights in a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A member, by the role's name in the declaration.
    Tier(&'static str),
    /// A job that crosses tenants.
    System {
        /// Whether it names a record of why, which its own login made.
        recorded: bool,
    },
}

/// Who asks, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) asker: Option<Subject>,
    pub(super) tenant: Option<String>,
    pub(super) user: Option<String>,
}

/// Says whether a condition asks other tables.
fn asks_others(rule: &RuleDef) -> bool {
    rule.condition.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word.eq_ignore_ascii_case("select"))
}

/// The model, for one who asks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference<'w> {
    pub(super) world: &'w Fixture,
    pub(super) context: &'w Context,
}

// What the attributes mean.
impl Reference<'_> {
    fn may(&self, needed: Option<&str>) -> bool {
        matches!(self.context.asker, Some(Subject::Tier(role)) if may(self.world.tenancy, role, needed))
    }

    fn is_system(&self) -> bool {
        matches!(self.context.asker, Some(Subject::System { .. }))
    }

    pub(super) fn may_use(&self, def: &TableDef, command: Command, column: &ColumnDef) -> bool {
        match self.context.asker {
            Some(Subject::Tier(role)) => may_use(def, role, command, column),
            Some(Subject::System { .. }) => system_may_use(def, command, column),
            None => false,
        }
    }

    /// Says whether the asker may delete rows at all.
    pub(super) fn may_delete(&self, def: &TableDef) -> bool {
        let member = !is_by_function(def, Command::Delete) && (self.may(def.delete) || self.may(def.delete_own));
        member || self.is_system() && system_may(def, Command::Delete)
    }

    /// Says whether the asker may read the columns by which rows are told apart, as WHERE and RETURNING do.
    pub(super) fn reads_keys(&self, def: &TableDef) -> bool {
        keys(def).all(|column| self.may_use(def, Command::Select, column))
    }

    /// Says whether the context is one in which anything is allowed.
    pub(super) fn acts(&self) -> bool {
        match self.context.asker {
            Some(Subject::System { recorded }) => recorded,
            _ => self.acts_in(self.context.tenant.as_deref()),
        }
    }

    /// The system role recorded why, and acts in no tenant.
    pub(super) fn crosses(&self) -> bool {
        self.context.asker == Some(Subject::System { recorded: true }) && self.context.tenant.is_none()
    }

    /// The tenant is the one in the context, and where there is a membership table, it says that the user may act so; or the
    /// system role recorded why.
    fn acts_in(&self, tenant: Option<&str>) -> bool {
        let asker = match self.context.asker {
            Some(Subject::Tier(role)) => role,
            Some(Subject::System { recorded: true }) => {
                return self.context.tenant.is_none() || self.context.tenant.as_deref() == tenant;
            }
            _ => return false,
        };
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
            ScopeDef::Global => !self.is_system() || self.acts(),
            ScopeDef::Tenant { column } => self.acts_in(row.value(column)),
            _ if self.crosses() => true,
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

    /// Says whether a row may be written as one of its table: what belongs to no tenant concerns all of them, so the system role
    /// that acts in one does not write it.
    fn is_writable(&self, def: &TableDef, row: &Row) -> bool {
        self.is_of_tenant(def, row) && (def.scope != ScopeDef::Global || !self.is_system() || self.crosses())
    }

    fn is_own(&self, def: &TableDef, row: &Row) -> bool {
        let user = self.context.user.as_deref();
        def.owner.is_some_and(|owner| user.is_some() && row.value(owner) == user)
    }

    fn is_shown(&self, def: &TableDef, row: &Row) -> bool {
        let is_hidden = |column| row.value(column) != Some("team") && !self.is_own(def, row);
        self.is_system() || !def.visibility.is_some_and(is_hidden)
    }

    fn keeps_rules(&self, def: &TableDef, row: &Row, command: Command, check: bool) -> bool {
        let mut rules =
            def.rules.iter().enumerate().filter(|(_, rule)| rule.command == command.attribute() && rule.check == check);
        // What a condition that asks other tables finds, their policies decide: here it counts as if it held.
        self.is_system()
            || rules.all(|(at, rule)| asks_others(rule) || row.holds.contains(&(at, self.context.user.clone())))
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
        let by_role = self.may(any) || self.may(own) && self.is_own(def, row);
        (by_role || self.is_system() && system_may(def, command))
            && self.is_writable(def, row)
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
        let is_its_users = def.owner.is_none() || self.is_system() || self.is_own(def, row);
        let is_right = is_its_users
            && self.is_writable(def, row)
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
        if !self.may_delete(def) || !self.reads_keys(def) {
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
