//! Writes consecutive steps that belong together as one block of SQL.

use std::fmt::Write as _;

use super::{
    access, column, comment_text, constraint, enum_type, extension, external, function, heading, index, pgaudit, role,
    sequence, table,
};
use crate::{
    diff::SchemaObject,
    plan::{Action, Fill, Plan},
};

/// Returns whether a step grants or revokes a membership.
pub(super) fn is_membership(action: &Action) -> bool {
    matches!(action, Action::Add(SchemaObject::Membership(_)) | Action::Drop(SchemaObject::Membership(_)))
}

/// Returns whether two consecutive steps belong to one block.
pub(super) fn stand_together(a: &Action, b: &Action) -> bool {
    match (a, b) {
        (Action::Add(a), Action::Add(b)) | (Action::Drop(a), Action::Drop(b)) if a.table().is_none() => match (a, b) {
            (SchemaObject::Usage { schema: a, .. }, SchemaObject::Usage { schema: b, .. }) => a == b,
            (SchemaObject::Role { .. }, SchemaObject::Role { .. })
            | (SchemaObject::Database { .. }, SchemaObject::Database { .. })
            | (SchemaObject::Timeouts { .. }, SchemaObject::Timeouts { .. })
            | (SchemaObject::Membership(_), SchemaObject::Membership(_))
            | (SchemaObject::Execute { .. }, SchemaObject::Execute { .. })
            | (SchemaObject::Function { .. }, SchemaObject::Function { .. }) => true,
            _ => false,
        },
        (a, b) => !is_whole(a) && !is_whole(b) && a.table().is_some() && (a.table(), side(a)) == (b.table(), side(b)),
    }
}

/// Returns the part of a table that a step changes: grants (0), policies and triggers (1), or the definition (2).
fn side(action: &Action) -> u8 {
    match action.item() {
        Some(SchemaObject::Grant { .. }) => 0,
        Some(SchemaObject::Policy { .. } | SchemaObject::Trigger { .. }) => 1,
        _ => 2,
    }
}

/// Returns whether a step creates or drops a whole table.
fn is_whole(action: &Action) -> bool {
    matches!(action, Action::Open { .. } | Action::Close { .. })
        || matches!(action, Action::Add(SchemaObject::Table { .. }) | Action::Drop(SchemaObject::Table { .. }))
}

/// Writes a block.
pub(super) fn text(plan: &Plan, actions: &[Action]) -> String {
    let mut out = String::new();
    let Some(first) = actions.first() else { return out };
    let items = || actions.iter().filter_map(Action::item);
    let all_notes = || actions.iter().map(|action| notes(plan, action)).collect::<String>();
    match first {
        Action::Add(SchemaObject::Role { .. }) => out.push_str(&role::create(items())),
        Action::Drop(SchemaObject::Role { .. }) => {
            out.push_str(&all_notes());
            out.push_str(&role::drop(items()));
        }
        Action::Add(SchemaObject::Membership(_)) => {
            out.push_str(&all_notes());
            out.push_str(&role::grant_memberships(items()));
        }
        Action::Drop(SchemaObject::Membership(_)) => {
            out.push_str(&all_notes());
            out.push_str(&role::revoke_memberships(items()));
        }
        Action::Add(SchemaObject::Database { .. }) => out.push_str(&role::lock_database(items())),
        Action::Drop(SchemaObject::Database { .. }) => out.push_str(&role::unlock_database(items())),
        Action::Add(SchemaObject::Timeouts { .. }) => out.push_str(&role::set_timeouts(items())),
        Action::Drop(SchemaObject::Timeouts { .. }) => out.push_str(&role::reset_timeouts(items())),
        Action::Add(SchemaObject::Usage { .. }) => out.push_str(&role::use_schema(items(), true)),
        Action::Drop(SchemaObject::Usage { .. }) => out.push_str(&role::use_schema(items(), false)),
        _ => {
            if let Some(SchemaObject::Function { name, .. }) = first.item() {
                out.push_str(&heading(&format!("Functions in {}", name.schema)));
                if matches!(first, Action::Add(_)) {
                    out.push_str(about_functions(items()));
                }
            }
            for action in actions {
                out.push_str(&notes(plan, action));
                out.push_str(&statement(plan, action));
            }
        }
    }
    out
}

/// Returns the comment above new functions.
fn about_functions<'a>(mut items: impl Iterator<Item = &'a SchemaObject>) -> &'static str {
    let is_definer =
        |item: &SchemaObject| matches!(item, SchemaObject::Function { function, .. } if function.is_security_definer());
    match items.any(is_definer) {
        true => {
            "-- SECURITY DEFINER functions run with the privileges and policies of their owner, not with those of the caller.\n\
             -- EXECUTE is granted only to the roles listed.\n"
        }
        false => "-- EXECUTE is granted only to the roles listed.\n",
    }
}

/// Returns the comments above a step.
fn notes(plan: &Plan, action: &Action) -> String {
    let mut out = String::new();
    if let Some(note) = plan.note(action) {
        let _ = writeln!(out, "-- {}", comment_text(&note.to_string()));
    }
    let Action::Drop(item) = action else { return out };
    let is_recreated = matches!(
        item,
        SchemaObject::Policy { .. }
            | SchemaObject::ForeignKey { .. }
            | SchemaObject::Check { .. }
            | SchemaObject::Trigger { .. }
            | SchemaObject::Column { .. }
    );
    if is_recreated && plan.makes_again(item) {
        out.push_str(match plan.redefines(item) {
            true => "-- The definition changes: dropped, and added again below.\n",
            false => "-- Dropped because the following changes require it; re-created below.\n",
        });
    }
    out
}

fn statement(plan: &Plan, action: &Action) -> String {
    match action {
        Action::Add(item) => add(item),
        Action::Drop(item) => drop(item),
        Action::Alter { before, after } => alter(before, after),
        Action::Rename { before, after } => rename(before, after),
        Action::Open { name, table } => table::open(name, table),
        Action::Close { name, table } => table::close(name, table),
        Action::Restate { policy: SchemaObject::Policy { table, policy }, now: true } => {
            access::restate_policy(&table.quoted(), policy)
        }
        Action::Restate { .. } => String::new(),
        Action::AddUnchecked(item) => constraint::add(item, " NOT VALID"),
        Action::DropUnchecked(item) => constraint::drop(item),
        Action::Validate(item) => constraint::validate(item, plan.owner.as_ref()),
        Action::Build(item) => constraint::build(item),
        Action::Unbuild(item) => constraint::unbuild(item),
        Action::Attach(item) => constraint::attach(item),
        Action::Backfill { table, column, with: Fill::Nulls(with), has_triggers, is_deferred } => {
            column::fill(table, column, with, *has_triggers, *is_deferred)
        }
        Action::Backfill { table, column, with: Fill::TenantOfParent(key), has_triggers, is_deferred } => {
            column::fill_tenant(table, column, key, *has_triggers, *is_deferred)
        }
        Action::Relabel { table, column, array, labels, has_triggers, .. } => {
            column::relabel(table, column, *array, labels, *has_triggers)
        }
        Action::Count { counter, now: true } => column::start_counter(counter),
        Action::Count { counter, now: false } => column::end_counter(counter),
        Action::Unfill { table, column, .. } => column::unfill(table, column),
    }
}

fn add(item: &SchemaObject) -> String {
    match item {
        SchemaObject::Role { .. }
        | SchemaObject::Membership(_)
        | SchemaObject::Usage { .. }
        | SchemaObject::Partitions { .. } => String::new(),
        SchemaObject::Timeouts { .. } | SchemaObject::Database { .. } => String::new(),
        SchemaObject::RequiredRoles { roles } => external::require(roles),
        SchemaObject::Pgaudit { classes } => pgaudit::set(classes),
        SchemaObject::ExtensionSchema { name, users } => extension::use_schema(name, users),
        SchemaObject::Extension { name, schema } => extension::create(name, schema),
        SchemaObject::Schema { name, owner } => role::create_schema(owner, name),
        SchemaObject::Defaults { types, .. } => role::lock_defaults(*types),
        SchemaObject::Enum { name, ty } => enum_type::create(name, ty),
        SchemaObject::Sequence { name, .. } => sequence::create(name),
        SchemaObject::Function { name, function, .. } => function::create(name, function),
        SchemaObject::Execute { name, arguments, role, .. } => function::allow(name, arguments, role),
        SchemaObject::Table { name, table } => table::create(name, table),
        SchemaObject::Comment { table, comment } => table::comment(table, comment),
        SchemaObject::Column { table, column } => column::add(table, column),
        SchemaObject::Index { table, index } => index::create(table, index),
        SchemaObject::ForeignKey { table, key, partitions } => constraint::add_at_once(table, key, *partitions),
        SchemaObject::Key { .. } | SchemaObject::Check { .. } => constraint::add(item, ""),
        SchemaObject::Policy { table, policy } => access::create_policy(&table.quoted(), policy),
        SchemaObject::Trigger { table, trigger } => access::create_trigger(&table.quoted(), trigger),
        SchemaObject::Grant { table, grant } => access::grant(&table.quoted(), grant),
    }
}

fn drop(item: &SchemaObject) -> String {
    match item {
        SchemaObject::Role { .. } | SchemaObject::Membership(_) | SchemaObject::Usage { .. } => String::new(),
        SchemaObject::Timeouts { .. } | SchemaObject::Database { .. } => String::new(),
        SchemaObject::Partitions { .. } | SchemaObject::Comment { .. } => String::new(),
        SchemaObject::RequiredRoles { .. } => String::new(),
        SchemaObject::Pgaudit { .. } => pgaudit::reset(),
        SchemaObject::ExtensionSchema { name, users } => extension::leave_schema(name, users),
        SchemaObject::Extension { name, .. } => extension::keep(name),
        SchemaObject::Schema { name, .. } => role::drop_schema(name),
        SchemaObject::Defaults { types, .. } => role::unlock_defaults(*types),
        SchemaObject::Enum { name, .. } => enum_type::drop(name),
        SchemaObject::Sequence { name, .. } => sequence::drop(name),
        SchemaObject::Function { name, function, .. } => function::drop(name, function),
        SchemaObject::Execute { name, arguments, role, .. } => function::forbid(name, arguments, role),
        SchemaObject::Table { name, .. } => table::drop(name),
        SchemaObject::Column { table, column } => column::drop(table, column),
        SchemaObject::Index { table, index } => index::drop(table, index),
        SchemaObject::Key { .. } | SchemaObject::Check { .. } | SchemaObject::ForeignKey { .. } => {
            constraint::drop(item)
        }
        SchemaObject::Policy { table, policy } => access::drop_policy(&table.quoted(), policy),
        SchemaObject::Trigger { table, trigger } => access::drop_trigger(&table.quoted(), trigger),
        SchemaObject::Grant { table, grant } => access::revoke(&table.quoted(), grant),
    }
}

fn alter(before: &SchemaObject, after: &SchemaObject) -> String {
    match (before, after) {
        (SchemaObject::Role { role: old, product: was }, SchemaObject::Role { role, product }) => {
            role::alter((old, was), (role, product))
        }
        (SchemaObject::Timeouts { .. }, SchemaObject::Timeouts { .. }) => role::set_timeouts([after].into_iter()),
        (SchemaObject::Pgaudit { .. }, SchemaObject::Pgaudit { classes }) => pgaudit::set(classes),
        (SchemaObject::Enum { ty: old, .. }, SchemaObject::Enum { name, ty }) => enum_type::alter(name, old, ty),
        (SchemaObject::ExtensionSchema { users: old, .. }, SchemaObject::ExtensionSchema { name, users }) => {
            extension::change_users(name, old, users)
        }
        (SchemaObject::Function { .. }, SchemaObject::Function { name, function, .. }) => {
            function::replace(name, function)
        }
        (SchemaObject::Comment { .. }, SchemaObject::Comment { table, comment }) => table::comment(table, comment),
        (SchemaObject::Column { column: old, .. }, SchemaObject::Column { table, column }) => {
            column::alter(table, old, column)
        }
        (SchemaObject::ForeignKey { .. }, SchemaObject::ForeignKey { table, key, .. }) => constraint::defer(table, key),
        (SchemaObject::Policy { policy: old, .. }, SchemaObject::Policy { table, policy }) => {
            access::alter_policy(&table.quoted(), old, policy)
        }
        // The plan alters no other objects: it drops and re-creates them.
        _ => String::new(),
    }
}

fn rename(before: &SchemaObject, after: &SchemaObject) -> String {
    match (before, after) {
        (SchemaObject::Table { name: old, table }, SchemaObject::Table { name, .. }) => {
            table::rename(old, name, table.partitions)
        }
        (SchemaObject::Column { column: old, .. }, SchemaObject::Column { table, column }) => {
            column::rename(table, &old.name, &column.name)
        }
        _ => constraint::rename(before, after),
    }
}
