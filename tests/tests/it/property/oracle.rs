//! The test oracle: the operations that a declaration allows, computed from the declaration alone.

use std::collections::BTreeMap;

use tenant_runtime::model::def::{ColumnDef, OnDelete, ScopeDef, TableDef, TableName, TenancyDef};

use super::fixture::Fixture;

/// A row; its values as text, `None` for NULL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) table: TableName,
    pub(super) values: BTreeMap<&'static str, Option<String>>,
}

/// The result of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// A privilege is missing.
    Denied,
    /// A policy rejects a new row.
    Refused,
    /// A key constraint rejects it: the row exists already, or the referenced row does not.
    Broken,
    /// It returns rows.
    Rows(Vec<String>),
    /// It changes this number of rows.
    Count(usize),
    /// It fails in a way that no declaration allows.
    Wrong(String),
}

impl Outcome {
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Refused => "refused",
            Self::Broken => "broken",
            Self::Rows(rows) if rows.is_empty() => "no rows",
            Self::Rows(_) => "rows",
            Self::Count(0) => "unchanged",
            Self::Count(_) => "changed",
            Self::Wrong(_) => "wrong",
        }
    }
}

/// A condition of a rule in SQL, and its equivalent in Rust.
pub(super) struct Condition {
    pub(super) sql: &'static str,
    meets: fn(&Row) -> bool,
}

/// Conditions on the columns that every table with rules has: NULLs, quotes in all kinds of strings, and operators that
/// would change their meaning without parentheses around the condition.
pub(super) const CONDITIONS: [Condition; 6] = [
    Condition { sql: "n < 5", meets: |row| row.number("n") < 5 },
    Condition { sql: "a <> 'it''s'", meets: |row| row.text("a") != Some("it's") },
    Condition { sql: "a = E'it\\'s' OR n < 5", meets: |row| row.text("a") == Some("it's") || row.number("n") < 5 },
    Condition { sql: "b = 'x'", meets: |row| row.text("b") == Some("x") },
    Condition { sql: "b IS DISTINCT FROM $$it's$$", meets: |row| row.text("b") != Some("it's") },
    Condition { sql: "n <> 3 OR b IS NULL", meets: |row| row.number("n") != 3 || row.text("b").is_none() },
];

impl Row {
    fn text(&self, column: &str) -> Option<&str> {
        self.values[column].as_deref()
    }

    fn number(&self, column: &str) -> i32 {
        self.text(column).expect("it is not NULL").parse().expect("a number")
    }
}

/// The subject: role, tenant and user.
#[derive(Debug, Clone)]
pub(super) struct Context {
    pub(super) role: &'static str,
    pub(super) tenant: Option<String>,
    pub(super) user: Option<String>,
}

/// Returns whether a role has the privileges of another.
pub(super) fn includes(tenancy: &TenancyDef, role: &str, other: &str) -> bool {
    let def = tenancy.roles.iter().find(|def| def.name == role).expect("a role of the tenancy");
    role == other || def.includes.iter().any(|below| includes(tenancy, below, other))
}

/// Whether the database sets the values of a column, so that no statement can.
pub(super) fn is_computed(column: &ColumnDef) -> bool {
    column.generated.is_some() || column.updated_at || column.counter
}

/// The time of the transaction as PostgreSQL reads it.
pub(super) const NOW: &str = "now";

/// Returns whether a column is the time of the deletion, which a deletion sets and a restoration removes.
pub(super) fn is_deletion_time(table: &TableDef, name: &str) -> bool {
    table.soft_delete.is_some_and(|soft| soft.column == name)
}

/// The column that identifies a row: the key, or its part that is not the tenant column.
pub(super) fn row_id(table: &TableDef) -> &'static str {
    let ids: Vec<_> = table.columns.iter().filter(|column| column.id).map(|column| column.name).collect();
    ids.iter().copied().find(|id| ids.len() == 1 || table.tenant_column() != Some(id)).expect("a key")
}

/// The roles that remove rows: any row, and the user's rows.
fn removers(table: &TableDef) -> [Option<&'static str>; 2] {
    table.soft_delete.map_or([table.delete, table.delete_own], |soft| [soft.purge, None])
}

/// The model, for one subject.
pub(super) struct Oracle<'w> {
    pub(super) world: &'w Fixture,
    pub(super) context: &'w Context,
    /// Whether the statement asks for deleted rows.
    pub(super) shows_deleted: bool,
}

// The meaning of the attributes.
impl Oracle<'_> {
    fn may(&self, role: Option<&str>) -> bool {
        role.is_some_and(|role| includes(self.world.tenancy, self.context.role, role))
    }

    /// The tenant is the one in the context and, with a membership table, the user has a membership that allows the role.
    pub(super) fn is_authorized_in(&self, tenant: &Option<String>) -> bool {
        let is_member = |row: &Row| {
            let role = row.values["role"].as_deref().expect("a member has a role");
            row.values["org"] == *tenant
                && row.values["user_id"] == self.context.user
                && includes(self.world.tenancy, role, self.context.role)
        };
        let is_gated = |table: &'static TableDef| self.world.rows_of(table.name).any(is_member);
        tenant.is_some() && self.context.tenant == *tenant && self.world.membership().is_none_or(is_gated)
    }

    fn is_of_tenant(&self, table: &TableDef, row: &Row) -> bool {
        // The tenant is determined by other rows: those that the subject can see.
        let is_named_by = |name: TableName, theirs: &str, ours: &str| {
            let def = self.world.table(name).expect("declared");
            self.world
                .rows_of(name)
                .any(|other| other.values[theirs] == row.values[ours] && self.can_select(def, other))
        };
        match table.scope {
            ScopeDef::Global => true,
            ScopeDef::Tenant { column } => self.is_authorized_in(&row.values[column]),
            ScopeDef::Shared { through } => is_named_by(through, "user_id", row_id(table)),
            // If all members see all parents, only the foreign key requires that the parent exists.
            ScopeDef::Parent { column, tenant } => {
                let parent = self.parent(table).expect("it refers to its parent");
                let named = table.columns.iter().find(|candidate| candidate.name == column).expect("a column");
                let mut parents = self.world.rows_of(parent.name);
                self.is_authorized_in(&row.values[tenant])
                    && (!self.hides_rows(parent)
                        || parents.any(|other| self.names(table, row, named, other) && self.can_select(parent, other)))
            }
        }
    }

    fn parent(&self, table: &TableDef) -> Option<&'static TableDef> {
        let ScopeDef::Parent { column, .. } = table.scope else { return None };
        let column = table.columns.iter().find(|candidate| candidate.name == column)?;
        self.world.table(column.references?.table)
    }

    /// Returns whether members may not see all rows of their tenant.
    fn hides_rows(&self, table: &TableDef) -> bool {
        table.visibility.is_some()
            || table.soft_delete.is_some()
            || table.rules.iter().any(|rule| rule.command == "select")
            || self.parent(table).is_some_and(|parent| self.hides_rows(parent))
    }

    fn is_own(&self, table: &TableDef, row: &Row) -> bool {
        table.owner.is_some_and(|owner| self.context.user.is_some() && row.values[owner] == self.context.user)
    }

    fn is_visible(&self, table: &TableDef, row: &Row) -> bool {
        let is_team = |column: &str| row.values[column].as_deref() == Some("team");
        table.visibility.is_none_or(|column| is_team(column) || self.is_own(table, row))
    }

    fn meets_conditions(table: &TableDef, row: &Row, command: &str, check: bool) -> bool {
        let mut rules = table.rules.iter().filter(|rule| rule.command == command && rule.check == check);
        rules.all(|rule| {
            let condition = CONDITIONS.iter().find(|condition| condition.sql == rule.condition);
            (condition.expect("a condition of the list").meets)(row)
        })
    }

    fn can_select(&self, table: &TableDef, row: &Row) -> bool {
        let is_shown = table.soft_delete.is_none_or(|soft| {
            let deleted = row.values[soft.column].as_deref();
            matches!(deleted, None | Some(NOW)) || self.shows_deleted && self.may(soft.restore)
        });
        self.is_of_tenant(table, row)
            && self.is_visible(table, row)
            && Self::meets_conditions(table, row, "select", false)
            && is_shown
    }

    /// Returns whether a role for all rows, or one for the user's rows, reaches a row.
    fn reaches(&self, table: &TableDef, row: &Row, any: Option<&str>, own: Option<&str>) -> bool {
        (self.may(any) || self.may(own) && self.is_own(table, row))
            && self.is_of_tenant(table, row)
            && self.is_visible(table, row)
    }

    /// Returns whether an update reaches a row, or may result in it (`check`). On a table that keeps deleted rows, deletions and
    /// restorations are updates too.
    fn can_update(&self, table: &TableDef, row: &Row, check: bool) -> bool {
        let meets = |command, check| Self::meets_conditions(table, row, command, check);
        let edits = self.reaches(table, row, table.update, table.update_own) && meets("update", check);
        let Some(soft) = table.soft_delete else { return edits };
        let deleted = row.values[soft.column].as_deref();
        let deletes = self.reaches(table, row, table.delete, table.delete_own)
            && meets("update", false)
            && meets("delete", false)
            && if check { deleted == Some(NOW) && meets("update", true) } else { deleted.is_none() };
        let restores = self.reaches(table, row, soft.restore, None)
            && meets("update", check)
            && if check { deleted.is_none() } else { deleted.is_some() };
        edits && deleted.is_none() || deletes || restores
    }

    /// Returns whether a DELETE reaches a row.
    fn can_remove(&self, table: &TableDef, row: &Row) -> bool {
        let [any, own] = removers(table);
        self.reaches(table, row, any, own)
            && Self::meets_conditions(table, row, "delete", false)
            && table.soft_delete.is_none_or(|soft| row.values[soft.column].is_some())
    }

    fn may_use(&self, table: &TableDef, command: &str, name: &str) -> bool {
        let column = table.columns.iter().find(|column| column.name == name).expect("a column");
        let is_tenant = table.scope == ScopeDef::Tenant { column: column.name };
        let is_fixed = matches!(table.scope, ScopeDef::Parent { column, tenant } if [column, tenant].contains(&name));
        let is_from_context = is_tenant || table.owner == Some(column.name);
        // Members are changed by functions alone.
        let by_statement = command == "select" || table.membership.is_none();
        by_statement
            && match command {
                "select" => self.may(column.select.or(table.select)),
                "insert" => (is_from_context || column.app_assigned) && self.may(column.insert.or(table.insert)),
                _ if is_deletion_time(table, name) => {
                    let restore = table.soft_delete.and_then(|soft| soft.restore);
                    [table.delete, table.delete_own, restore].into_iter().any(|role| self.may(role))
                }
                _ => {
                    let any = self.may(table.update) || self.may(table.update_own);
                    !is_from_context
                        && !is_fixed
                        && !column.id
                        && !is_computed(column)
                        && column.update.map_or(any, |role| self.may(Some(role)))
                }
            }
    }
}

// The effects of statements.
impl Oracle<'_> {
    /// `SELECT columns`, optionally `FOR UPDATE`; without columns `SELECT count(*)`.
    pub(super) fn select(&self, table: &TableDef, columns: &[&str], for_update: bool) -> Outcome {
        let can = |command: &str, name: &str| self.may_use(table, command, name);
        let can_any = |command: &str| table.columns.iter().any(|column| can(command, column.name));
        let can_read =
            if columns.is_empty() { can_any("select") } else { columns.iter().all(|name| can("select", name)) };
        if !can_read || for_update && !can_any("update") {
            return Outcome::Denied;
        }
        let rows = self.world.rows_of(table.name).filter(|row| self.can_select(table, row));
        let rows = rows.filter(|row| !for_update || self.can_update(table, row, false));
        let text = |row: &Row| columns.iter().filter_map(|name| row.values[name].clone()).collect::<Vec<_>>().join("|");
        let mut shown: Vec<_> = rows.map(text).collect();
        shown.sort();
        if columns.is_empty() { Outcome::Rows(vec![shown.len().to_string()]) } else { Outcome::Rows(shown) }
    }

    /// `INSERT` of a row with some of its columns, optionally with `RETURNING` its key.
    pub(super) fn insert(&self, table: &TableDef, row: &Row, listed: &[&str], returning: bool) -> Outcome {
        let can_write = listed.iter().all(|name| self.may_use(table, "insert", name));
        if !can_write || returning && !self.may_use(table, "select", row_id(table)) {
            return Outcome::Denied;
        }
        let is_its_users = table.owner.is_none() || self.is_own(table, row);
        let is_right =
            is_its_users && self.is_of_tenant(table, row) && Self::meets_conditions(table, row, "insert", true);
        if !is_right || returning && !self.can_select(table, row) {
            return Outcome::Refused;
        }
        let same_key = |other: &Row| {
            let mut keys = table.columns.iter().filter(|column| column.id);
            keys.all(|column| listed.contains(&column.name) && other.values[column.name] == row.values[column.name])
        };
        let is_there = self.world.rows_of(table.name).any(same_key);
        if is_there || !self.referenced_rows_exist(table, row) { Outcome::Broken } else { Outcome::Count(1) }
    }

    /// `UPDATE` of a column in the rows with a key, or in all that can be reached without reading.
    pub(super) fn update(
        &self,
        table: &TableDef,
        id: Option<&str>,
        column: &'static str,
        value: &Option<String>,
    ) -> Outcome {
        if !self.may_use(table, "update", column) || id.is_some() && !self.may_use(table, "select", row_id(table)) {
            return Outcome::Denied;
        }
        let mut rows: Vec<_> = self.found(table, id, Self::can_update_existing).cloned().collect();
        rows.iter_mut().for_each(|row| drop(row.values.insert(column, value.clone())));
        let stays = |row: &Row| self.can_update(table, row, true) && (id.is_none() || self.can_select(table, row));
        match () {
            () if !rows.iter().all(stays) => Outcome::Refused,
            () if !rows.iter().all(|row| self.referenced_rows_exist(table, row)) => Outcome::Broken,
            () => Outcome::Count(rows.len()),
        }
    }

    /// `DELETE` of the rows with a key, or of all that can be reached without reading.
    pub(super) fn delete(&self, table: &TableDef, id: Option<&str>) -> Outcome {
        let may = table.membership.is_none() && removers(table).into_iter().any(|role| self.may(role));
        if !may || id.is_some() && !self.may_use(table, "select", row_id(table)) {
            return Outcome::Denied;
        }
        let mut gone: Vec<_> = self.found(table, id, Self::can_remove).collect();
        let count = gone.len();
        let refers = |row: &Row, gone: &[&Row], action| {
            let def = self.world.table(row.table).expect("declared");
            let mut columns =
                def.columns.iter().filter(|column| column.references.is_some_and(|to| to.on_delete == action));
            columns.any(|column| gone.iter().any(|target| self.names(def, row, column, target)))
        };
        let is_in = |row: &Row, gone: &[&Row]| gone.iter().any(|other| std::ptr::eq(*other, row));
        let cascades = |row: &&Row, gone: &[&Row]| !is_in(row, gone) && refers(row, gone, OnDelete::Cascade);
        while let Some(row) = self.world.rows.iter().find(|row| cascades(row, &gone)) {
            gone.push(row);
        }
        if self.world.rows.iter().any(|row| !is_in(row, &gone) && refers(row, &gone, OnDelete::NoAction)) {
            return Outcome::Broken;
        }
        let outside =
            gone[count..].iter().find(|row| !self.may(removers(self.world.table(row.table).expect("declared"))[0]));
        match outside {
            Some(row) => Outcome::Wrong(format!("rows of {}, which the role may not delete, must not go", row.table)),
            None => Outcome::Count(count),
        }
    }

    fn can_update_existing(&self, table: &TableDef, row: &Row) -> bool {
        self.can_update(table, row, false)
    }

    fn found(
        &self,
        table: &TableDef,
        id: Option<&str>,
        reaches: fn(&Self, &TableDef, &Row) -> bool,
    ) -> impl Iterator<Item = &Row> {
        let is_meant = move |row: &Row| id.is_none_or(|id| row.values[row_id(table)].as_deref() == Some(id));
        let reached = move |row: &Row| reaches(self, table, row) && (id.is_none() || self.can_select(table, row));
        self.world.rows_of(table.name).filter(move |row| is_meant(row) && reached(row))
    }

    /// Returns whether the rows that a row refers to exist in the same tenant.
    fn referenced_rows_exist(&self, table: &TableDef, row: &Row) -> bool {
        let references = table.columns.iter().filter_map(|column| Some((column, column.references?.table)));
        let mut named = references.filter(|(column, _)| row.values[column.name].is_some());
        named.all(|(column, target)| self.world.rows_of(target).any(|target| self.names(table, row, column, target)))
    }

    fn names(&self, table: &TableDef, row: &Row, column: &ColumnDef, target: &Row) -> bool {
        let def = self.world.table(target.table).expect("declared");
        let same_tenant = match (table.tenant_column(), def.tenant_column()) {
            (Some(ours), Some(theirs)) => row.values[ours] == target.values[theirs],
            _ => true,
        };
        column.references.is_some_and(|to| to.table == target.table)
            && row.values[column.name].is_some()
            && row.values[column.name] == target.values[row_id(def)]
            && same_tenant
    }
}
