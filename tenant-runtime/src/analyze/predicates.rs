//! Rules about rows: which of them a command may touch, as conditions that policies put together.

use std::collections::BTreeSet;

use super::{
    Known, column_ident, cross_tenant,
    finding::{Finding, Findings, Severity, field_place, place},
    membership::Membership,
    policies::{is_changed, own_role, role},
    row_id,
    sql_expr::{self, Condition},
    tenancy::Tenancy,
};
use crate::{
    ident::{Ident, literal},
    model::{
        def::{ColumnDef, NO_ROLE, RuleDef, ScopeDef, SqlType, TableDef},
        schema::{Command, Expression},
    },
};

/// The label of a visibility column that lets everybody in the tenant see the row.
const TEAM: &str = "team";

/// The conditions on the rows of a table.
pub(super) struct RowPredicates {
    /// Whose rows they are: the tenant's, or, on a global table, everybody's.
    pub(super) base: Expression,
    /// What holds for every role and against every other policy.
    pub(super) floor: Option<Expression>,
    /// Which of them the user in the context sees.
    visible: Option<Expression>,
    /// Which of them are the user's own.
    pub(super) own: Option<Expression>,
    /// What attributes say besides.
    rules: Vec<(Command, bool, Expression)>,
}

impl RowPredicates {
    /// The condition on rows that are there.
    pub(super) fn using(&self, command: Command, own_only: bool) -> Expression {
        let own = self.own.iter().filter(|_| own_only);
        let conditions = [&self.base].into_iter().chain(&self.visible).chain(own).chain(self.rules(command, false));
        Expression::all(conditions.cloned())
    }

    /// The condition on rows to be.
    pub(super) fn with_check(&self, command: Command, own_only: bool) -> Expression {
        // Who inserts a row owns it; who updates one may be somebody else.
        let own = self.own.iter().filter(|_| own_only || command == Command::Insert);
        let visible = self.visible.iter().filter(|_| command != Command::Insert);
        let conditions = [&self.base].into_iter().chain(visible).chain(own).chain(self.rules(command, true));
        Expression::all(conditions.cloned())
    }

    /// Says whether members of the tenant do not see all of its rows.
    pub(super) fn are_hidden_from_some(&self) -> bool {
        self.visible.is_some()
    }

    /// Says whether whoever reads the table may see some of the tenant's rows and not others.
    pub(super) fn are_filtered(&self) -> bool {
        self.are_hidden_from_some() || self.rules(Command::Select, false).next().is_some()
    }

    fn rules(&self, command: Command, check: bool) -> impl Iterator<Item = &Expression> {
        let wanted = move |(rule, of_check, _): &&(Command, bool, Expression)| *rule == command && *of_check == check;
        self.rules.iter().filter(wanted).map(|(_, _, condition)| condition)
    }
}

/// Works out the conditions on the rows of a table.
pub(super) fn rows(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    known: &Known,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> RowPredicates {
    let base = base(def, tenant, known, membership, tenancy, findings);
    let own = owner(def, tenancy, findings);
    let visible = visible(def, own.as_ref(), findings);
    let floor = match (def.scope, membership, tenant) {
        (ScopeDef::Global, ..) => None,
        (_, Some(membership), Some(tenant)) => Some(membership.floor(&column_ident(tenant.name))),
        _ => Some(base.clone()),
    };
    let floor = floor.map(|floor| with_exceptions(def, floor, &base, membership, tenancy));
    RowPredicates { base, floor, visible, own, rules: rules(def, known, tenancy, findings) }
}

/// Adds to a floor what holds for roles that cross tenants: the functions, each of which says which rows it means, and the
/// system role.
///
/// CASE, since its branches are evaluated in their order: the floor of the membership table asks a function that reads the
/// membership table. A sub-select, so that a name is looked up once a statement and not for each row.
fn with_exceptions(
    def: &TableDef,
    floor: Expression,
    base: &Expression,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
) -> Expression {
    let branch =
        |role: &Ident, rows: &str| format!("WHEN (SELECT current_user = {}) THEN {rows} ", literal(role.as_str()));
    let mut branches = String::new();
    if def.change_log || membership.is_some_and(|membership| membership.crosses(def)) {
        branches.push_str(&branch(&tenancy.function_owner, "true"));
    }
    if !def.system.is_empty() {
        branches.push_str(&branch(&tenancy.system, cross_tenant::reached(base, tenancy).as_str()));
    }
    if branches.is_empty() { floor } else { Expression::trusted(format!("CASE {branches}ELSE {floor} END")) }
}

fn base(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    known: &Known,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Expression {
    let nothing = || Expression::trusted("false");
    let of_tenant = |column: &ColumnDef| {
        Expression::is_in_context(&column_ident(column.name), tenancy.tenant_setting, &tenancy.key_type)
    };
    match def.scope {
        ScopeDef::Tenant { .. } => tenant.map_or_else(nothing, of_tenant),
        ScopeDef::Global => Expression::trusted("true"),
        ScopeDef::Parent { column } => parent(def, column, known, tenancy, findings).unwrap_or_else(nothing),
        ScopeDef::Shared { through } => {
            let member =
                membership.filter(|membership| known.by_name.get(&through).is_some_and(|def| membership.is_table(def)));
            let (Some(member), Some(id)) = (member, row_id(def)) else {
                findings.error(
                    place(def),
                    format!("`{}` is shared through `{through}`, which is not the membership table", def.rust_name),
                    "name the struct that has `membership(…)`",
                );
                return nothing();
            };
            reads_through(def, member.def(), "its visible rows", tenancy, findings);
            cross_tenant::reads_through(def, member.def(), findings);
            let (tenant, user) = member.keys();
            // ARRAY: the members are read once per statement, not once per row.
            Expression::trusted(format!(
                "{} = ANY (ARRAY(SELECT m.{} FROM {} AS m WHERE m.{}))",
                column_ident(id.name).quoted(),
                user.quoted(),
                member.table().quoted(),
                Expression::is_in_context(tenant, tenancy.tenant_setting, &tenancy.key_type)
            ))
        }
    }
}

/// The rows whose parent is the tenant's. The parent's own policies judge it a second time.
fn parent(
    def: &TableDef,
    column: &str,
    known: &Known,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Option<Expression> {
    let found = def.columns.iter().find(|candidate| candidate.name == column);
    let target = found
        .and_then(|column| column.references)
        .and_then(|reference| known.by_qualified_name.iter().find(|(_, target)| target.name == reference.table));
    let tenant = target.and_then(|(_, target)| match target.scope {
        ScopeDef::Tenant { column } => Some(column),
        _ => None,
    });
    let (Some((name, target)), Some(tenant)) = (target, tenant) else {
        findings.error(
            place(def),
            format!(
                "`{}` gets its tenant from `{column}`, which does not reference a table with a tenant column",
                def.rust_name
            ),
            "add `references = …` to that field and name a struct with `org = \"…\"`",
        );
        return None;
    };
    if found.is_some_and(|column| column.nullable) {
        findings.error(
            place(def),
            format!("a row of `{}` with NULL in `{column}` would belong to no tenant", def.rust_name),
            "use the key type itself instead of an `Option`",
        );
    }
    reads_through(def, target, "its tenant", tenancy, findings);
    cross_tenant::reads_through(def, target, findings);
    let id = column_ident(row_id(target)?.name);
    Some(Expression::trusted(format!(
        "{} IN (SELECT parent.{} FROM {} AS parent WHERE parent.{})",
        column_ident(column).quoted(),
        id.quoted(),
        name.quoted(),
        Expression::is_in_context(&column_ident(tenant), tenancy.tenant_setting, &tenancy.key_type)
    )))
}

/// Makes sure that whoever reads a table may read the other one by which its rows are known: the policy reads the key and the
/// tenant there with the rights of whoever asks.
fn reads_through(def: &TableDef, other: &TableDef, known_by_it: &str, tenancy: &Tenancy, findings: &mut Findings) {
    let read =
        other.columns.iter().filter(|column| column.id || other.scope == ScopeDef::Tenant { column: column.name });
    let mut needed = other.select.into_iter().chain(read.filter_map(|column| column.select));
    if let Some(reader) = def.select
        && let Some(needed) = needed.find(|needed| !tenancy.includes(reader, needed))
    {
        findings.error(
            place(def),
            format!(
                "`{reader}` can read `{}` but not `{}`, which determines {known_by_it}",
                def.rust_name, other.rust_name
            ),
            format!("name `{needed}` or a role that includes it in `select`"),
        );
    }
}

fn owner(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) -> Option<Expression> {
    let name = def.owner?;
    let column = def.columns.iter().find(|column| column.name == name)?;
    if column.ty != tenancy.def.user {
        findings.error(
            field_place(def, column),
            format!(
                "the owner column `{name}` does not have the type of the tenancy's user key, {}",
                tenancy.user_type
            ),
            "give the field the type of the tenancy's user key",
        );
    }
    Some(Expression::is_in_context(&column_ident(name), tenancy.def.user_setting, &tenancy.user_type))
}

fn visible(def: &TableDef, own: Option<&Expression>, findings: &mut Findings) -> Option<Expression> {
    let name = def.visibility?;
    let column = def.columns.iter().find(|column| column.name == name)?;
    let labels = if let SqlType::Labels(labels) = column.ty { labels } else { &[] };
    if !labels.contains(&TEAM) {
        findings.error(
            field_place(def, column),
            format!("`{name}` has no label that makes a row visible to all members of the tenant"),
            format!("use an enum that derives `TenantEnum` and has a variant with the label `{TEAM}`"),
        );
    }
    let Some(own) = own else {
        findings.error(
            place(def),
            format!("`visibility` requires an `owner` field, and `{}` has none", def.rust_name),
            "add `owner = \"…\"`, the field that holds the ID of the user who created the row",
        );
        return None;
    };
    Some(Expression::trusted(format!("{} = '{TEAM}' OR {own}", column_ident(name).quoted())))
}

fn rules(
    def: &TableDef,
    known: &Known,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Vec<(Command, bool, Expression)> {
    let user = Expression::in_context(tenancy.def.user_setting, &tenancy.user_type);
    let protected = |name: &str| known_as(known, name).is_some_and(|def| def.scope != ScopeDef::Global);
    let mut rules = Vec::new();
    let mut conditions = Vec::new();
    for rule in def.rules {
        let Some(command) = Command::ALL.into_iter().find(|command| command.attribute() == rule.command) else {
            continue;
        };
        match sql_expr::rule(rule.condition, &user, &protected) {
            Ok(condition) => {
                readable(def, rule, command, &condition, known, tenancy, findings);
                rules.push((command, rule.check, condition.expression.clone()));
                conditions.push((rule, condition));
            }
            Err((error, help)) => {
                findings.error(place(def), format!("the condition {} {error}", shown(rule)), help);
            }
        }
    }
    stays_visible(def, &conditions, findings);
    rules
}

/// A condition as the attribute says it.
fn shown(rule: &RuleDef) -> String {
    let clause = if rule.check { "with_check" } else { "using" };
    format!("`{clause}({} = {:?})`", rule.command, rule.condition)
}

/// Finds a table by its name in a condition. With its schema: without, it would be whatever table the search_path of who
/// migrates comes upon.
fn known_as<'k>(known: &'k Known, name: &str) -> Option<&'k TableDef> {
    let mut tables = known.by_qualified_name.iter();
    tables.find(|(known, _)| known.to_string() == name || known.quoted() == name).map(|(_, def)| *def)
}

/// Makes sure that whoever runs a command may read what its condition asks: it asks with the rights of whoever runs it, and
/// without them the command would always fail.
fn readable(
    def: &TableDef,
    rule: &RuleDef,
    command: Command,
    condition: &Condition,
    known: &Known,
    tenancy: &Tenancy,
    findings: &mut Findings,
) {
    let is_own = |name: &str| def.columns.iter().any(|column| column.name == name);
    let of_others = |(table, column): &&(Option<String>, String)| match table {
        Some(table) => table != def.name.table,
        None => !is_own(column),
    };
    let asked: Vec<_> = condition.columns.iter().filter(of_others).map(|(_, column)| column.as_str()).collect();
    for other in condition.relations.iter().filter_map(|name| known_as(known, name)) {
        let columns = other.columns.iter().filter(|column| asked.contains(&column.name));
        let needed: BTreeSet<_> = other.select.into_iter().chain(columns.filter_map(|column| column.select)).collect();
        for runner in role(def, command).into_iter().chain(own_role(def, command)) {
            let Some(needed) = needed.iter().find(|needed| !tenancy.includes(runner, needed)) else { continue };
            findings.error(
                place(def),
                format!(
                    "the condition {} reads columns of `{}` that `{runner}` has no SELECT privilege on",
                    shown(rule),
                    other.rust_name
                ),
                match *needed {
                    NO_ROLE => "use another column: no role can read this one".to_owned(),
                    needed => format!(
                        "name `{needed}` or a role that includes it in `{}`, or use another table",
                        rule.command
                    ),
                },
            );
            break;
        }
    }
}

/// Looks for updates that hide their own row: PostgreSQL refuses those, since the row as it becomes must be one that whoever
/// updates it sees.
///
/// Where the condition asks who the user is, others still see the row, and the refusal may be what is wanted; where it does not,
/// the row would be gone for everybody. That no update shall hide a row can be said in `with_check(update = …)`.
fn stays_visible(def: &TableDef, conditions: &[(&RuleDef, Condition)], findings: &mut Findings) {
    let find =
        |command: &str, check| conditions.iter().find(|(rule, _)| rule.command == command && rule.check == check);
    let Some((rule, condition)) = find("select", false) else { return };
    let is_said = |part| find("update", true).is_some_and(|(_, said)| said.parts.contains(part));
    let Some(updater) = def.update_own.or(def.update) else { return };
    if def.membership.is_some() || condition.parts.iter().all(is_said) {
        return;
    }
    let own = |table: &Option<String>| table.as_deref().is_none_or(|table| table == def.name.table);
    let is_named = |column: &ColumnDef| condition.columns.iter().any(|(table, name)| own(table) && name == column.name);
    for column in def.columns.iter().filter(|column| is_named(column) && is_changed(def, column)) {
        let role = column.update.unwrap_or(updater);
        let finding = Finding {
            severity: if condition.asks_caller { Severity::Warning } else { Severity::Error },
            place: field_place(def, column),
            message: format!(
                "`{role}` can update `{}`, but PostgreSQL rejects an update after which the row does not satisfy {}",
                column.name,
                shown(rule)
            ),
            help: format!(
                "remove the condition and filter in the queries of the app; or, if an update is never meant to hide a row, add \
                 {:?} to `with_check(update = …)`; or write `update = \"none\"` on the field",
                rule.condition
            ),
        };
        if role != NO_ROLE {
            findings.0.push(finding);
        }
    }
}
