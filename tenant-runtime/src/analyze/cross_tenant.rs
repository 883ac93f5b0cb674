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
            format!("unknown command `{name}` in `system(…)`"),
            format!("the commands are {}", list(Command::ALL.map(Command::attribute))),
        );
    }
    let writes = Command::ALL.into_iter().skip(1).find(|command| may(def, *command));
    if let Some(command) = writes.filter(|_| !may(def, Command::Select)) {
        findings.error(
            place(def),
            format!("the system role can {} rows of `{}` but cannot read them", command.attribute(), def.rust_name),
            "add `select` to `system(…)`: WHERE and RETURNING require SELECT",
        );
    }
    if let Some(command) = writes.filter(|_| def.membership.is_some()) {
        findings.error(
            place(def),
            format!(
                "`system({})` is not allowed on a membership table, whose rows functions write",
                command.attribute()
            ),
            "keep only `select` in `system(…)`",
        );
    }
}

/// Makes sure that where the rows of a table are known by those of another, the system role reads that one as well.
pub(super) fn reads_through(def: &TableDef, other: &TableDef, findings: &mut Findings) {
    if !def.system.is_empty() && !may(other, Command::Select) {
        findings.error(
            place(def),
            format!(
                "the system role can access `{}` but not read `{}`, which determines the tenant of each row",
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
                "Allows {} to {verb} {}. Requires a recorded reason.",
                tenancy.system,
                match (of_nobody, command) {
                    (true, Command::Select) => "all rows (they belong to no tenant)",
                    (true, _) => "all rows if no tenant is set",
                    (false, Command::Insert) => "rows of the current tenant, or of any tenant if none is set",
                    (false, _) => "rows of the current tenant, or of all tenants if none is set",
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
        comment: "True if the access ID in the settings is that of a system_access_log row that this login role inserted in an earlier transaction.".into(),
        arguments: Vec::new(),
        returns: Returns::Value(Expression::trusted("boolean")),
        stable: true,
        exact_floats: false,
        body: format!(
            "BEGIN
    -- A row of the current transaction does not count: it could be rolled back together with the access that it records.
    RETURN EXISTS (SELECT FROM {uses} AS u WHERE u.id = {in_context} AND u.db_user = session_user AND u.at <> now());
END"
        ),
        // Those whose floor names it as well: who may not call a function cannot even pass it by.
        execute: [vec![tenancy.system.clone()], roles.lowest.clone(), vec![roles.owner.clone()]].concat(),
    };
    let begin = Function {
        comment: "Records the reason for cross-tenant access and returns the ID of the new system_access_log row."
            .into(),
        arguments: vec![(Ident::derived(["p_reason"]), Expression::trusted("text"))],
        returns: Returns::Value(uuid),
        stable: false,
        exact_floats: false,
        body: format!(
            "DECLARE
    access_id uuid;
BEGIN
    INSERT INTO {uses} (reason) VALUES (p_reason) RETURNING id INTO access_id;
    RETURN access_id;
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
            "Access ID. A transaction of the system role passes it in a setting.",
        ),
        column("reason", "text", None, "Reason for the access, as free text."),
        column("db_user", "text", Some("session_user"), "Login role that recorded the reason (session_user)."),
        column("at", "timestamptz", Some("now()"), "Time of the record."),
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
        comment: "Log of cross-tenant access by background jobs. Only the function begin_system_access inserts rows; application roles have no privileges on it.".into(),
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
            all(Command::Select, "Lets the function is_system_context look up an access ID."),
            all(Command::Insert, "Lets the function begin_system_access insert a row."),
        ],
        grants: vec![grant(Command::Select, &["id", "db_user", "at"]), grant(Command::Insert, &["reason"])],
        triggers: Vec::new(),
        partitions: None,
    };
    (name, table)
}
