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
    policies::{is_changed, is_inserted},
    tenancy::Tenancy,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, NO_ROLE, ScopeDef, TableDef},
        schema::{
            Check, Column, ColumnDefault, Command, Expression, Function, Grant, Key, Policy, QualifiedName, Returns,
            Scope, Table,
        },
    },
};

/// Says whether a declaration lets the system role run a command.
pub(super) fn may(def: &TableDef, command: Command) -> bool {
    def.system.contains(&command.attribute())
}

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
    let writes = Command::ALL.into_iter().skip(1).find(|command| may(def, *command));
    if let Some(command) = writes.filter(|_| !may(def, Command::Select)) {
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
    if !def.system.is_empty() && !may(other, Command::Select) {
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

fn function(tenancy: &Tenancy, name: &str) -> QualifiedName {
    QualifiedName { schema: Ident::derived([tenancy.def.schema, "auth"]), table: Ident::derived([name]) }
}

/// The rows that the system role reaches, where `base` are those of the tenant in the context.
pub(super) fn reached(base: &Expression, tenancy: &Tenancy) -> Expression {
    let org = Expression::in_context(tenancy.def.tenant_setting, &tenancy.key_type);
    let acts = function(tenancy, "is_system_context").quoted();
    Expression::trusted(format!("(SELECT {acts}()) AND ((SELECT {org}) IS NULL OR {base})"))
}

/// The policies and grants of the system role on a table.
pub(super) fn access(def: &TableDef, base: &Expression, tenancy: &Tenancy) -> (Vec<Policy>, Vec<Grant>) {
    let commands = || Command::ALL.into_iter().filter(|command| may(def, *command));
    let of_nobody = def.scope == ScopeDef::Global;
    // RowPredicates that belong to no tenant concern all of them, so who acts in one does not write them.
    let nothing = Expression::trusted("false");
    let written = reached(if of_nobody { &nothing } else { base }, tenancy);
    let policies = commands().map(|command| {
        let (reads, writes) = command.clauses();
        let condition = if command == Command::Select { reached(base, tenancy) } else { written.clone() };
        let verb = if command == Command::Select { "read" } else { command.attribute() };
        Policy {
            name: Ident::derived(["system", command.attribute()]),
            comment: format!(
                "The role {}, once it recorded why, may {verb} {}.",
                tenancy.system,
                match (of_nobody, command) {
                    (true, Command::Select) => "every row: they belong to no tenant",
                    (true, _) => "every row, where it acts in no tenant",
                    (false, Command::Insert) => "rows of the tenant in the context, or, without one, of any tenant",
                    (false, _) => "the rows of the tenant in the context, or, without one, of every tenant",
                }
            ),
            restrictive: false,
            command: Some(command),
            role: Some(tenancy.system.clone()),
            using: reads.then(|| condition.clone()),
            with_check: writes.then_some(condition),
        }
    });
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

/// Says whether a command of the system role covers a column: what is for nobody is not for it either.
fn is_granted(def: &TableDef, column: &ColumnDef, command: Command) -> bool {
    match command {
        Command::Select => column.select != Some(NO_ROLE),
        Command::Insert => is_inserted(def, column) && column.insert != Some(NO_ROLE),
        Command::Update => is_changed(def, column) && column.update != Some(NO_ROLE),
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
    [(function(tenancy, "is_system_context"), acting), (function(tenancy, "begin_system_access"), begin)]
}

/// The table of the records. The functions add to it, and nothing changes what is there.
pub(super) fn uses(tenancy: &Tenancy) -> (QualifiedName, Table) {
    let name =
        QualifiedName { schema: Ident::derived([tenancy.def.schema]), table: Ident::derived(["system_access_log"]) };
    let column = |name: &str, ty: &str, default: Option<&str>, comment: &str| Column {
        comment: comment.to_owned(),
        default: default.map(|text| ColumnDefault::Expression(Expression::trusted(text))),
        ..Column::new(Ident::derived([name]), Expression::trusted(ty))
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
    let all = |command: Command, comment: &str| {
        let (reads, writes) = command.clauses();
        let anything = || Expression::trusted("true");
        Policy {
            name: Ident::derived(["function_owner", command.attribute()]),
            comment: comment.to_owned(),
            restrictive: false,
            command: Some(command),
            role: Some(tenancy.function_owner.clone()),
            using: reads.then(anything),
            with_check: writes.then(anything),
        }
    };
    let grant = |command, columns: &[&str]| Grant {
        command,
        columns: columns.iter().map(|name| Ident::derived([*name])).collect(),
        role: tenancy.function_owner.clone(),
    };
    let table = Table {
        comment: "Why and when somebody crossed tenants. No role of the app reads it, and none changes it.".into(),
        scope: Scope::Global,
        columns,
        primary_key: Key { name: Ident::derived(["system_access_log", "pkey"]), columns: vec![Ident::derived(["id"])] },
        uniques: Vec::new(),
        checks: vec![Check {
            name: Ident::derived(["system_access_log", "reason", "check"]),
            condition: Expression::trusted("length(btrim(reason)) > 0"),
        }],
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        policies: vec![
            all(Command::Select, "The function is_system_context looks for the record that a transaction names."),
            all(Command::Insert, "The function begin_system_access adds a record."),
        ],
        grants: vec![grant(Command::Select, &["id", "db_user", "at"]), grant(Command::Insert, &["reason"])],
        triggers: Vec::new(),
        partitions: None,
    };
    (name, table)
}
