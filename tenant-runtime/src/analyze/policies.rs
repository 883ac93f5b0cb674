//! Rules about access: which role may do what becomes policies and grants.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change_log::ChangeLog,
    column_ident, cross_tenant,
    finding::{Findings, field_place, place},
    id_columns, list,
    membership::Membership,
    predicates::RowPredicates,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, NO_ROLE, ScopeDef, TableDef},
        schema::{Command, Grant, Policy},
    },
};

/// The policies and grants of a table.
pub(super) struct Access {
    pub(super) policies: Vec<Policy>,
    pub(super) grants: Vec<Grant>,
}

/// Lowers the roles of a table.
pub(super) fn access(
    def: &TableDef,
    rows: &RowPredicates,
    membership: Option<&Membership>,
    log: Option<&ChangeLog>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Access {
    check_commands(def, tenancy, findings);
    let mut access = Access { policies: floor(rows), grants: Vec::new() };
    // Members are changed by functions, which no grant may go around; invitations are made by one.
    let members = membership.is_some_and(|membership| membership.is_table(def));
    let by_function = |command: &Command| match command {
        Command::Select => false,
        Command::Insert | Command::Update => members || def.invitation.is_some(),
        Command::Delete => members,
    };
    for command in Command::ALL.into_iter().filter(|command| !by_function(command)) {
        let wide = role(def, command).map(|role| (role, false));
        for (declared, own_only) in wide.into_iter().chain(own_role(def, command).map(|role| (role, true))) {
            let Some(tier) = tenancy.application_roles.get(declared) else { continue };
            access.policies.push(policy(command, own_only, tier, declared, rows, def.scope));
            let grants = grants(def, command, declared, tenancy, findings);
            access.grants.extend(grants.into_iter().filter(|grant| !access.grants.contains(grant)).collect::<Vec<_>>());
        }
    }
    if let Some(membership) = membership.filter(|membership| membership.crosses(def)) {
        let (policies, grants) = membership.function_owner_access(def, &tenancy.function_owner);
        access.policies.extend(policies);
        access.grants.extend(grants);
    }
    if let Some(log) = log.filter(|log| log.is_table(def)) {
        let (policy, grant) = log.function_owner_access(&tenancy.function_owner);
        access.policies.push(policy);
        access.grants.push(grant);
    }
    cross_tenant::check(def, findings);
    let (policies, grants) = cross_tenant::access(def, &rows.base, tenancy);
    access.policies.extend(policies);
    access.grants.extend(grants);
    access
}

fn floor(rows: &RowPredicates) -> Vec<Policy> {
    let floor = rows.floor.iter().map(|floor| Policy {
        name: Ident::derived(["tenant_isolation"]),
        comment: "Restrictive: limits every role to rows of the current tenant. Roles that are exempt are named in the condition.".into(),
        restrictive: true,
        command: None,
        role: None,
        using: Some(floor.clone()),
        with_check: Some(floor.clone()),
    });
    floor.collect()
}

fn policy(
    command: Command,
    own_only: bool,
    tier: &Ident,
    declared: &str,
    rows: &RowPredicates,
    scope: ScopeDef,
) -> Policy {
    let (reads, writes) = command.clauses();
    let verb = match command {
        Command::Select => "read",
        Command::Insert => "insert",
        Command::Update => "update",
        Command::Delete => "delete",
    };
    let whose = match (scope, own_only, command) {
        (ScopeDef::Global, ..) => "all rows (they belong to no tenant)",
        (ScopeDef::Shared { .. }, ..) => "the rows of the current tenant's members",
        (_, true, _) => "rows of the current tenant that the user owns",
        (_, false, Command::Insert) => "rows of the current tenant",
        (_, false, Command::Update) => "rows of the current tenant, but not to move them to another tenant",
        (_, false, _) => "rows of the current tenant",
    };
    let seen = if rows.are_hidden_from_some() && command != Command::Insert {
        ". Limited to rows that are visible to the user"
    } else {
        ""
    };
    Policy {
        name: Ident::derived([command.attribute(), if own_only { "own_rows" } else { "rows" }]),
        comment: format!("Allows {declared} and the roles that include it to {verb} {whose}{seen}."),
        restrictive: false,
        command: Some(command),
        role: Some(tier.clone()),
        using: reads.then(|| rows.using(command, own_only)),
        with_check: writes.then(|| rows.with_check(command, own_only)),
    }
}

/// Lists what a role and those that columns name may touch: explicit columns, so that a later one is granted to nobody.
fn grants(
    def: &TableDef,
    command: Command,
    declared: &'static str,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Vec<Grant> {
    if command == Command::Delete {
        let role = tenancy.application_roles.get(declared).cloned();
        return role.map(|role| Grant { command, columns: Vec::new(), role }).into_iter().collect();
    }
    let mut by_role: BTreeMap<&str, Vec<Ident>> = BTreeMap::new();
    for column in def.columns.iter().filter(|column| is_written(def, column, command)) {
        let own = match command {
            Command::Select => column.select,
            Command::Insert => column.insert,
            Command::Update => column.update,
            Command::Delete => None,
        };
        by_role.entry(own.unwrap_or(declared)).or_default().push(column_ident(column.name));
    }
    if !by_role.contains_key(declared) {
        findings.error(
            place(def),
            format!(
                "`{declared}` has `{0}` on `{1}`, but none of its columns allows `{0}`",
                command.attribute(),
                def.rust_name
            ),
            format!("remove `{} = \"{declared}\"`, or add a field", command.attribute()),
        );
    }
    let order = tenancy
        .def
        .roles
        .iter()
        .filter_map(|role| Some((tenancy.application_roles.get(role.name)?, by_role.remove(role.name)?)));
    order.map(|(role, columns)| Grant { command, columns, role: role.clone() }).collect()
}

/// Says whether a command's grant covers a column at all.
fn is_written(def: &TableDef, column: &ColumnDef, command: Command) -> bool {
    match command {
        Command::Select => true,
        Command::Insert => is_inserted(def, column),
        Command::Update => is_changed(def, column),
        Command::Delete => false,
    }
}

/// Says whether an INSERT may name a column at all. A key that the database makes stays out: to choose one would tell whether
/// another tenant has it.
pub(super) fn is_inserted(def: &TableDef, column: &ColumnDef) -> bool {
    let is_tenant = def.scope == ScopeDef::Tenant { column: column.name };
    is_tenant || def.owner == Some(column.name) || column.app_assigned
}

/// Says whether an UPDATE may change a column at all: what says whose row it is stays as it was.
pub(super) fn is_changed(def: &TableDef, column: &ColumnDef) -> bool {
    let of_tenant = match def.scope {
        ScopeDef::Tenant { column } | ScopeDef::Parent { column } => Some(column),
        ScopeDef::Shared { .. } | ScopeDef::Global => None,
    };
    of_tenant != Some(column.name) && def.owner != Some(column.name) && !column.id
}

pub(super) fn role(def: &TableDef, command: Command) -> Option<&'static str> {
    match command {
        Command::Select => def.select,
        Command::Insert => def.insert,
        Command::Update => def.update,
        Command::Delete => def.delete,
    }
}

pub(super) fn own_role(def: &TableDef, command: Command) -> Option<&'static str> {
    match command {
        Command::Select | Command::Insert => None,
        Command::Update => def.update_own,
        Command::Delete => def.delete_own,
    }
}

/// Says whether an INSERT need not name a column.
pub(super) fn may_be_left_out(column: &ColumnDef) -> bool {
    column.nullable || column.default.is_some()
}

fn check_commands(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) {
    let roles = || {
        Command::ALL.into_iter().flat_map(|command| {
            role(def, command).into_iter().chain(own_role(def, command)).map(move |role| (command, role))
        })
    };
    let of_columns = def.columns.iter().flat_map(|column| [column.select, column.insert, column.update]).flatten();
    let of_columns = of_columns.filter(|name| *name != NO_ROLE);
    let unknown: BTreeSet<_> = roles()
        .map(|(_, role)| role)
        .chain(of_columns)
        .filter(|name| !tenancy.application_roles.contains_key(name))
        .collect();
    for name in unknown {
        findings.error(
            place(def),
            format!("unknown role `{name}`"),
            format!("the roles of the tenancy are {}", list(tenancy.def.roles.iter().map(|role| role.name))),
        );
    }
    for (command, writer) in roles().filter(|(command, _)| *command != Command::Select) {
        // A role that is missing or unknown is a finding of its own.
        let known = |role: &&str| tenancy.application_roles.contains_key(role);
        if def.select.filter(known).is_some_and(|reader| known(&writer) && !tenancy.includes(writer, reader)) {
            findings.error(
                place(def),
                format!("`{writer}` has `{}` on `{}` but not `select`", command.attribute(), def.rust_name),
                "WHERE, RETURNING and ON CONFLICT require SELECT: name a lower role in `select`, or a higher one here",
            );
        }
        if matches!(def.scope, ScopeDef::Global | ScopeDef::Shared { .. }) {
            findings.error(
                place(def),
                format!("`{writer}` of one tenant could {} rows that other tenants see", command.attribute()),
                format!(
                    "remove `{} = …`; write such rows in a migration, or as the system role (`system(…)`)",
                    command.attribute()
                ),
            );
        }
    }
    for command in [Command::Update, Command::Delete] {
        if own_role(def, command).is_some() && def.owner.is_none() {
            findings.error(
                place(def),
                format!("`{}_own` requires an `owner` field, and `{}` has none", command.attribute(), def.rust_name),
                "add `owner = \"…\"`, the field that holds the ID of the user who created the row",
            );
        }
    }
    for column in def.columns.iter().filter(|column| column.insert.is_some() && !may_be_left_out(column)) {
        findings.error(
            field_place(def, column),
            format!("roles without `insert` on `{}` could not insert any row", column.name),
            "add `default = \"…\"`, or make the field an `Option`",
        );
    }
    for column in def.columns {
        let wider = [(column.select, def.select), (column.insert, def.insert), (column.update, def.update)];
        let named = wider.into_iter().filter_map(|(own, table)| Some((own.filter(|own| *own != NO_ROLE)?, table)));
        for (own, table) in named {
            // Who has the column without the table could not reach the row in which it stands.
            if !table.is_some_and(|table| tenancy.includes(own, table)) {
                findings.error(
                    field_place(def, column),
                    format!(
                        "`{own}` has a privilege on the column `{}` that it does not have on the table",
                        column.name
                    ),
                    match table {
                        Some(table) => format!("use `{table}`, the role of the table, or a role that includes it"),
                        None => "remove it: no role has this privilege on the table".to_owned(),
                    },
                );
            }
        }
    }
    if def.scope != ScopeDef::Global && def.select.is_none() {
        findings.error(place(def), format!("`{}` has no `select` role", def.rust_name), "add `select = \"…\"`");
    }
    debug_assert!(!id_columns(def).is_empty(), "the id was checked before");
}
