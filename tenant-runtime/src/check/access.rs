//! Rules about access: which role may do what becomes policies and grants.

use std::collections::BTreeSet;

use super::{
    column_ident,
    finding::{Findings, place},
    id_columns, list,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, ScopeDef, TableDef},
        schema::{Command, Expression, Grant, Policy},
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
    tenant: Option<&ColumnDef>,
    id: &ColumnDef,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Access {
    check_commands(def, tenancy, findings);
    let predicate = tenant.map_or_else(
        || Expression::trusted("true"),
        |tenant| Expression::tenant_is(&column_ident(tenant.name), tenancy.org_setting, &tenancy.key_type),
    );
    let mut access = Access { policies: Vec::new(), grants: Vec::new() };
    if let Some(tenant) = tenant {
        access.policies.push(Policy {
            name: Ident::derived(["tenant_floor"]),
            comment: format!(
                "Whoever asks and whatever other policies allow: only rows whose {} is the tenant in the context.",
                tenant.name
            ),
            restrictive: true,
            command: None,
            role: None,
            using: Some(predicate.clone()),
            with_check: Some(predicate.clone()),
        });
    }
    for command in Command::ALL {
        let Some((declared, role)) = role(def, command).and_then(|name| Some((name, tenancy.tiers.get(name)?))) else {
            continue;
        };
        let columns = granted_columns(def, tenant, id, command);
        if columns.is_empty() && command != Command::Delete {
            findings.error(
                place(def),
                format!("`{declared}` may {0} `{1}`, which has no column to {0}", command.attribute(), def.rust_name),
                format!("leave out `{} = \"{declared}\"`, or add a field", command.attribute()),
            );
        }
        access.policies.push(policy(command, role, declared, &predicate, tenant.is_some()));
        access.grants.push(Grant { command, columns, role: role.clone() });
    }
    access
}

fn policy(command: Command, role: &Ident, declared: &str, predicate: &Expression, of_tenant: bool) -> Policy {
    let (reads, writes) = match command {
        Command::Select | Command::Delete => (true, false),
        Command::Insert => (false, true),
        Command::Update => (true, true),
    };
    let verb = match command {
        Command::Select => "read",
        Command::Insert => "insert",
        Command::Update => "update",
        Command::Delete => "delete",
    };
    let rows = match (of_tenant, command) {
        (true, Command::Insert) => "rows of the tenant in the context",
        (true, Command::Update) => "the rows of the tenant in the context, and move none to another tenant",
        (true, _) => "the rows of the tenant in the context",
        (false, _) => "every row: they belong to no tenant",
    };
    Policy {
        name: Ident::derived([command.attribute(), "rows"]),
        comment: format!("The role {declared}, and every role that includes it, may {verb} {rows}."),
        restrictive: false,
        command: Some(command),
        role: Some(role.clone()),
        using: reads.then(|| predicate.clone()),
        with_check: writes.then(|| predicate.clone()),
    }
}

/// Returns the columns that a command's grant lists: explicit ones, so that a later column is granted to nobody.
fn granted_columns(def: &TableDef, tenant: Option<&ColumnDef>, id: &ColumnDef, command: Command) -> Vec<Ident> {
    let is_tenant = |column: &ColumnDef| tenant.is_some_and(|tenant| tenant.name == column.name);
    let granted = |column: &&ColumnDef| match command {
        Command::Select => true,
        // A key that the database makes stays out: to choose one would tell whether another tenant has it.
        Command::Insert => is_tenant(column) || column.supplied,
        Command::Update => !is_tenant(column) && !column.id && column.name != id.name,
        Command::Delete => false,
    };
    def.columns.iter().filter(granted).map(|column| column_ident(column.name)).collect()
}

fn role(def: &TableDef, command: Command) -> Option<&'static str> {
    match command {
        Command::Select => def.select,
        Command::Insert => def.insert,
        Command::Update => def.update,
        Command::Delete => def.delete,
    }
}

fn check_commands(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) {
    let unknown: BTreeSet<_> = Command::ALL
        .into_iter()
        .filter_map(|command| role(def, command))
        .filter(|name| !tenancy.tiers.contains_key(name))
        .collect();
    for name in unknown {
        findings.error(
            place(def),
            format!("the tenancy has no role `{name}`"),
            format!("its roles are {}", list(tenancy.def.roles.iter().map(|role| role.name))),
        );
    }
    let writers = Command::ALL.into_iter().filter(|command| *command != Command::Select);
    for (command, writer) in writers.filter_map(|command| Some((command, role(def, command)?))) {
        let reads = match (def.select, tenancy.below.get(writer)) {
            (Some(reader), Some(below)) if tenancy.tiers.contains_key(reader) => below.contains(&reader),
            // A role that is missing or unknown is a finding of its own.
            _ => true,
        };
        if !reads {
            findings.error(
                place(def),
                format!("`{writer}` may {} `{}` but not read it", command.attribute(), def.rust_name),
                "WHERE, RETURNING and ON CONFLICT read: name a lower role in `select`, or a higher one here",
            );
        }
        if def.scope == ScopeDef::Global {
            findings.error(
                place(def),
                format!("`{writer}` of one tenant could {} rows that all tenants see", command.attribute()),
                format!(
                    "leave out `{} = …` on a global table, whose rows the administrator writes who applies the migrations",
                    command.attribute()
                ),
            );
        }
    }
    if def.scope != ScopeDef::Global && def.select.is_none() {
        findings.error(place(def), format!("nobody may read `{}`", def.rust_name), "add `select = \"…\"`");
    }
    debug_assert!(!id_columns(def).is_empty(), "the id was checked before");
}
