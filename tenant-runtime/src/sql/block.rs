//! Blocks: steps that follow on each other and are read together, as text.

use std::fmt::Write as _;

use super::{access, column, constraint, external, function, heading, pgaudit, role, table};
use crate::{
    diff::{Item, KeyKind},
    plan::{Action, Plan},
};

/// Says whether a step makes or takes a membership.
pub(super) fn is_membership(action: &Action) -> bool {
    matches!(action, Action::Add(Item::Membership(_)) | Action::Drop(Item::Membership(_)))
}

/// Says whether two steps that follow on each other belong to one block.
pub(super) fn stand_together(a: &Action, b: &Action) -> bool {
    match (a, b) {
        (Action::Add(a), Action::Add(b)) | (Action::Drop(a), Action::Drop(b)) if a.table().is_none() => match (a, b) {
            (Item::Usage { schema: a, .. }, Item::Usage { schema: b, .. }) => a == b,
            (Item::Role { .. }, Item::Role { .. })
            | (Item::Database { .. }, Item::Database { .. })
            | (Item::Timeouts { .. }, Item::Timeouts { .. })
            | (Item::Membership(_), Item::Membership(_))
            | (Item::Execute { .. }, Item::Execute { .. })
            | (Item::Function { .. }, Item::Function { .. }) => true,
            _ => false,
        },
        (a, b) => !is_whole(a) && !is_whole(b) && a.table().is_some() && (a.table(), side(a)) == (b.table(), side(b)),
    }
}

/// Of which side of a table a step speaks: who has which privileges, who sees which rows, or what it looks like.
fn side(action: &Action) -> u8 {
    match action.item() {
        Some(Item::Grant { .. }) => 0,
        Some(Item::Policy { .. } | Item::Trigger { .. }) => 1,
        _ => 2,
    }
}

/// Says whether a step makes or unmakes a table with all that belongs to it.
fn is_whole(action: &Action) -> bool {
    matches!(action, Action::Open { .. } | Action::Close { .. })
        || matches!(action, Action::Add(Item::Table { .. }) | Action::Drop(Item::Table { .. }))
}

/// Writes a block.
pub(super) fn text(plan: &Plan, actions: &[Action]) -> String {
    let mut out = String::new();
    let Some(first) = actions.first() else { return out };
    let items = || actions.iter().filter_map(Action::item);
    let told =
        |out: &mut String, actions: &[Action]| actions.iter().for_each(|action| out.push_str(&notes(plan, action)));
    match first {
        Action::Add(Item::Role { .. }) => out.push_str(&role::create(items())),
        Action::Drop(Item::Role { .. }) => {
            told(&mut out, actions);
            out.push_str(&role::drop(items()));
        }
        Action::Add(Item::Membership(_)) => {
            told(&mut out, actions);
            out.push_str(&role::give(items()));
        }
        Action::Drop(Item::Membership(_)) => {
            told(&mut out, actions);
            out.push_str(&role::take(items()));
        }
        Action::Add(Item::Database { .. }) => out.push_str(&role::lock_database(items())),
        Action::Drop(Item::Database { .. }) => out.push_str(&role::unlock_database(items())),
        Action::Add(Item::Timeouts { .. }) => out.push_str(&role::set_timeouts(items())),
        Action::Drop(Item::Timeouts { .. }) => out.push_str(&role::reset_timeouts(items())),
        Action::Add(Item::Usage { .. }) => out.push_str(&role::use_schema(items(), true)),
        Action::Drop(Item::Usage { .. }) => out.push_str(&role::use_schema(items(), false)),
        _ => {
            if let Some(Item::Function { name, .. }) = first.item() {
                out.push_str(&heading(&format!("Functions in {}", name.schema)));
                if matches!(first, Action::Add(_)) {
                    out.push_str(
                        "-- They look across what their callers may see, so nobody may call one who is not named.\n",
                    );
                }
            }
            for action in actions {
                out.push_str(&notes(plan, action));
                out.push_str(&statement(action));
            }
        }
    }
    out
}

/// What there is to be said about a step, as comments above it.
fn notes(plan: &Plan, action: &Action) -> String {
    let mut out = String::new();
    if let Some(note) = plan.note(action) {
        let _ = writeln!(out, "-- {}", note.to_string().replace(char::is_control, " "));
    }
    let Action::Drop(item) = action else { return out };
    let rests =
        matches!(item, Item::Policy { .. } | Item::ForeignKey { .. } | Item::Check { .. } | Item::Trigger { .. });
    if rests && plan.makes_again(item) {
        out.push_str("-- In the way of what follows; it is made again below.\n");
    }
    out
}

fn statement(action: &Action) -> String {
    match action {
        Action::Add(item) => add(item),
        Action::Drop(item) => drop(item),
        Action::Alter { before, after } => alter(before, after),
        Action::Rename { before, after } => rename(before, after),
        Action::Open { name, table } => table::open(name, table),
        Action::Close { name, table } => table::close(name, table),
        Action::Restate { policy: Item::Policy { table, policy }, now: true } => {
            access::restate_policy(&table.quoted(), policy)
        }
        Action::Restate { .. } => String::new(),
        Action::AddUnchecked(item) => constraint::add(item, " NOT VALID"),
        Action::DropUnchecked(item) => constraint::drop(item),
        Action::Validate(item) => constraint::validate(item),
        Action::Build(item) => constraint::build(item),
        Action::Unbuild(item) => constraint::unbuild(item),
        Action::Attach(item) => constraint::attach(item),
        Action::Force { table, on } => table::force(table, *on),
        Action::Backfill { table, column, with } => column::fill(table, column, with),
        Action::Unfill { table, column, .. } => column::unfill(table, column),
    }
}

fn add(item: &Item) -> String {
    match item {
        Item::Role { .. } | Item::Membership(_) | Item::Usage { .. } | Item::Partitions { .. } => String::new(),
        Item::Timeouts { .. } | Item::Database { .. } => String::new(),
        Item::RequiredRoles { roles } => external::require(roles),
        Item::Pgaudit { classes } => pgaudit::set(classes),
        Item::Schema { name, owner } => role::create_schema(owner, name),
        Item::Defaults { types, .. } => role::lock_defaults(*types),
        Item::Function { name, function, .. } => function::create(name, function),
        Item::Execute { name, arguments, role, .. } => function::allow(name, arguments, role),
        Item::Table { name, table } => table::create(name, table),
        Item::Comment { table, comment } => table::comment(table, comment),
        Item::Column { table, column } => column::add(table, column),
        Item::Key { kind: KeyKind::Index, .. } => constraint::create_index(item),
        Item::ForeignKey { table, key, partitions } => constraint::add_at_once(table, key, *partitions),
        Item::Key { .. } | Item::Check { .. } => constraint::add(item, ""),
        Item::Policy { table, policy } => access::create_policy(&table.quoted(), policy),
        Item::Trigger { table, trigger } => access::create_trigger(&table.quoted(), trigger),
        Item::Grant { table, grant } => access::grant(&table.quoted(), grant),
    }
}

fn drop(item: &Item) -> String {
    match item {
        Item::Role { .. } | Item::Membership(_) | Item::Usage { .. } => String::new(),
        Item::Timeouts { .. } | Item::Database { .. } => String::new(),
        Item::Partitions { .. } | Item::Comment { .. } => String::new(),
        Item::RequiredRoles { .. } => String::new(),
        Item::Pgaudit { .. } => pgaudit::reset(),
        Item::Schema { name, .. } => role::drop_schema(name),
        Item::Defaults { types, .. } => role::unlock_defaults(*types),
        Item::Function { name, function, .. } => function::drop(name, function),
        Item::Execute { name, arguments, role, .. } => function::forbid(name, arguments, role),
        Item::Table { name, .. } => table::drop(name),
        Item::Column { table, column } => column::drop(table, column),
        Item::Key { .. } | Item::Check { .. } | Item::ForeignKey { .. } => constraint::drop(item),
        Item::Policy { table, policy } => access::drop_policy(&table.quoted(), policy),
        Item::Trigger { table, trigger } => access::drop_trigger(&table.quoted(), trigger),
        Item::Grant { table, grant } => access::revoke(&table.quoted(), grant),
    }
}

fn alter(before: &Item, after: &Item) -> String {
    match (before, after) {
        (Item::Role { role: old, product: was }, Item::Role { role, product }) => {
            role::alter((old, was), (role, product))
        }
        (Item::Timeouts { .. }, Item::Timeouts { .. }) => role::set_timeouts([after].into_iter()),
        (Item::Pgaudit { .. }, Item::Pgaudit { classes }) => pgaudit::set(classes),
        (Item::Function { .. }, Item::Function { name, function, .. }) => function::replace(name, function),
        (Item::Comment { .. }, Item::Comment { table, comment }) => table::comment(table, comment),
        (Item::Column { column: old, .. }, Item::Column { table, column }) => column::alter(table, old, column),
        (Item::Policy { policy: old, .. }, Item::Policy { table, policy }) => {
            access::alter_policy(&table.quoted(), old, policy)
        }
        // The plan has no other: what cannot be altered is dropped and made again.
        _ => String::new(),
    }
}

fn rename(before: &Item, after: &Item) -> String {
    match (before, after) {
        (Item::Table { name: old, table }, Item::Table { name, .. }) => table::rename(old, name, table.partitions),
        (Item::Column { column: old, .. }, Item::Column { table, column }) => {
            column::rename(table, &old.name, &column.name)
        }
        _ => constraint::rename(before, after),
    }
}
