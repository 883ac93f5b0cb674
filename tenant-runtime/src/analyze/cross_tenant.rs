//! Rules about cross-tenant jobs: the system role, its policies and functions, and the table of reasons.
//!
//! The system role exists if a table names a command in `system(…)`. It has a separate login role, so that no
//! statement on the app's connections can assume the system role. Its policies allow access to rows only in a
//! transaction that names a record with a reason, written by `begin_system_access`; if the transaction also
//! names a tenant, they allow access to that tenant's rows only.

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
            PolicyKind, QualifiedName, Returns, Scope, Table, Volatility,
        },
        sqlstate::{ACCESS_EXPIRED, REASON_TOO_SHORT},
    },
};

/// Checks the commands in `system(…)` of a table.
pub(super) fn check(def: &TableDef, findings: &mut Findings) {
    let unknown = def.system.iter().filter(|name| !Command::ALL.iter().any(|command| command.attribute() == **name));
    for name in unknown {
        findings.error(
            place(def),
            format!("unknown command `{name}` in `system(…)`"),
            format!("the commands are {}", list(Command::ALL.map(Command::attribute))),
        );
    }
    let writes = Command::ALL.into_iter().skip(1).find(|command| def.allows_system(*command));
    if let Some(command) = writes.filter(|_| !def.allows_system(Command::Select)) {
        findings.error(
            place(def),
            format!("the system role can {} rows of `{}` but cannot SELECT them", command.keyword(), def.rust_name),
            "add `select` to `system(…)`: WHERE and RETURNING require SELECT",
        );
    }
    if let Some(command) = writes.filter(|_| def.membership.is_some()) {
        findings.error(
            place(def),
            format!(
                "the system role could {} memberships without the functions that check such changes",
                command.attribute()
            ),
            "keep only `select` in `system(…)`",
        );
    }
}

/// Requires that the system role has SELECT on `other`, the table in which the tenant of a row of `def` is looked up.
pub(super) fn reads_through(def: &TableDef, other: &TableDef, findings: &mut Findings) {
    if !def.system.is_empty() && !other.allows_system(Command::Select) {
        findings.error(
            place(def),
            format!(
                "the system role has privileges on `{}` but not SELECT on `{}`, in which the policy looks up the tenant of a row",
                def.rust_name, other.rust_name
            ),
            format!("add `system(select)` to `#[tenant(…)]` on `{}`", other.rust_name),
        );
    }
}

/// Returns the condition for the rows that the system role can access, given the condition for the rows of the tenant
/// in the context.
pub(super) fn condition(of_tenant: &Expression, tenancy: &Tenancy) -> Condition {
    let tenant = Expression::in_context(tenancy.def.tenant_setting, &tenancy.key_type);
    let recorded = tenancy.function(names::IS_SYSTEM_CONTEXT).quoted();
    let sql = Expression::trusted(format!("(SELECT {recorded}()) AND ((SELECT {tenant}) IS NULL OR {of_tenant})"));
    Condition::new(ConditionKind::System, sql)
}

/// Returns the policies and grants of the system role on a table.
pub(super) fn access(
    def: &TableDef,
    of_tenant: &Expression,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> (Vec<Policy>, Vec<Grant>) {
    let commands = || Command::ALL.into_iter().filter(|command| def.allows_system(*command));
    let policies = commands().map(|command| policy(def, command, of_tenant, tenancy)).collect();
    let mut grants = Vec::new();
    for command in commands() {
        let columns = def.columns.iter().filter(|column| is_granted(def, column, command));
        let columns: Vec<_> = columns.map(|column| column_ident(column.name)).collect();
        if command != Command::Delete && columns.is_empty() {
            let (name, keyword) = (command.attribute(), command.keyword());
            findings.warning(
                place(def),
                format!(
                    "`system({name})` on `{}` grants nothing: {keyword} can use none of its columns",
                    def.rust_name
                ),
                format!("remove `{name}` from `system(…)`, or add a field"),
            );
            continue;
        }
        grants.push(Grant { command, columns, role: tenancy.system.clone() });
    }
    (policies, grants)
}

fn policy(def: &TableDef, command: Command, of_tenant: &Expression, tenancy: &Tenancy) -> Policy {
    let is_global = def.scope == ScopeDef::Global;
    let condition = match is_global && command != Command::Select {
        // The rows of a global table concern all tenants, so a job within one tenant cannot write them.
        true => condition(&Expression::trusted("false"), tenancy),
        false => condition(of_tenant, tenancy),
    };
    let rows = match (is_global, command) {
        (true, Command::Select) => "all rows (they belong to no tenant)",
        (true, _) => "all rows if no tenant is set",
        (false, _) => "rows of the current tenant, or of all tenants if no tenant is set",
    };
    let comment = format!("Allows {} to {} {rows}. Requires a recorded reason.", tenancy.system, command.keyword());
    Policy::with_condition(PolicyKind::System(command), &tenancy.system, comment, &condition)
}

/// Returns whether the system role's grant of a command includes a column. A column with the role
/// `none` is denied to the system role too.
fn is_granted(def: &TableDef, column: &ColumnDef, command: Command) -> bool {
    match command {
        Command::Select => column.select != Some(NO_ROLE),
        Command::Insert => def.is_inserted_by_system(column) && column.insert != Some(NO_ROLE),
        Command::Update => def.is_changed(column) && column.update != Some(NO_ROLE),
        Command::Delete => false,
    }
}

/// Creates the functions: one records a reason, one checks that the transaction names such a record, and one deletes old
/// records.
pub(super) fn functions(log: &QualifiedName, tenancy: &Tenancy, roles: &Roles<'_>) -> [(QualifiedName, Function); 3] {
    [
        (tenancy.function(names::IS_SYSTEM_CONTEXT), is_system_context(log, tenancy, roles)),
        (tenancy.function(names::BEGIN_SYSTEM_ACCESS), begin_system_access(log, tenancy)),
        (tenancy.function(names::DELETE_SYSTEM_ACCESS), delete_system_access(log, tenancy, roles)),
    ]
}

fn is_system_context(log: &QualifiedName, tenancy: &Tenancy, roles: &Roles<'_>) -> Function {
    let in_context = Expression::in_context(&tenancy.def.access_setting(), &Expression::trusted("uuid"));
    let timeout = tenancy.def.system_access.timeout;
    Function {
        comment: format!(
            "Returns true if the access ID in the context belongs to a row of system_access_log that the current login role inserted in \
             an earlier transaction. Raises an error if the row is older than {timeout} seconds."
        ),
        arguments: Vec::new(),
        returns: Returns::Value(Expression::trusted("boolean")),
        volatility: Volatility::Stable,
        exact_floats: false,
        extension_schemas: Vec::new(),
        body: format!(
            "DECLARE
    recorded timestamptz;
BEGIN
    -- A row of the current transaction does not count: it could be rolled back together with the access that it records.
    SELECT u.at INTO recorded FROM {log} AS u WHERE u.id = {in_context} AND u.db_user = session_user AND u.at <> now();
    -- An error, because a job that silently saw no rows from now on would seem to have processed all of them.
    IF recorded <= statement_timestamp() - interval '{timeout} seconds' THEN
        RAISE EXCEPTION 'the reason for cross-tenant access was recorded more than {timeout} seconds ago: record a new one' USING ERRCODE = '{ACCESS_EXPIRED}';
    END IF;
    RETURN recorded IS NOT NULL;
END",
            log = log.quoted()
        ),
        // The application roles need EXECUTE as well, because their restrictive policies name the function: PostgreSQL
        // checks EXECUTE even for a CASE branch that is not evaluated.
        execute: [vec![tenancy.system.clone()], roles.lowest.clone(), vec![roles.owner.clone()]].concat(),
    }
}

fn begin_system_access(log: &QualifiedName, tenancy: &Tenancy) -> Function {
    let length = tenancy.def.system_access.reason_length;
    Function {
        comment: format!(
            "Records the reason for cross-tenant access and returns the ID of the new system_access_log row. The reason must have at \
             least {length} characters."
        ),
        arguments: vec![(Ident::derived(["p_reason"]), Expression::trusted("text"))],
        returns: Returns::Value(Expression::trusted("uuid")),
        volatility: Volatility::Volatile,
        exact_floats: false,
        extension_schemas: Vec::new(),
        body: format!(
            "DECLARE
    access_id uuid;
BEGIN
    IF (char_length(btrim(p_reason, E' \\t\\n\\x0B\\f\\r')) >= {length}) IS NOT TRUE THEN
        RAISE EXCEPTION 'a reason for cross-tenant access must have at least {length} characters' USING ERRCODE = '{REASON_TOO_SHORT}', DETAIL = '{length}';
    END IF;
    INSERT INTO {log} (reason) VALUES (p_reason) RETURNING id INTO access_id;
    RETURN access_id;
END",
            log = log.quoted()
        ),
        execute: vec![tenancy.system.clone()],
    }
}

/// Returns the function with which an administrator, as the schema owner, deletes old records. No login of the app or of
/// the jobs can assume that role.
fn delete_system_access(log: &QualifiedName, tenancy: &Tenancy, roles: &Roles<'_>) -> Function {
    let days = tenancy.def.system_access.retention_days;
    Function {
        comment: format!(
            "Deletes the rows of system_access_log that are older than an interval of at least {days} days, and returns their number. For \
             administrators, as {}.",
            roles.owner
        ),
        arguments: vec![(Ident::derived(["p_older_than"]), Expression::trusted("interval"))],
        returns: Returns::Value(Expression::trusted("bigint")),
        volatility: Volatility::Volatile,
        exact_floats: false,
        extension_schemas: Vec::new(),
        body: format!(
            "DECLARE
    before constant timestamptz := now() - p_older_than;
    deleted bigint;
BEGIN
    IF (before <= now() - interval '{days} days') IS NOT TRUE THEN
        RAISE EXCEPTION 'records of cross-tenant access are kept for at least {days} days' USING ERRCODE = 'invalid_parameter_value';
    END IF;
    DELETE FROM {log} AS u WHERE u.at < before;
    GET DIAGNOSTICS deleted = ROW_COUNT;
    RETURN deleted;
END",
            log = log.quoted()
        ),
        execute: vec![roles.owner.clone()],
    }
}

/// Creates the table of reasons. A function inserts its rows, and no role of the app can update or delete them; an
/// administrator can delete old rows with another function.
pub(super) fn access_log(tenancy: &Tenancy) -> (QualifiedName, Table) {
    let name = QualifiedName {
        schema: Ident::derived([tenancy.def.schema]),
        table: Ident::derived([names::SYSTEM_ACCESS_LOG]),
    };
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
            "Access ID, which each transaction of the system role sets in its context.",
        ),
        column("reason", "text", None, "Reason for the access, as free text."),
        column("db_user", "text", Some("session_user"), "Login role that recorded the reason (session_user)."),
        column("at", "timestamptz", Some("now()"), "Time at which the reason was recorded."),
    ];
    let grant = |command, columns: &[&str]| Grant {
        command,
        columns: columns.iter().map(|name| Ident::derived([*name])).collect(),
        role: tenancy.function_owner.clone(),
    };
    let table = Table {
        comment: format!(
            "Log of cross-tenant access by background jobs. Only the function {} inserts rows, and only the function {}, for \
             administrators, deletes them; application roles have no privileges on it.",
            names::BEGIN_SYSTEM_ACCESS,
            names::DELETE_SYSTEM_ACCESS
        ),
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
            labels: None,
        }],
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        policies: vec![
            Policy::of_function_owner(
                Command::Select,
                &tenancy.function_owner,
                format!(
                    "Lets the functions {} and {} look up rows.",
                    names::IS_SYSTEM_CONTEXT,
                    names::DELETE_SYSTEM_ACCESS
                ),
            ),
            Policy::of_function_owner(
                Command::Insert,
                &tenancy.function_owner,
                format!("Lets the function {} insert a row.", names::BEGIN_SYSTEM_ACCESS),
            ),
            Policy::of_function_owner(
                Command::Delete,
                &tenancy.function_owner,
                format!("Lets the function {} delete old rows.", names::DELETE_SYSTEM_ACCESS),
            ),
        ],
        grants: vec![
            grant(Command::Select, &["id", "db_user", "at"]),
            grant(Command::Insert, &["reason"]),
            grant(Command::Delete, &[]),
        ],
        triggers: Vec::new(),
        partitions: None,
    };
    (name, table)
}
