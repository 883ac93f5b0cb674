//! Rules about access: each command's role becomes a policy.

use std::collections::BTreeSet;

use super::{
    change_log::ChangeLog,
    cross_tenant,
    exceptions::with_exceptions,
    finding::{Findings, field_place, place},
    grants::grants,
    id_columns, list,
    membership::Membership,
    predicates::RowPredicates,
    signed_conditions, soft_delete,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{NO_ROLE, ScopeDef, TableDef},
        schema::{Command, Condition, ConditionKind, Expression, Grant, Policy, PolicyKind},
    },
};

/// The policies and grants of a table.
pub(super) struct Access {
    pub(super) policies: Vec<Policy>,
    pub(super) grants: Vec<Grant>,
}

/// Derives the policies and grants of a table from its roles.
pub(super) fn access(
    def: &TableDef,
    rows: &RowPredicates,
    membership: Option<&Membership>,
    log: Option<&ChangeLog>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Access {
    check_commands(def, tenancy, findings);
    let mut access = Access {
        policies: tenant_isolation(rows).into_iter().chain(signed_context(rows)).collect(),
        grants: Vec::new(),
    };
    soft_delete::check(def, tenancy, findings);
    let is_membership_table = membership.is_some_and(|membership| membership.is_table(def));
    let is_kept = |command| command == Command::Delete && def.soft_delete.is_some();
    for command in Command::ALL.into_iter().filter(|command| !is_by_function(def, is_membership_table, *command)) {
        if is_kept(command) {
            soft_delete::access(def, rows, tenancy, &mut access.policies, &mut access.grants);
            continue;
        }
        let any = def.role(command).map(|role| (role, false));
        for (declared, own_only) in any.into_iter().chain(def.own_role(command).map(|role| (role, true))) {
            let Some(role) = tenancy.application_roles.get(declared) else { continue };
            access.policies.push(policy(command, own_only, role, declared, rows, def.scope));
            let grants = grants(def, command, declared, tenancy, findings);
            access.grants.extend(grants.into_iter().filter(|grant| !access.grants.contains(grant)).collect::<Vec<_>>());
        }
    }
    if let Some(membership) = membership.filter(|membership| membership.is_used_by_functions(def)) {
        let (policies, grants) = membership.function_owner_access(def, tenancy);
        access.policies.extend(policies);
        access.grants.extend(grants);
    }
    if let Some(log) = log.filter(|log| log.is_table(def)) {
        let (policy, grant) = log.function_owner_access(&tenancy.function_owner);
        access.policies.push(policy);
        access.grants.push(grant);
    }
    cross_tenant::check(def, findings);
    let (policies, grants) = cross_tenant::access(def, &rows.tenant.sql, tenancy, findings);
    access.policies.extend(policies);
    access.grants.extend(grants);
    access
}

/// Returns whether a command is run by functions and granted to no role: functions change members
/// and create invitations, and a grant would bypass their checks.
pub(super) fn is_by_function(def: &TableDef, is_membership_table: bool, command: Command) -> bool {
    match command {
        Command::Select => false,
        Command::Insert | Command::Update => is_membership_table || def.invitation.is_some(),
        Command::Delete => is_membership_table,
    }
}

fn tenant_isolation(rows: &RowPredicates) -> Option<Policy> {
    let condition = rows.restrictive.as_ref()?;
    let except = match rows.exceptions.join("; ") {
        roles if roles.is_empty() => String::new(),
        roles => format!(" Exceptions: {roles}."),
    };
    let comment = format!("Limits every role to rows of the current tenant, whatever other policies allow.{except}");
    Some(restrictive(PolicyKind::TenantIsolation, comment, condition))
}

/// Returns the restrictive policy of a table that only functions use.
pub(super) fn isolation_except_function_owner(
    tenant: &Ident,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
) -> Policy {
    let condition = match membership {
        Some(membership) => membership.condition(tenant, tenancy),
        None => {
            let sql = signed_conditions::is_of_tenant(tenant, false, tenancy);
            Condition::new(ConditionKind::Tenant, sql)
        }
    };
    let condition = with_exceptions(condition, &[(&tenancy.function_owner, Expression::trusted("true"))]);
    let comment = format!(
        "Limits every role to rows of the current tenant, whatever other policies allow. Exceptions: {}, whose functions check the \
         caller.",
        tenancy.function_owner
    );
    restrictive(PolicyKind::TenantIsolation, comment, &condition)
}

fn signed_context(rows: &RowPredicates) -> Option<Policy> {
    let comment = "Requires a signed context, whatever other policies allow.".to_owned();
    Some(restrictive(PolicyKind::SignedContext, comment, rows.signed.as_ref()?))
}

/// Creates a policy that limits every role and every command.
fn restrictive(kind: PolicyKind, comment: String, condition: &Condition) -> Policy {
    Policy {
        name: kind.policy_name(""),
        comment,
        kind,
        role: None,
        using: vec![condition.clone()],
        with_check: vec![condition.clone()],
    }
}

fn policy(command: Command, own: bool, role: &Ident, declared: &str, rows: &RowPredicates, scope: ScopeDef) -> Policy {
    let (reads, writes) = command.clauses();
    let which = match (scope, own, command) {
        (ScopeDef::Global, ..) => "all rows (they belong to no tenant)",
        (ScopeDef::Shared { .. }, ..) => "the rows of the current tenant's members",
        (_, true, _) => "rows that the user owns, in the current tenant",
        (_, false, Command::Insert) if rows.have_owner() => "rows that the user owns, in the current tenant",
        (_, false, Command::Update) => "rows of the current tenant, but not to move them to another tenant",
        (_, false, _) => "rows of the current tenant",
    };
    let visible = if rows.have_visibility() && command != Command::Insert {
        ". Limited to rows that are visible to the user"
    } else {
        ""
    };
    let parents = if rows.have_hidden_parents() { ". Limited to rows whose parent is visible to the user" } else { "" };
    let kind = PolicyKind::Command { command, own };
    Policy {
        name: kind.policy_name(declared),
        comment: format!(
            "Allows {declared} and the roles that include it to {} {which}{parents}{visible}.",
            command.keyword()
        ),
        kind,
        role: Some(role.clone()),
        using: if reads { rows.using(command, own) } else { Vec::new() },
        with_check: if writes { rows.with_check(command, own) } else { Vec::new() },
    }
}

fn check_commands(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) {
    let roles = || {
        Command::ALL.into_iter().flat_map(|command| {
            def.role(command).into_iter().chain(def.own_role(command)).map(move |role| (command, role))
        })
    };
    let of_columns = def.columns.iter().flat_map(|column| [column.select, column.insert, column.update]).flatten();
    let of_columns = of_columns.filter(|name| *name != NO_ROLE);
    let unknown: BTreeSet<_> = roles()
        .map(|(_, role)| role)
        .chain(of_columns)
        .chain(def.soft_delete.into_iter().flat_map(|soft| [soft.restore, soft.purge]).flatten())
        .filter(|name| !tenancy.application_roles.contains_key(name))
        .collect();
    for name in unknown {
        findings.error(
            place(def),
            format!("the tenancy has no role `{name}`"),
            format!("its roles are {}", list(tenancy.def.roles.iter().map(|role| role.name))),
        );
    }
    for (command, writer) in roles().filter(|(command, _)| *command != Command::Select) {
        // A missing or unknown role is reported separately.
        let known = |role: &&str| tenancy.application_roles.contains_key(role);
        if def.select.filter(known).is_some_and(|reader| known(&writer) && !tenancy.includes(writer, reader)) {
            findings.error(
                place(def),
                format!("`{writer}` has {} on `{}` but not SELECT", command.keyword(), def.rust_name),
                format!(
                    "WHERE, RETURNING and ON CONFLICT require SELECT: set `select` to a role that `{writer}` includes, or set `{}` \
                     to a role that includes the `select` role",
                    command.attribute()
                ),
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
        if def.own_role(command).is_some() && def.owner.is_none() {
            findings.error(
                place(def),
                format!("`{}_own` requires an `owner` field, and `{}` has none", command.attribute(), def.rust_name),
                "add `owner = \"…\"`, the field that holds the ID of the user who created the row",
            );
        }
    }
    check_column_roles(def, tenancy, findings);
    if def.scope != ScopeDef::Global && def.select.is_none() {
        findings.error(place(def), format!("`{}` has no `select` role", def.rust_name), "add `select = \"…\"`");
    }
    debug_assert!(!id_columns(def).is_empty(), "the id was checked before");
}

/// Checks the roles of columns: each must include the role of the table for the same command.
fn check_column_roles(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) {
    for column in def.columns.iter().filter(|column| column.insert.is_some() && !column.may_be_left_out()) {
        findings.error(
            field_place(def, column),
            format!(
                "roles without INSERT on `{0}` could not insert a row: `{0}` is NOT NULL and has no default",
                column.name
            ),
            "add `default = \"…\"`, or make the field an `Option`",
        );
    }
    for column in def.columns {
        let wider = [
            (Command::Select, column.select, def.select),
            (Command::Insert, column.insert, def.insert),
            (Command::Update, column.update, def.update),
        ];
        let named = wider
            .into_iter()
            .filter_map(|(command, own, table)| Some((command, own.filter(|own| *own != NO_ROLE)?, table)));
        for (command, own, table) in named {
            // A role with a privilege on the column but not on the table could not access any row.
            if !table.is_some_and(|table| tenancy.includes(own, table)) {
                findings.error(
                    field_place(def, column),
                    format!("`{own}` has {} on the column `{}` but not on the table", command.keyword(), column.name),
                    match table {
                        Some(table) => format!(
                            "use `{table}`, the table's `{}` role, or a role that includes it",
                            command.attribute()
                        ),
                        None => format!(
                            "remove `{} = …` from the field: no role has this privilege on the table",
                            command.attribute()
                        ),
                    },
                );
            }
        }
    }
}
