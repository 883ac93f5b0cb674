//! Row predicates: the conditions on rows from which a table's policies are built.

use std::collections::BTreeSet;

use super::{
    Known, column_ident, computed_column, cross_tenant,
    deletion_time::{self, DeletionTime},
    exceptions::{exceptions, with_exceptions},
    finding::{Finding, Findings, Severity, field_place, place},
    membership::Membership,
    policy_condition::{self, Condition as Rule},
    row_id, signed_conditions,
    tenancy::Tenancy,
    unqualified_names,
};
use crate::{
    ident::Ident,
    model::{
        def::{ColumnDef, NO_ROLE, RuleDef, ScopeDef, TableDef, TableName},
        schema::{Command, Condition, ConditionKind, Expression},
    },
};

/// The label of a visibility column that shows the row to all members of the tenant.
const TEAM: &str = "team";

/// The conditions on the rows of a table.
pub(super) struct RowPredicates {
    /// The condition for the rows of the tenant in the context; for a global table, for all rows.
    pub(super) tenant: Condition,
    /// The condition of the restrictive policy; `None` for a global table.
    pub(super) restrictive: Option<Condition>,
    /// The roles for which the restrictive policy has another condition.
    pub(super) exceptions: Vec<String>,
    /// The condition that the context is signed; `None` if the restrictive policy checks it, or if contexts are not signed.
    pub(super) signed: Option<Condition>,
    /// The condition for the rows whose parent the user in the context sees; `None` if all roles see all parents.
    parent: Option<Condition>,
    /// The condition for the rows that the user in the context sees.
    visibility: Option<Condition>,
    /// The condition for the rows that the user in the context owns.
    owner: Option<Condition>,
    /// The conditions on the time of the deletion, if a deletion keeps the row.
    pub(super) deletion_time: Option<DeletionTime>,
    /// The conditions in attributes, each with its command and with whether it applies to new rows
    /// rather than to existing rows.
    custom: Vec<(Command, bool, Condition)>,
}

impl RowPredicates {
    /// Returns the conditions on existing rows.
    pub(super) fn using(&self, command: Command, own_only: bool) -> Vec<Condition> {
        let kept = self.deletion_time.iter().filter_map(|kept| kept.using(command));
        self.existing(own_only).chain(self.custom(command, false)).chain(kept).cloned().collect()
    }

    /// Returns the conditions on the rows that the user sees, or owns.
    pub(super) fn existing(&self, own_only: bool) -> impl Iterator<Item = &Condition> {
        let owner = self.owner.iter().filter(move |_| own_only);
        [&self.tenant].into_iter().chain(&self.parent).chain(&self.visibility).chain(owner)
    }

    /// Returns the conditions on new rows.
    pub(super) fn with_check(&self, command: Command, own_only: bool) -> Vec<Condition> {
        // The user who inserts a row becomes its owner; other users can be allowed to update it.
        let owner = self.owner.iter().filter(|_| own_only || command == Command::Insert);
        let visibility = self.visibility.iter().filter(|_| command != Command::Insert);
        let conditions = [&self.tenant].into_iter().chain(&self.parent).chain(visibility).chain(owner);
        let kept = self.deletion_time.iter().filter_map(|kept| kept.with_check(command));
        conditions.chain(self.custom(command, true)).chain(kept).cloned().collect()
    }

    /// Returns whether the table has a visibility column, so that a member might not see all rows of the tenant.
    pub(super) fn have_visibility(&self) -> bool {
        self.visibility.is_some()
    }

    /// Returns whether a member might not see the parents of all rows of the tenant.
    pub(super) fn have_hidden_parents(&self) -> bool {
        self.parent.is_some()
    }

    /// Returns whether the table has an owner column, in which a new row has to name the user.
    pub(super) fn have_owner(&self) -> bool {
        self.owner.is_some()
    }

    /// Returns whether a role with SELECT might see only some of the tenant's rows.
    pub(super) fn are_filtered(&self) -> bool {
        self.have_visibility() || self.have_hidden_parents() || self.custom(Command::Select, false).next().is_some()
    }

    /// Returns the conditions in attributes for a command, on existing or on new rows.
    pub(super) fn custom(&self, command: Command, check: bool) -> impl Iterator<Item = &Condition> {
        let matching = move |(of, of_check, _): &&(Command, bool, Condition)| *of == command && *of_check == check;
        self.custom.iter().filter(matching).map(|(_, _, condition)| condition)
    }
}

/// Derives the conditions on the rows of a table.
pub(super) fn rows(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    known: &Known,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> RowPredicates {
    let of_tenant = of_tenant(def, tenant, known, membership, tenancy, findings);
    let parent = visible_parent(def, known, tenancy, findings);
    let owner = owner(def, tenancy, findings);
    let visibility = visibility(def, owner.as_ref(), findings);
    let restrictive = match (def.scope, membership, tenant) {
        (ScopeDef::Global, ..) => None,
        (_, Some(membership), Some(tenant)) => Some(membership.condition(&column_ident(tenant.name), tenancy)),
        _ => Some(of_tenant.clone()),
    };
    let exceptions = exceptions(def, &of_tenant, membership, tenancy);
    let signed = signed_conditions::condition(restrictive.as_ref(), tenancy).map(|condition| {
        let except = exceptions.iter().filter(|(role, _)| **role == tenancy.function_owner);
        with_exceptions(condition, &except.cloned().collect::<Vec<_>>())
    });
    let restrictive = restrictive.map(|condition| with_exceptions(condition, &exceptions));
    let describe = |role: &Ident| match *role == tenancy.function_owner {
        true => format!("{role}, whose functions check the caller"),
        false => format!("{role}, whose jobs record a reason"),
    };
    let exceptions = exceptions.into_iter().map(|(role, _)| describe(role)).collect();
    let custom = custom(def, known, tenancy, findings);
    let deletion_time = deletion_time::conditions(def, tenancy);
    RowPredicates {
        tenant: of_tenant,
        restrictive,
        exceptions,
        signed,
        parent,
        visibility,
        owner,
        deletion_time,
        custom,
    }
}

/// Derives the condition for the rows of the tenant in the context.
fn of_tenant(
    def: &TableDef,
    tenant: Option<&ColumnDef>,
    known: &Known,
    membership: Option<&Membership>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Condition {
    // A missing tenant column has been reported as a finding, so no schema is generated.
    let no_rows = || Expression::trusted("false");
    match def.scope {
        ScopeDef::Tenant { .. } | ScopeDef::Parent { .. } => Condition::new(
            ConditionKind::Tenant,
            tenant.map_or_else(no_rows, |column| {
                signed_conditions::is_of_tenant(&column_ident(column.name), membership.is_some(), tenancy)
            }),
        ),
        ScopeDef::Global => Condition::new(ConditionKind::All, Expression::trusted("true")),
        ScopeDef::Shared { through } => {
            let member =
                membership.filter(|membership| known.table(through).is_some_and(|def| membership.is_table(def)));
            let sql = shared(def, through, member, tenancy, findings).unwrap_or_else(no_rows);
            Condition::new(ConditionKind::Shared, sql)
        }
    }
}

/// Derives the condition for the rows of the tenant's members.
fn shared(
    def: &TableDef,
    through: TableName,
    member: Option<&Membership>,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Option<Expression> {
    let Some(member) = member else {
        findings.error(
            place(def),
            format!("`visible_through` on `{}` names `{through}`, which is not the membership table", def.rust_name),
            "in `visible_through`, name the struct that has the `membership(…)` attribute",
        );
        return None;
    };
    // A key of several columns is a finding of its own.
    let id = row_id(def)?;
    reads_through(def, member.def(), "in which the policy looks up which rows are visible", tenancy, findings);
    cross_tenant::reads_through(def, member.def(), findings);
    let (tenant, user) = member.keys();
    // With ARRAY, the members are read once per statement, not once per row.
    Some(Expression::trusted(format!(
        "{} = ANY (ARRAY(SELECT m.{} FROM {} AS m WHERE m.{}))",
        column_ident(id.name).quoted(),
        user.quoted(),
        member.table().quoted(),
        Expression::is_in_context(tenant, tenancy.tenant_setting, &tenancy.key_type)
    )))
}

/// Derives the condition that the user sees the row's parent; `None` if each user who can read the table sees the parents of
/// all its rows: the foreign key keeps the tenant of a row equal to that of its parent.
///
/// EXISTS names the parent's key, so that PostgreSQL looks up each row's parent in the index. Without OFFSET, the planner would
/// rather read all visible parents of the tenant into a hash table if the table has many rows, even for a LIMIT of a few rows. The
/// parent table's policies apply to the sub-query as well.
fn visible_parent(def: &TableDef, known: &Known, tenancy: &Tenancy, findings: &mut Findings) -> Option<Condition> {
    let column = def.parent_column()?;
    let (parent_name, parent) = known.referenced(column.references?)?;
    reads_through(def, parent, "whose rows are the parents of its rows", tenancy, findings);
    if !known.filters_rows(parent) {
        return None;
    }
    let (own_name, _) = known.by_name.get(&def.name)?;
    let same = [(parent.tenant_column()?, def.tenant_column()?), (row_id(parent)?.name, column.name)];
    let same = same.map(|(theirs, ours)| {
        let [theirs, ours] = [theirs, ours].map(|name| column_ident(name).quoted().to_string());
        format!("parent.{theirs} = {}.{ours}", own_name.quoted())
    });
    let sql = format!("EXISTS (SELECT FROM {} AS parent WHERE {} OFFSET 0)", parent_name.quoted(), same.join(" AND "));
    Some(Condition::new(ConditionKind::ParentTenant, Expression::trusted(sql)))
}

impl Known {
    /// Returns whether the SELECT policy of a table can hide rows of the tenant from a user.
    pub(super) fn filters_rows(&self, def: &TableDef) -> bool {
        let mut table = Some(def);
        // Each table comes at most once, also if the declarations of parents form a cycle.
        for _ in 0..self.by_name.len() {
            let Some(def) = table else { return false };
            let has_condition = |rule: &RuleDef| rule.command == Command::Select.attribute() && !rule.check;
            if def.visibility.is_some() || def.soft_delete.is_some() || def.rules.iter().any(has_condition) {
                return true;
            }
            let reference = def.parent_column().and_then(|column| column.references);
            table = reference.and_then(|reference| self.table(reference.table));
        }
        false
    }
}

/// Requires that a role with SELECT on a table also has SELECT on `other`, in which the tenant is looked up:
/// the policy reads the key and the tenant in `other` with the privileges of the current role.
fn reads_through(def: &TableDef, other: &TableDef, relation: &str, tenancy: &Tenancy, findings: &mut Findings) {
    let read = other.columns.iter().filter(|column| column.id || other.is_tenant_column(column));
    let mut needed = other.select.into_iter().chain(read.filter_map(|column| column.select));
    if let Some(reader) = def.select
        && let Some(needed) = needed.find(|needed| !tenancy.includes(reader, needed))
    {
        findings.error(
            place(def),
            format!("`{reader}` has SELECT on `{}` but not on `{}`, {relation}", def.rust_name, other.rust_name),
            format!("set `select` on `{}` to `{needed}` or a role that includes it", def.rust_name),
        );
    }
}

fn owner(def: &TableDef, tenancy: &Tenancy, findings: &mut Findings) -> Option<Condition> {
    let name = def.owner?;
    let column = def.columns.iter().find(|column| column.name == name)?;
    if column.ty != tenancy.def.user {
        findings.error(
            field_place(def, column),
            format!(
                "the owner column `{name}` does not have the type of the tenancy's user key, {}",
                tenancy.user_type
            ),
            "use the type of the tenancy's user key for the field",
        );
    }
    let sql =
        Expression::trusted(format!("{} = (SELECT {})", column_ident(name).quoted(), signed_conditions::user(tenancy)));
    Some(Condition::new(ConditionKind::Owner, sql))
}

fn visibility(def: &TableDef, owner: Option<&Condition>, findings: &mut Findings) -> Option<Condition> {
    let name = def.visibility?;
    let column = def.columns.iter().find(|column| column.name == name)?;
    let labels = column.ty.labels().map_or(&[][..], |labels| labels.labels);
    if !labels.contains(&TEAM) {
        findings.error(
            field_place(def, column),
            format!(
                "the visibility column `{name}` has no label `{TEAM}`, which shows a row to all members of the tenant"
            ),
            format!("use an enum that derives `TenantEnum` and has a variant with the label `{TEAM}`"),
        );
    }
    let Some(owner) = owner else {
        findings.error(
            place(def),
            format!("`visibility` requires an `owner` field, and `{}` has none", def.rust_name),
            "add `owner = \"…\"`, the field that holds the ID of the user who created the row",
        );
        return None;
    };
    let sql = Expression::trusted(format!("{} = '{TEAM}' OR {}", column_ident(name).quoted(), owner.sql));
    Some(Condition::new(ConditionKind::Visibility, sql))
}

fn custom(
    def: &TableDef,
    known: &Known,
    tenancy: &Tenancy,
    findings: &mut Findings,
) -> Vec<(Command, bool, Condition)> {
    let user = signed_conditions::user(tenancy);
    let protected = |name: &str| known.in_text(name).is_some_and(|def| def.scope != ScopeDef::Global);
    let mut custom = Vec::new();
    let mut conditions = Vec::new();
    for rule in def.rules {
        let Some(command) = Command::ALL.into_iter().find(|command| command.attribute() == rule.command) else {
            continue;
        };
        match policy_condition::rule(rule.condition, &user, &protected) {
            Ok(condition) => {
                readable(def, rule, command, &condition, known, tenancy, findings);
                let unqualified = unqualified_names::in_expression(&condition.tree);
                let attribute = if rule.check { "with_check" } else { "using" };
                unqualified_names::check(attribute, rule.condition, unqualified, &place(def), findings);
                custom.push((command, rule.check, Condition::new(ConditionKind::Custom, condition.expression.clone())));
                conditions.push((rule, condition));
            }
            Err((error, help)) => {
                findings.error(place(def), format!("the condition {} {error}", shown(rule)), help);
            }
        }
    }
    stays_visible(def, &conditions, findings);
    custom
}

/// Returns a condition as written in the attribute.
pub(super) fn shown(rule: &RuleDef) -> String {
    let clause = if rule.check { "with_check" } else { "using" };
    format!("`{clause}({} = {:?})`", rule.command, rule.condition)
}

/// Requires that a role with a command can read the columns that the condition reads: the condition runs with
/// the privileges of that role, so without SELECT on these columns the command would always fail.
fn readable(
    def: &TableDef,
    rule: &RuleDef,
    command: Command,
    condition: &Rule,
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
    for other in condition.relations.iter().filter_map(|name| known.in_text(name)) {
        let columns = other.columns.iter().filter(|column| asked.contains(&column.name));
        let needed: BTreeSet<_> = other.select.into_iter().chain(columns.filter_map(|column| column.select)).collect();
        for runner in def.role(command).into_iter().chain(def.own_role(command)) {
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
                        "set `{}` to `{needed}` or a role that includes it, or read another table",
                        rule.command
                    ),
                },
            );
            break;
        }
    }
}

/// Finds updates that would hide the updated row: PostgreSQL rejects them, because the SELECT policies apply to the new
/// row as well.
///
/// If the condition depends on the user, other users still see the row and the rejection can be
/// intended, so the finding is a warning. Otherwise no user would see the row, so the finding is an
/// error. `with_check(update = …)` declares that no update can hide a row.
fn stays_visible(def: &TableDef, conditions: &[(&RuleDef, Rule)], findings: &mut Findings) {
    let find =
        |command: &str, check| conditions.iter().find(|(rule, _)| rule.command == command && rule.check == check);
    let Some((rule, condition)) = find("select", false) else { return };
    let is_checked = |part| find("update", true).is_some_and(|(_, check)| check.parts.contains(part));
    let Some(updater) = def.update_own.or(def.update) else { return };
    if def.membership.is_some() || condition.parts.iter().all(is_checked) {
        return;
    }
    let own = |table: &Option<String>| table.as_deref().is_none_or(|table| table == def.name.table);
    let is_read = |name: &str| condition.columns.iter().any(|(table, column)| own(table) && column == name);
    // An update changes the generated columns that read the changed column.
    let is_named = |column: &ColumnDef| {
        let is_computed_from = |other: &ColumnDef| is_read(other.name) && computed_column::reads(other, column);
        is_read(column.name) || def.columns.iter().any(is_computed_from)
    };
    for column in def.columns.iter().filter(|column| is_named(column) && def.is_changed(column)) {
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
                "remove the condition and filter in the app's queries; or, if no update is meant to hide a row from the user who \
                 runs it, add {:?} to `with_check(update = …)`; or add `update = \"none\"` to the field",
                rule.condition
            ),
        };
        if role != NO_ROLE {
            findings.0.push(finding);
        }
    }
}
