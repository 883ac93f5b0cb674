//! The SQL that checks roles that are created outside the migrations, for example by Terraform.

use super::{
    heading,
    role::{options, rows_aligned, timeout_settings},
};
use crate::{
    diff::{Membership, memberships},
    ident::literal,
    model::schema::{Role, RoleKind},
};

/// Compares the existing roles with the required roles, and reports every difference with the statement that fixes it.
pub(super) fn require(roles: &[Role]) -> String {
    let expected = roles.iter().map(|role| {
        let (login, inherit, connections) = match role.kind.login() {
            Some((connections, _)) => (true, false, i32::from(connections)),
            None => (false, true, -1),
        };
        [literal(role.name.as_str()), login.to_string(), inherit.to_string(), connections.to_string()]
    });
    let memberships = memberships(roles).into_iter().map(|Membership { role, member, inherits }| {
        [literal(role.as_str()), literal(member.as_str()), inherits.to_string(), literal(options(inherits))]
    });
    let settings = roles.iter().filter_map(|role| {
        let (_, timeouts) = role.kind.login()?;
        Some(timeout_settings(timeouts).map(|(name, seconds)| (role, name, seconds)))
    });
    let settings = settings
        .flatten()
        .map(|(role, name, seconds)| [literal(role.name.as_str()), literal(name), literal(&format!("{seconds}s"))]);
    let owners = roles.iter().filter(|role| matches!(role.kind, RoleKind::SchemaOwner | RoleKind::FunctionOwner));
    let owners: Vec<_> = owners.map(|role| format!("({})", literal(role.name.as_str()))).collect();
    format!(
        include_str!("external.sql"),
        heading = heading("Roles"),
        roles = rows_aligned(expected),
        memberships = rows_aligned(memberships),
        settings = rows_aligned(settings),
        owners = owners.join(", "),
    )
}
