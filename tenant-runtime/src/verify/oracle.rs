//! The oracle: computes the expected outcome of a statement from the declaration and the test rows, without generated code.

use std::collections::BTreeSet;

use super::{
    fixture::{Fixture, Row, keys, reads_other_tables, row_id},
    outcome::{Expected, Outcome},
};
use crate::{
    matrix::{is_by_function, may, may_set_deletion_time, may_use, system_may, system_may_use},
    model::{
        def::{ColumnDef, ScopeDef, TableDef, TableName},
        def_access::Reference,
        schema::Command,
    },
};

/// The holder of privileges in a declaration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// A member, identified by the role's declared name.
    Member(&'static str),
    /// A cross-tenant job.
    System {
        /// Whether the context names a committed reason that its login recorded.
        recorded: bool,
    },
}

/// The subject of a statement, its tenant and its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Context {
    pub(super) subject: Option<Subject>,
    pub(super) tenant: Option<String>,
    pub(super) user: Option<String>,
    /// Whether the app has signed the context; otherwise it gives no access, if the tenancy has signed contexts.
    pub(super) signed: bool,
}

/// Computes outcomes for one context.
#[derive(Debug, Clone, Copy)]
pub(super) struct Oracle<'w> {
    pub(super) fixture: &'w Fixture,
    pub(super) context: &'w Context,
    /// Whether the statement asks for deleted rows.
    pub(super) shows_deleted: bool,
}

/// The time of a deletion in the transaction itself, in place of its text.
pub(super) const NOW: &str = "now";

// The meaning of the attributes.
impl Oracle<'_> {
    fn has_role(&self, needed: Option<&str>) -> bool {
        matches!(self.context.subject, Some(Subject::Member(role)) if may(self.fixture.tenancy, role, needed))
    }

    fn is_system(&self) -> bool {
        matches!(self.context.subject, Some(Subject::System { .. }))
    }

    pub(super) fn has_column_privilege(&self, def: &TableDef, command: Command, column: &ColumnDef) -> bool {
        match self.context.subject {
            Some(Subject::Member(role)) if command == Command::Update && def.is_deletion_time(column) => {
                may_set_deletion_time(def, role)
            }
            Some(Subject::Member(role)) => may_use(def, role, command, column),
            Some(Subject::System { .. }) => system_may_use(def, command, column),
            None => false,
        }
    }

    /// Returns whether the subject has the DELETE privilege.
    pub(super) fn has_delete_privilege(&self, def: &TableDef) -> bool {
        let by_role = def.removers().into_iter().any(|needed| self.has_role(needed));
        let member = !is_by_function(def, Command::Delete) && by_role;
        member || self.is_system() && system_may(def, Command::Delete)
    }

    /// Returns whether the subject can read the columns of the primary key, as WHERE and RETURNING require.
    pub(super) fn can_read_key(&self, def: &TableDef) -> bool {
        keys(def).all(|column| self.has_column_privilege(def, Command::Select, column))
    }

    /// Returns whether the context is signed, if the tenancy requires a signature.
    fn is_signed(&self) -> bool {
        self.context.signed || !self.fixture.tenancy.signed_context
    }

    /// Returns whether the context gives access to any row.
    pub(super) fn is_authorized(&self) -> bool {
        match self.context.subject {
            _ if !self.is_signed() => false,
            Some(Subject::System { recorded }) => recorded,
            _ => self.is_authorized_in(self.context.tenant.as_deref()),
        }
    }

    /// Returns whether the subject is the system role with a recorded reason and without a tenant.
    pub(super) fn is_cross_tenant(&self) -> bool {
        self.context.subject == Some(Subject::System { recorded: true })
            && self.context.tenant.is_none()
            && self.is_signed()
    }

    /// Returns whether a context gives access to a tenant: it names the tenant and, if there is a membership table, the
    /// user has the role in that tenant; or the system role has a recorded reason.
    fn is_authorized_in(&self, tenant: Option<&str>) -> bool {
        let subject = match self.context.subject {
            _ if !self.is_signed() => return false,
            Some(Subject::Member(role)) => role,
            Some(Subject::System { recorded: true }) => {
                return self.context.tenant.is_none() || self.context.tenant.as_deref() == tenant;
            }
            _ => return false,
        };
        let is_gated = |table: &'static TableDef| {
            let (Some(membership), ScopeDef::Tenant { column }) = (table.membership, table.scope) else { return false };
            self.fixture.rows_of(table.name).any(|row| {
                row.value(column) == tenant
                    && row.value(membership.user) == self.context.user.as_deref()
                    && row.value(membership.role).is_some_and(|role| may(self.fixture.tenancy, role, Some(subject)))
            })
        };
        tenant.is_some() && self.context.tenant.as_deref() == tenant && self.fixture.membership().is_none_or(is_gated)
    }

    fn is_of_tenant(&self, def: &TableDef, row: &Row) -> bool {
        match def.scope {
            ScopeDef::Global => self.is_signed() && (!self.is_system() || self.is_authorized()),
            ScopeDef::Tenant { column } => self.is_authorized_in(row.value(column)),
            ScopeDef::Parent { column, tenant } => {
                let sees = |(def, row): (&'static TableDef, &Row)| self.can_select(def, row);
                // Without conditions on the parents, only the foreign key requires that the parent exists.
                let is_open = self.is_system() || !self.hides_parents(def);
                self.is_authorized_in(row.value(tenant)) && (is_open || self.parent(def, row, column).is_some_and(sees))
            }
            _ if self.is_cross_tenant() => true,
            // The visible memberships determine which rows are visible.
            ScopeDef::Shared { through } => self.fixture.table(through).is_some_and(|members| {
                let user = members.membership.map(|membership| membership.user);
                let id = row_id(def).and_then(|id| row.value(id.name));
                self.fixture
                    .rows_of(through)
                    .any(|member| user.and_then(|user| member.value(user)) == id && self.can_select(members, member))
            }),
        }
    }

    fn parent(&self, def: &TableDef, row: &Row, column: &str) -> Option<(&'static TableDef, &Row)> {
        let is_parent = |reference: &Reference| matches!(reference.columns[..], [only] if only.name == column);
        let reference = def.references().into_iter().find(is_parent)?;
        let parent = self.fixture.table(reference.to.table)?;
        Some((parent, self.fixture.rows_of(parent.name).find(|other| self.references(def, row, &reference, other))?))
    }

    /// Returns whether a condition can hide the parent of a row, or the parent's parent, from a member who reads the row's table.
    fn hides_parents(&self, def: &TableDef) -> bool {
        let reference = def.parent_column().and_then(|column| column.references);
        let Some(parent) = reference.and_then(|reference| self.fixture.table(reference.table)) else { return false };
        let has_condition = parent.rules.iter().any(|rule| rule.command == "select" && !rule.check);
        parent.visibility.is_some() || parent.soft_delete.is_some() || has_condition || self.hides_parents(parent)
    }

    /// Returns whether a row can be written in this context. A row of a global table belongs to no tenant, so the
    /// system role cannot write it in a single tenant's context.
    fn is_writable(&self, def: &TableDef, row: &Row) -> bool {
        self.is_of_tenant(def, row) && (def.scope != ScopeDef::Global || !self.is_system() || self.is_cross_tenant())
    }

    fn is_own(&self, def: &TableDef, row: &Row) -> bool {
        let user = self.context.user.as_deref();
        def.owner.is_some_and(|owner| user.is_some() && row.value(owner) == user)
    }

    fn is_visible(&self, def: &TableDef, row: &Row) -> bool {
        let is_hidden = |column| row.value(column) != Some("team") && !self.is_own(def, row);
        self.is_system() || !def.visibility.is_some_and(is_hidden)
    }

    fn satisfies_rules(&self, def: &TableDef, row: &Row, command: Command, check: bool) -> bool {
        let mut rules =
            def.rules.iter().enumerate().filter(|(_, rule)| rule.command == command.attribute() && rule.check == check);
        // A condition that reads other tables depends on their policies; here such a condition counts as satisfied.
        self.is_system()
            || rules.all(|(at, rule)| {
                reads_other_tables(rule) || row.matching_conditions.contains(&(at, self.context.user.clone()))
            })
    }

    pub(super) fn can_select(&self, def: &TableDef, row: &Row) -> bool {
        self.is_of_tenant(def, row)
            && self.is_visible(def, row)
            && self.satisfies_rules(def, row, Command::Select, false)
            && self.shows(def, row)
    }

    /// Returns whether a row is shown, although it may be deleted.
    fn shows(&self, def: &TableDef, row: &Row) -> bool {
        def.soft_delete.is_none_or(|soft| match row.value(soft.column) {
            None | Some(NOW) => true,
            Some(_) => self.is_system() || self.shows_deleted && self.has_role(soft.restore),
        })
    }

    /// Returns whether a role for all rows or a role for the user's own rows gives access to a row for writing.
    fn reaches(&self, def: &TableDef, row: &Row, [any, own]: [Option<&str>; 2]) -> bool {
        let by_role = self.has_role(any) || self.has_role(own) && self.is_own(def, row);
        by_role && self.is_writable(def, row) && self.is_visible(def, row)
    }

    /// Returns whether an update can apply to an existing row, or result in a new row (`check`).
    ///
    /// If the table keeps deleted rows, deleting and restoring are updates too, and PostgreSQL combines their policies by OR.
    fn can_update(&self, def: &TableDef, row: &Row, check: bool) -> bool {
        if self.is_system() {
            return system_may(def, Command::Update) && self.is_writable(def, row);
        }
        let updates = |check| self.satisfies_rules(def, row, Command::Update, check);
        let edits = self.reaches(def, row, [def.update, def.update_own]) && updates(check);
        let Some(soft) = def.soft_delete else { return edits };
        let deleted = row.value(soft.column);
        let deletes = self.reaches(def, row, [def.delete, def.delete_own])
            && self.satisfies_rules(def, row, Command::Delete, false)
            && updates(false)
            && if check { deleted == Some(NOW) && updates(true) } else { deleted.is_none() };
        let restores = self.reaches(def, row, [soft.restore, None]) && updates(check) && deleted.is_some() != check;
        edits && deleted.is_none() || deletes || restores
    }

    /// Returns whether a DELETE can apply to a row.
    fn can_remove(&self, def: &TableDef, row: &Row) -> bool {
        if self.is_system() {
            return system_may(def, Command::Delete) && self.is_writable(def, row);
        }
        let is_removable = def.soft_delete.is_none_or(|soft| row.value(soft.column).is_some());
        self.reaches(def, row, def.removers()) && self.satisfies_rules(def, row, Command::Delete, false) && is_removable
    }

    /// Returns whether the outcome can be computed exactly. Conditions that read other tables depend on the policies of
    /// those tables, even if they are conditions of a parent or of the membership table.
    fn is_exact(&self, def: &TableDef) -> bool {
        let follows_others = matches!(def.scope, ScopeDef::Parent { .. });
        !(def.rules.iter().any(reads_other_tables) || follows_others && self.fixture.has_subqueries)
    }

    /// Returns the expectation of exactly this outcome, or of at most this outcome if conditions read other tables.
    fn expected(&self, def: &TableDef, outcome: Outcome) -> Expected {
        match outcome {
            Outcome::Rows(rows) if !self.is_exact(def) => Expected::AtMost(rows),
            other => Expected::Is(other),
        }
    }
}

// The outcomes of statements.
impl Oracle<'_> {
    /// Returns the oracle for statements that ask for deleted rows.
    pub(super) fn showing_deleted(self) -> Self {
        Self { shows_deleted: true, ..self }
    }

    /// Returns the expected outcome of a `SELECT` of rows by their keys.
    pub(super) fn select(&self, def: &TableDef) -> Expected {
        if !self.can_read_key(def) {
            return Expected::Is(Outcome::Denied);
        }
        let rows = self.fixture.rows_of(def.name).filter(|row| self.can_select(def, row));
        self.expected(def, Outcome::Rows(rows.map(|row| row.key(def)).collect()))
    }

    /// Returns the expected outcome of `SELECT … FOR UPDATE` and the other row locks, which require
    /// the UPDATE privilege and apply its policies.
    pub(super) fn lock(&self, def: &TableDef) -> Expected {
        let may_update = def.columns.iter().any(|column| self.has_column_privilege(def, Command::Update, column));
        if !self.can_read_key(def) || !may_update {
            return Expected::Is(Outcome::Denied);
        }
        let rows = self.fixture.rows_of(def.name).filter(|row| self.can_select(def, row));
        let rows = rows.filter(|row| self.can_update(def, row, false));
        self.expected(def, Outcome::Rows(rows.map(|row| row.key(def)).collect()))
    }

    /// Returns the expected outcome of a `SELECT` of a row's key in a join with the row that it references.
    pub(super) fn join(&self, def: &TableDef, reference: &Reference, target: &TableDef) -> Expected {
        let reads = |column: &&ColumnDef| self.has_column_privilege(def, Command::Select, column);
        if !self.can_read_key(def) || !reference.columns.iter().all(reads) || !self.can_read_key(target) {
            return Expected::Is(Outcome::Denied);
        }
        let is_joined = |row: &&Row| {
            let mut targets = self.fixture.rows_of(target.name);
            targets.any(|other| self.references(def, row, reference, other) && self.can_select(target, other))
        };
        let rows = self.fixture.rows_of(def.name).filter(|row| self.can_select(def, row)).filter(is_joined);
        let rows = Outcome::Rows(rows.map(|row| row.key(def)).collect());
        match (self.expected(def, rows.clone()), self.expected(target, rows)) {
            (Expected::Is(_), other) | (other, _) => other,
        }
    }

    /// Returns the expected outcome of an `INSERT` of a row with the listed columns, with or
    /// without `RETURNING` of its key.
    pub(super) fn insert(&self, def: &TableDef, row: &Row, listed: &[&ColumnDef], returning: bool) -> Expected {
        let may = listed.iter().all(|column| self.has_column_privilege(def, Command::Insert, column));
        if !may || returning && !self.can_read_key(def) {
            return Expected::Is(Outcome::Denied);
        }
        let is_its_users = def.owner.is_none() || self.is_system() || self.is_own(def, row);
        let is_right = is_its_users
            && self.is_writable(def, row)
            && self.satisfies_rules(def, row, Command::Insert, true)
            && (!returning || self.can_select(def, row));
        if !is_right {
            return Expected::Is(Outcome::Refused);
        }
        let filled = def.filled_tenant_column().map(|column| column.name);
        let is_listed = |name: &str| listed.iter().any(|column| column.name == name) || filled == Some(name);
        let is_there = self.fixture.rows_of(def.name).any(|other| {
            keys(def).all(|column| is_listed(column.name) && other.value(column.name) == row.value(column.name))
        });
        let outcome = if is_there || !self.has_targets(def, row) {
            Outcome::Broken
        } else {
            Outcome::Rows(["changed 0".to_owned()].into())
        };
        match (self.expected(def, outcome.clone()), def.rules.iter().any(reads_other_tables)) {
            (Expected::Is(_), true) => Expected::OneOf(vec![outcome, Outcome::Refused]),
            (expected, _) => expected,
        }
    }

    /// Returns the expected outcome of an `UPDATE` of columns in some rows, to given values or to their current values, with
    /// `RETURNING` of the keys.
    pub(super) fn update(
        &self,
        def: &TableDef,
        rows: &[&Row],
        columns: &[&'static ColumnDef],
        values: Option<&[Option<String>]>,
    ) -> Expected {
        let may = |command| columns.iter().all(|column| self.has_column_privilege(def, command, column));
        let reads_values = values.is_some() || may(Command::Select);
        if !may(Command::Update) || !self.can_read_key(def) || !reads_values {
            return Expected::Is(Outcome::Denied);
        }
        let reached = rows.iter().filter(|row| self.can_update(def, row, false) && self.can_select(def, row));
        let mut changed: Vec<Row> = reached.map(|row| Row::clone(row)).collect();
        for (column, value) in columns.iter().zip(values.into_iter().flatten()) {
            changed.iter_mut().for_each(|row| drop(row.values.insert(column.name, value.clone())));
        }
        let stays = |row: &Row| self.can_update(def, row, true) && self.can_select(def, row);
        if !self.is_exact(def) {
            // A condition can hide any of the rows, or reject a row before its references are checked.
            let is_possible = |row: &&Row| stays(row) && self.has_targets(def, row);
            let most = changed.iter().filter(is_possible).map(|row| row.key(def)).collect();
            let has_targets = changed.iter().filter(|row| stays(row)).all(|row| self.has_targets(def, row));
            return if has_targets { Expected::AtMost(most) } else { Expected::AtMostOrBroken(most) };
        }
        let outcome = match () {
            () if !changed.iter().all(stays) => Outcome::Refused,
            () if !changed.iter().all(|row| self.has_targets(def, row)) => Outcome::Broken,
            () => Outcome::Rows(changed.iter().map(|row| row.key(def)).collect()),
        };
        self.expected(def, outcome)
    }

    /// Returns the expected outcome of a `DELETE` of one row with `RETURNING` of its key, and the
    /// rows that are deleted with that row, by table and key.
    pub(super) fn delete(&self, def: &TableDef, row: &Row) -> (Expected, BTreeSet<(TableName, String)>) {
        if !self.has_delete_privilege(def) || !self.can_read_key(def) {
            return (Expected::Is(Outcome::Denied), BTreeSet::new());
        }
        if !self.can_remove(def, row) || !self.can_select(def, row) {
            return (Expected::Is(Outcome::Rows(BTreeSet::new())), BTreeSet::new());
        }
        let (expected, gone) = self.fixture.rows_after_delete(def, row);
        match expected {
            Expected::Is(outcome) => (self.expected(def, outcome), gone),
            other => (other, gone),
        }
    }

    /// Returns whether the rows that a row references exist in the same tenant.
    fn has_targets(&self, def: &TableDef, row: &Row) -> bool {
        let is_named = |reference: &Reference| reference.columns.iter().all(|column| row.value(column.name).is_some());
        let mut named = def.references().into_iter().filter(is_named);
        named.all(|reference| {
            let mut targets = self.fixture.rows_of(reference.to.table);
            targets.any(|target| self.references(def, row, &reference, target))
        })
    }

    fn references(&self, def: &TableDef, row: &Row, reference: &Reference, target: &Row) -> bool {
        self.fixture.references(def, row, reference, target)
    }
}
