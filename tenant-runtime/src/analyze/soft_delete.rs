//! Rules about soft deletion: a deletion sets the time of the deletion, and the row is kept.
//!
//! The right to delete is an UPDATE policy of its own: no policy for editing accepts a new row that is deleted, and the policy for
//! deleting accepts no other one. PostgreSQL combines the conditions on old rows of all policies of a command by OR, and those on new
//! rows as well, so that a statement may take the old row from one policy and the new row from another. Therefore the conditions for
//! updates apply to deletions and restorations too: then each such pair is what two statements could do, one after the other.

use super::{
    column_ident,
    finding::{Findings, field_place, place},
    is_tenants_table, list,
    predicates::RowPredicates,
    tenancy::Tenancy,
};
use crate::model::{
    def::{ColumnDef, ScopeDef, SoftDeleteDef, SqlType, TableDef},
    schema::{Command, Condition, Grant, Policy, PolicyKind},
};

/// Adds the policies and grants for deleting, restoring and removing rows.
pub(super) fn access(
    def: &TableDef,
    rows: &RowPredicates,
    tenancy: &Tenancy,
    policies: &mut Vec<Policy>,
    grants: &mut Vec<Grant>,
) {
    let (Some(soft), Some(time)) = (def.soft_delete, &rows.deletion_time) else { return };
    let mut add = |declared: Option<&str>, kind: PolicyKind, what: &str, using: Vec<_>, with_check: Vec<_>| {
        let Some((declared, role)) = declared.and_then(|name| Some((name, tenancy.application_roles.get(name)?)))
        else {
            return;
        };
        policies.push(Policy {
            name: kind.policy_name(declared),
            comment: format!("Allows {declared} and the roles that include it to {what}."),
            kind,
            role: Some(role.clone()),
            using: unique(using),
            with_check: unique(with_check),
        });
        // A role that reads deleted rows has SELECT, as a reader of the others.
        let Some(command) = kind.command().filter(|command| *command != Command::Select) else { return };
        let time = (command == Command::Update).then(|| column_ident(soft.column));
        add_grant(def, Grant { command, columns: time.into_iter().collect(), role: role.clone() }, grants);
    };
    let updatable = |own| rows.existing(own).chain(rows.custom(Command::Update, false));
    for (own, what) in [
        (false, "mark rows of the current tenant as deleted"),
        (true, "mark rows that the user owns as deleted, in the current tenant"),
    ] {
        let role = if own { def.delete_own } else { def.delete };
        let deletable = || updatable(own).chain(rows.custom(Command::Delete, false));
        let using = deletable().chain([&time.not_deleted]).collect();
        let with_check = deletable().chain(rows.custom(Command::Update, true)).chain([&time.deleted_now]).collect();
        add(role, PolicyKind::SoftDelete { own }, what, using, with_check);
    }
    let readable = rows.existing(false).chain(rows.custom(Command::Select, false));
    let what = "SELECT deleted rows of the current tenant, if the statement asks for them";
    add(soft.restore, PolicyKind::ReadDeleted, what, readable.chain([&time.deleted_shown]).collect(), Vec::new());
    let using = updatable(false).chain([&time.deleted]).collect();
    let updated = rows.existing(false).chain(rows.custom(Command::Update, true));
    let with_check = updated.chain([&time.not_deleted]).collect();
    add(soft.restore, PolicyKind::Restore, "restore deleted rows of the current tenant", using, with_check);
    let removable = rows.existing(false).chain(rows.custom(Command::Delete, false));
    let using = removable.chain([&time.deleted]).collect();
    add(soft.purge, PolicyKind::Purge, "DELETE deleted rows of the current tenant", using, Vec::new());
}

/// Adds a grant, or its columns to the grant of the same command and role. The columns keep the order of the fields.
fn add_grant(def: &TableDef, grant: Grant, grants: &mut Vec<Grant>) {
    match grants.iter_mut().find(|other| (other.command, &other.role) == (grant.command, &grant.role)) {
        None => grants.push(grant),
        Some(other) => {
            let granted = |column: &&ColumnDef| {
                let name = column_ident(column.name);
                other.columns.contains(&name) || grant.columns.contains(&name)
            };
            other.columns = def.columns.iter().filter(granted).map(|column| column_ident(column.name)).collect();
        }
    }
}

/// Removes repeated conditions: an attribute can state the same condition for several commands.
fn unique(conditions: Vec<&Condition>) -> Vec<Condition> {
    let mut kept: Vec<Condition> = Vec::new();
    for condition in conditions {
        if !kept.contains(condition) {
            kept.push(condition.clone());
        }
    }
    kept
}

/// Checks the declaration of soft deletion.
pub(super) fn check(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) {
    let Some(soft) = def.soft_delete else { return };
    let Some(column) = def.columns.iter().find(|column| def.is_deletion_time(column)) else {
        findings.error(
            place(def),
            format!("the column `{}` of `soft_delete` does not exist", soft.column),
            format!("its columns are {}", list(def.columns.iter().map(|column| column.name))),
        );
        return;
    };
    check_column(def, column, findings);
    if let Some((what, help)) = unsupported(def) {
        findings.error(place(def), format!("`soft_delete` is not allowed on `{}`, {what}", def.rust_name), help);
    }
    check_roles(def, soft, tenancy, findings);
}

fn check_column(def: &TableDef, column: &ColumnDef, findings: &mut Findings) {
    if column.ty != SqlType::Timestamptz || !column.nullable {
        findings.error(
            field_place(def, column),
            format!(
                "`soft_delete` requires a nullable column of the type `timestamptz`, and `{}` is none",
                column.name
            ),
            "use an `Option` of a type that maps to `timestamptz`, such as `Option<chrono::DateTime<chrono::Utc>>`, without `sql_type`",
        );
    }
    let has_other_source = def.is_fixed(column)
        || column.app_assigned
        || column.is_computed()
        || column.references.is_some()
        || column.default.is_some()
        || column.insert.is_some()
        || column.update.is_some()
        || column.select.is_some()
        || column.backfill.is_some();
    if has_other_source {
        findings.error(
            field_place(def, column),
            format!("the database sets `{}`, which each statement of the repository reads", column.name),
            "remove the other attributes of the field",
        );
    }
}

/// Returns why a table cannot keep its deleted rows, and what to do instead.
fn unsupported(def: &TableDef) -> Option<(&'static str, &'static str)> {
    match def.scope {
        ScopeDef::Global | ScopeDef::Shared { .. } => {
            Some(("whose rows belong to no tenant", "remove `soft_delete`: no role of a tenant deletes these rows"))
        }
        _ if def.membership.is_some() => Some((
            "the membership table",
            "remove `soft_delete`: a deleted member would keep the membership's privileges",
        )),
        _ if def.invitation.is_some() => {
            Some(("the invitation table", "remove `soft_delete`: an invitation that is kept could still be accepted"))
        }
        _ if def.change_log => Some(("the change log", "remove `soft_delete`: the log is append-only")),
        _ if is_tenants_table(def) => Some((
            "the table of tenants",
            "remove `soft_delete`: the members of a deleted tenant would keep their access; end their memberships instead",
        )),
        _ if def.delete.is_none() && def.delete_own.is_none() => Some((
            "on which no role has `delete`",
            "add `delete = \"…\"` or `delete_own = \"…\"`, the role that can delete rows, or remove `soft_delete`",
        )),
        _ => None,
    }
}

fn check_roles(def: &TableDef, soft: SoftDeleteDef, tenancy: &Tenancy, findings: &mut Findings) {
    let known = |name: &&'static str| tenancy.application_roles.contains_key(name);
    // An unknown role is reported with those of the commands.
    let lacks = |role: Option<&'static str>, needed: Option<&'static str>| {
        let (role, needed) = (role.filter(known)?, needed.filter(known)?);
        (!tenancy.includes(role, needed)).then_some((role, needed))
    };
    if let Some((role, reader)) = lacks(soft.restore, def.select) {
        findings.error(
            place(def),
            format!("`{role}` can restore rows of `{}` but has no SELECT on it", def.rust_name),
            format!("set `restore` to `{reader}` or a role that includes it"),
        );
    }
    match (soft.restore, lacks(soft.purge, soft.restore)) {
        (None, _) if soft.purge.is_some() => findings.error(
            place(def),
            format!("`purge` on `{}` requires `restore`, whose role reads deleted rows", def.rust_name),
            "add `restore = \"…\"`: a role removes only rows that it can read",
        ),
        (_, Some((role, reader))) => findings.error(
            place(def),
            format!("`{role}` can remove deleted rows of `{}` but cannot read them", def.rust_name),
            format!("set `purge` to `{reader}`, the role of `restore`, or a role that includes it"),
        ),
        _ => {}
    }
    // PostgreSQL accepts an update if one policy accepts the old row and another one the new row. A role that restores rows of all users
    // could thereby change them, so it must be able to update them.
    let (Some(restore), Some(own)) = (soft.restore, def.update_own) else { return };
    let updates_own_only = |role: &&str| {
        let has = |needed| tenancy.includes(role, needed);
        has(restore) && has(own) && !def.update.is_some_and(has)
    };
    if let Some(role) = tenancy.def.roles.iter().map(|role| role.name).find(updates_own_only) {
        findings.error(
            place(def),
            format!("`{role}` can restore all rows of `{}`, but update only rows that the user owns", def.rust_name),
            format!(
                "add `update = \"{restore}\"` or a role that it includes: a role that restores a row can change it, too"
            ),
        );
    }
}
