//! The SQL of enum types.

use std::fmt::Write as _;

use super::{comment_text, heading};
use crate::{
    ident::{Ident, literal},
    model::schema::{EnumType, QualifiedName},
};

/// Creates an enum type with its USAGE grants.
pub(crate) fn create(name: &QualifiedName, ty: &EnumType) -> String {
    let labels = ty.labels.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ");
    format!(
        "{}CREATE TYPE {} AS ENUM ({labels});\n{}",
        heading(&format!("Enum type {name}")),
        name.quoted(),
        change_users(name, &[], &ty.users)
    )
}

pub(super) fn drop(name: &QualifiedName) -> String {
    format!("DROP TYPE {};\n", name.quoted())
}

/// Adds labels, or renames labels at the same places, and changes the USAGE grants.
pub(super) fn alter(name: &QualifiedName, before: &EnumType, after: &EnumType) -> String {
    let mut out = match before.labels.len() == after.labels.len() {
        true => rename_labels(name, &before.labels, &after.labels),
        false => add_labels(name, &before.labels, &after.labels),
    };
    out.push_str(&change_users(name, &before.users, &after.users));
    out
}

/// Adds the labels that the type lacks, each at its place.
fn add_labels(name: &QualifiedName, before: &[String], after: &[String]) -> String {
    let mut out = String::new();
    for (at, label) in after.iter().enumerate().filter(|(_, label)| !before.contains(label)) {
        let next = after[at..].iter().find(|label| before.contains(label));
        let place = match (at.checked_sub(1), next) {
            (Some(previous), _) => format!(" AFTER {}", literal(&after[previous])),
            (None, Some(next)) => format!(" BEFORE {}", literal(next)),
            (None, None) => String::new(),
        };
        let _ = writeln!(out, "ALTER TYPE {} ADD VALUE IF NOT EXISTS {}{place};", name.quoted(), literal(label));
    }
    for label in before.iter().filter(|label| !after.contains(label)) {
        let label = comment_text(label);
        let _ =
            writeln!(out, "-- The label '{label}' of {} stays, because PostgreSQL cannot remove it.", name.quoted());
    }
    out
}

/// Renames labels. If labels are exchanged, each passes through a temporary text.
fn rename_labels(name: &QualifiedName, before: &[String], after: &[String]) -> String {
    let moves: Vec<_> = before.iter().zip(after).filter(|(old, new)| old != new).collect();
    let rename = |old: &str, new: &str| {
        format!("ALTER TYPE {} RENAME VALUE {} TO {};\n", name.quoted(), literal(old), literal(new))
    };
    if moves.iter().all(|(_, new)| !before.contains(new)) {
        return moves.into_iter().map(|(old, new)| rename(old, new)).collect();
    }
    let is_free = |text: &String| !before.contains(text) && !after.contains(text);
    let temporary = || (1..).map(|number| format!("tenant_label_{number}")).filter(is_free);
    let first = moves.iter().zip(temporary()).map(|((old, _), temporary)| rename(old, &temporary));
    let second = moves.iter().zip(temporary()).map(|((_, new), temporary)| rename(&temporary, new));
    first.chain(second).collect()
}

fn change_users(name: &QualifiedName, before: &[Ident], after: &[Ident]) -> String {
    let change = |word: &str, to: &str, roles: &[Ident], others: &[Ident]| {
        let roles = roles.iter().filter(|role| !others.contains(role));
        roles
            .map(|role| format!("{word} USAGE ON TYPE {} {to} {};\n", name.quoted(), role.quoted()))
            .collect::<String>()
    };
    change("REVOKE", "FROM", before, after) + &change("GRANT", "TO", after, before)
}
