//! Rules about the system role: it crosses tenants, where tables say so and once a reason was recorded.
//!
//! There is such a role where some table names a command for it. It acts through a login of its own, so that nothing which
//! happens on the app's connections can become it. Its policies hold for a transaction that names a record of why, which
//! `begin_system_access` made; where the transaction names a tenant as well, they hold for that tenant's rows alone.

use super::{
    auth_functions::Roles,
    column_ident,
    finding::{Findings, place},
    list,
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, NO_ROLE, ScopeDef, TableDef},
        names,
        schema::{
            Check, Column, ColumnDefault, Command, Condition, ConditionKind, Expression, Function, Grant, Key, Policy,
            PolicyKind, QualifiedName, Returns, Scope, Table,
        },
    },
};

/// Judges what a table lets the system role do.
pub(super) fn check(def: &TableDef, findings: &mut Findings) {
    let unknown = def.system.iter().filter(|name| !Command::ALL.iter().any(|command| command.attribute() == **name));
    for name in unknown {
        findings.error(
            place(def),
            format!("`system({name})` names no command"),
            format!("the commands are {}", list(Command::ALL.map(Command::attribute))),
        );
    }
    let writes = Command::ALL.into_iter().skip(1).find(|command| def.allows_system(*command));
    if let Some(command) = writes.filter(|_| !def.allows_system(Command::Select)) {
        findings.error(
            place(def),
            format!("the system role may {} `{}` but not read it", command.attribute(), def.rust_name),
            "WHERE and RETURNING read: write `select` in `system(…)` as well",
        );
    }
    if let Some(command) = writes.filter(|_| def.membership.is_some()) {
        findings.error(
            place(def),
            format!("the system role could {} members past the functions that manage them", command.attribute()),
            "leave `select` alone in `system(…)`",
        );
    }
}

/// Makes sure that where the rows of a table are known by those of another, the system role reads that one as well.
pub(super) fn reads_through(def: &TableDef, other: &TableDef, findings: &mut Findings) {
    if !def.system.is_empty() && !other.allows_system(Command::Select) {
        findings.error(
            place(def),
            format!(
                "the system role may reach `{}` but not `{}`, by which one tenant's rows are known",
                def.rust_name, other.rust_name
            ),
            format!("add `system(select)` to `#[tenant(…)]` on `{}`", other.rust_name),
        );
    }
}

/// Returns the condition on the rows that the system role has access to, given the condition on those of the tenant in the
/// context.
pub(super) fn condition(of_tenant: &Expression, tenancy: &Tenancy) -> Condition {
    let tenant = Expression::in_context(tenancy.def.tenant_setting, &tenancy.key_type);
    let recorded = tenancy.function(names::IS_SYSTEM_CONTEXT).quoted();
    let sql = Expression::trusted(format!("(SELECT {recorded}()) AND ((SELECT {tenant}) IS NULL OR {of_tenant})"));
    Condition::new(ConditionKind::System, sql)
}

/// The policies and grants of the system role on a table.
pub(super) fn access(def: &TableDef, of_tenant: &Expression, tenancy: &Tenancy) -> (Vec<Policy>, Vec<Grant>) {
    let commands = || Command::ALL.into_iter().filter(|command| def.allows_system(*command));
    let policies = commands().map(|command| policy(def, command, of_tenant, tenancy));
    let grants = commands().map(|command| {
        let columns = def.columns.iter().filter(|column| is_granted(def, column, command));
        Grant {
            command,
            columns: columns.map(|column| column_ident(column.name)).collect(),
            role: tenancy.system.clone(),
        }
    });
    (policies.collect(), grants.filter(|grant| grant.command == Command::Delete || !grant.columns.is_empty()).collect())
}

fn policy(def: &TableDef, command: Command, of_tenant: &Expression, tenancy: &Tenancy) -> Policy {
    let is_global = def.scope == ScopeDef::Global;
    let condition = match is_global && command != Command::Select {
        // The rows of a global table concern all tenants, so a job within one tenant cannot write them.
        true => condition(&Expression::trusted("false"), tenancy),
        false => condition(of_tenant, tenancy),
    };
    let rows = match (is_global, command) {
        (true, Command::Select) => "all rows: they belong to no tenant",
        (true, _) => "all rows, in a context without a tenant",
        (false, _) => "rows of the tenant in the context, or of all tenants in a context without a tenant",
    };
    let comment = format!("{} may {} {rows}, after it recorded a reason.", tenancy.system, command.keyword());
    Policy::with_condition(PolicyKind::System(command), &tenancy.system, comment, &condition)
}

/// Says whether a command of the system role covers a column: what is for nobody is not for it either.
fn is_granted(def: &TableDef, column: &ColumnDef, command: Command) -> bool {
    match command {
        Command::Select => column.select != Some(NO_ROLE),
        Command::Insert => def.is_inserted(column) && column.insert != Some(NO_ROLE),
        Command::Update => def.is_changed(column) && column.update != Some(NO_ROLE),
        Command::Delete => false,
    }
}

/// Makes the functions: one that records why, and one that asks whether that was done.
pub(super) fn functions(uses: &QualifiedName, tenancy: &Tenancy, roles: &Roles<'_>) -> [(QualifiedName, Function); 2] {
    let uses = uses.quoted();
    let uuid = Expression::trusted("uuid");
    let in_context = Expression::in_context(&tenancy.def.access_setting(), &uuid);
    let acting = Function {
        comment: "Whether the setting names the record of why this login crosses tenants.".into(),
        arguments: Vec::new(),
        returns: Returns::Value(Expression::trusted("boolean")),
        stable: true,
        exact_floats: false,
        body: format!(
            "BEGIN
    -- A record of this very transaction could be rolled back together with what it is for.
    RETURN EXISTS (SELECT FROM {uses} AS u WHERE u.id = {in_context} AND u.db_user = session_user AND u.at <> now());
END"
        ),
        // Those whose floor names it as well: who may not call a function cannot even pass it by.
        execute: [vec![tenancy.system.clone()], roles.lowest.clone(), vec![roles.owner.clone()]].concat(),
    };
    let begin = Function {
        comment: "Records why somebody crosses tenants, and returns the key of the record.".into(),
        arguments: vec![(Ident::derived(["p_reason"]), Expression::trusted("text"))],
        returns: Returns::Value(uuid),
        stable: false,
        exact_floats: false,
        body: format!(
            "DECLARE
    made uuid;
BEGIN
    INSERT INTO {uses} (reason) VALUES (p_reason) RETURNING id INTO made;
    RETURN made;
END"
        ),
        execute: vec![tenancy.system.clone()],
    };
    [(tenancy.function(names::IS_SYSTEM_CONTEXT), acting), (tenancy.function(names::BEGIN_SYSTEM_ACCESS), begin)]
}

/// The table of the records. The functions add to it, and nothing changes what is there.
pub(super) fn uses(tenancy: &Tenancy) -> (QualifiedName, Table) {
    let name = QualifiedName {
        schema: Ident::derived([tenancy.def.schema]),
        table: Ident::derived([names::SYSTEM_ACCESS_LOG]),
    };
    let column = |name: &str, ty: &str, default: Option<&str>, comment: &str| Column {
        name: Ident::derived([name]),
        comment: comment.to_owned(),
        ty: Expression::trusted(ty),
        nullable: false,
        default: default.map(|text| ColumnDefault::Expression(Expression::trusted(text))),
    };
    let columns = vec![
        column(
            "id",
            "uuid",
            Some("gen_random_uuid()"),
            "The record's key, which a transaction of the system role names.",
        ),
        column("reason", "text", None, "Why, in words."),
        column("db_user", "text", Some("session_user"), "The login."),
        column("at", "timestamptz", Some("now()"), "When."),
    ];
    let grant = |command, columns: &[&str]| Grant {
        command,
        columns: columns.iter().map(|name| Ident::derived([*name])).collect(),
        role: tenancy.function_owner.clone(),
    };
    let table = Table {
        comment: "Why and when somebody crossed tenants. No role of the app reads it, and none changes it.".into(),
        scope: Scope::Global,
        columns,
        primary_key: Key {
            name: Ident::derived([names::SYSTEM_ACCESS_LOG, "pkey"]),
            columns: vec![Ident::derived(["id"])],
        },
        uniques: Vec::new(),
        checks: vec![Check {
            name: Ident::derived([names::SYSTEM_ACCESS_LOG, "reason", "check"]),
            condition: Expression::trusted("length(btrim(reason)) > 0"),
        }],
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        policies: vec![
            Policy::of_function_owner(
                Command::Select,
                &tenancy.function_owner,
                format!("The function {} looks up the record that a transaction names.", names::IS_SYSTEM_CONTEXT),
            ),
            Policy::of_function_owner(
                Command::Insert,
                &tenancy.function_owner,
                format!("The function {} adds a record.", names::BEGIN_SYSTEM_ACCESS),
            ),
        ],
        grants: vec![grant(Command::Select, &["id", "db_user", "at"]), grant(Command::Insert, &["reason"])],
        triggers: Vec::new(),
        partitions: None,
    };
    (name, table)
}
