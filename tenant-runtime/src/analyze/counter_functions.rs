//! The tables, triggers and functions of columns that number the rows of each tenant.
//!
//! A counter has a table with the last number of each tenant. A BEFORE INSERT trigger adds one to it, in the transaction of the
//! INSERT, so a rollback gives the number back. Each counter has its own table, so that a rename, a new counter and a dropped one
//! are changes of a table, and a migration of one counter does not block the others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Known, column_ident,
    counter::{counters, table_name},
    finding::{Findings, field_place},
    key::key_name,
    membership::Membership,
    policies, signed_conditions,
    tenancy::Tenancy,
};
use crate::{
    ident::{Ident, literal},
    model::{
        def::{ColumnDef, TableDef},
        names::{self, COUNTER_LAST as LAST, COUNTER_TENANT as TENANT_ID},
        schema::{
            Column, Command, Expression, Function, Grant, Key, Policy, QualifiedName, Returns, Scope, Table, Trigger,
            TriggerKind, Volatility,
        },
    },
};

/// Returns the name of the function that takes a number. It includes the table's schema, unless that is the tenancy's.
fn function_name(def: &TableDef, column: &ColumnDef, tenancy: &Tenancy) -> QualifiedName {
    let schema = Some(def.name.schema).filter(|schema| *schema != tenancy.def.schema);
    let parts = [names::NEXT].into_iter().chain(schema).chain([def.name.table, column.name]);
    tenancy.function(Ident::derived(parts).as_str())
}

/// Creates the triggers of a table that number its rows.
pub(super) fn triggers(def: &TableDef, tenancy: &Tenancy) -> Vec<Trigger> {
    let trigger = |column: &ColumnDef| Trigger {
        name: Ident::derived([names::NEXT, column.name]),
        function: function_name(def, column, tenancy),
        kind: TriggerKind::BeforeInsert,
    };
    counters(def).map(trigger).collect()
}

/// Adds the functions of these triggers, and the tables with the last numbers.
pub(super) fn add(
    functions: &mut BTreeMap<QualifiedName, Function>,
    tables: &mut BTreeMap<QualifiedName, Table>,
    known: &Known,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
    owner: &Ident,
    findings: &mut Findings,
) {
    let mut counters_so_far = BTreeSet::new();
    for (of, def) in &known.by_qualified_name {
        // A counter without a tenant column has been reported.
        let Some(tenant) = def.tenant_column().map(column_ident) else { continue };
        for column in counters(def) {
            let (table, name) = (table_name(def, column), function_name(def, column, tenancy));
            let taken = if functions.contains_key(&name) { Some(&name) } else { None };
            if let Some(taken) =
                taken.or_else(|| Some(&table).filter(|table| !counters_so_far.insert((*table).clone())))
            {
                findings.error(
                    field_place(def, column),
                    format!("two counters would use the name `{taken}`"),
                    "set another name on one of the columns, `#[tenant(column = \"…\")]`, or on one of the tables",
                );
                continue;
            }
            let function = function(def, column, &tenant, &table, membership, tenancy, owner);
            let counter = counter_table(of, column, &table, membership, tenancy);
            functions.insert(name, function);
            known.add_generated(tables, table, counter, "to number rows", findings);
        }
    }
}

/// Creates the function that takes the next number of the row's tenant.
fn function(
    def: &TableDef,
    column: &ColumnDef,
    tenant: &Ident,
    counter: &QualifiedName,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
    owner: &Ident,
) -> Function {
    let (new_tenant, number) = (format!("NEW.{}", tenant.quoted()), column_ident(column.name).quoted().to_string());
    let is_allowed = is_allowed(def, &new_tenant, membership, tenancy);
    let (counter, owner_name) = (counter.quoted(), literal(owner.as_str()));
    let body = format!(
        "BEGIN
    -- BEFORE triggers run before the policies are checked: a row of another tenant must neither advance nor lock that tenant's
    -- counter.
    IF ({is_allowed}) IS NOT TRUE THEN
        -- Administrators, to whom the policies do not apply, insert rows of any tenant.
        PERFORM FROM pg_roles AS r
            WHERE r.rolname = CASE current_setting('role') WHEN 'none' THEN session_user ELSE current_setting('role') END
              AND (r.rolbypassrls OR pg_has_role(r.oid, {owner_name}, 'USAGE'));
        IF NOT FOUND THEN
            RAISE EXCEPTION 'new row violates row-level security policy for table \"%\": it does not belong to the current tenant', TG_TABLE_NAME
                USING ERRCODE = 'insufficient_privilege', SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME;
        END IF;
    END IF;
    INSERT INTO {counter} AS c ({TENANT_ID}, {LAST}) VALUES ({new_tenant}, 1)
        ON CONFLICT ({TENANT_ID}) DO UPDATE SET {LAST} = c.{LAST} + 1
        RETURNING c.{LAST} INTO NEW.{number};
    RETURN NEW;
END"
    );
    Function {
        comment: format!(
            "Trigger function: sets {number} of a new row to the next number of its tenant. Later inserts for the tenant wait until the \
             transaction ends."
        ),
        arguments: Vec::new(),
        returns: Returns::Trigger,
        volatility: Volatility::Volatile,
        exact_floats: false,
        extension_schemas: Vec::new(),
        body,
        execute: vec![owner.clone()],
    }
}

/// Returns the condition that the caller can insert rows of the row's tenant: that of the restrictive policy, which is checked
/// later.
///
/// It passes the role of the transaction, because a plan of this function would keep the role for which it was made.
fn is_allowed(def: &TableDef, new_tenant: &str, membership: Option<&Membership>, tenancy: &Tenancy) -> String {
    let in_context = Expression::in_context(tenancy.def.tenant_setting, &tenancy.key_type);
    let role = if tenancy.def.signed_context { signed_conditions::CURRENT_ROLE } else { "" };
    let call = |name: &str| format!("{}({role})", tenancy.function(name).quoted());
    let current = match (membership, tenancy.def.signed_context) {
        (Some(_), _) => call(names::AUTHORIZED_TENANT_ID),
        (None, true) => call(names::CONTEXT_TENANT_ID),
        (None, false) => in_context.to_string(),
    };
    if !def.allows_system(Command::Insert) {
        return format!("{new_tenant} = {current}");
    }
    let (system, recorded) = (literal(tenancy.system.as_str()), tenancy.function(names::IS_SYSTEM_CONTEXT).quoted());
    format!(
        "CASE {} WHEN {system} THEN {recorded}() AND ({in_context} IS NULL OR {new_tenant} = {in_context}) ELSE {new_tenant} = {current} END",
        signed_conditions::CURRENT_ROLE
    )
}

/// Creates the table with the last number of each tenant. Only the function owner has privileges on it.
fn counter_table(
    of: &QualifiedName,
    column: &ColumnDef,
    name: &QualifiedName,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
) -> Table {
    let own = |name: &str, ty: &Expression, comment: &str| Column {
        comment: comment.to_owned(),
        ..Column::new(column_ident(name), ty.clone())
    };
    let columns = vec![
        own(TENANT_ID, &tenancy.key_type, "Tenant whose rows are numbered."),
        own(LAST, &Expression::trusted("bigint"), "Last number that a row of the tenant got."),
    ];
    let owner = &tenancy.function_owner;
    let policy = |command: Command| {
        let comment = format!("Lets the trigger function of the counter {} rows.", command.keyword());
        Policy::of_function_owner(command, owner, comment)
    };
    let grant = |command: Command, columns: &[&str]| Grant {
        command,
        columns: columns.iter().map(|name| column_ident(name)).collect(),
        role: owner.clone(),
    };
    let commands = [Command::Select, Command::Insert, Command::Update];
    Table {
        comment: format!(
            "Last number of each tenant in the column {} of {of}. Only the trigger function of the counter uses the table.",
            column.name
        ),
        scope: Scope::Tenant(column_ident(TENANT_ID)),
        columns,
        primary_key: Key { name: key_name(name.table.as_str(), [], "pkey"), columns: vec![column_ident(TENANT_ID)] },
        uniques: Vec::new(),
        checks: Vec::new(),
        foreign_keys: Vec::new(),
        indexes: Vec::new(),
        policies: [policies::isolation_except_function_owner(&column_ident(TENANT_ID), membership, tenancy)]
            .into_iter()
            .chain(commands.map(policy))
            .collect(),
        grants: vec![
            grant(Command::Select, &[TENANT_ID, LAST]),
            grant(Command::Insert, &[TENANT_ID, LAST]),
            grant(Command::Update, &[LAST]),
        ],
        triggers: Vec::new(),
        partitions: None,
    }
}
