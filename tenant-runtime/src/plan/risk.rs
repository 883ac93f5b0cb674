//! The risk of each step for existing rows, for running versions of the app, and for access to rows.

use std::fmt;

use super::{
    Action, Counter, Fill, Plan,
    labels::shown,
    type_change::{TypeChange, type_change},
};
use crate::{
    diff::{Change, SchemaObject},
    ident::{Ident, literal},
    model::{
        column_property::ColumnProperty,
        migration_hints::MembershipColumns,
        schema::{Column, ColumnDefault, ConditionKind, IndexKind, QualifiedName},
    },
};

/// The risk of a step. A step without an [`Advisory`] is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// No data is lost, and no warning applies.
    Safe,
    /// Other sessions are blocked, the step or a running app can fail, or access changes.
    Warning,
    /// Data is lost and cannot be restored.
    Destructive,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Safe => "safe",
            Self::Warning => "warning",
            Self::Destructive => "destructive",
        })
    }
}

/// The risk of a step, to be read before the migration is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// The risk.
    pub risk: Risk,
    /// A stable code, such as `TM101`.
    pub code: &'static str,
    /// The risk, as one sentence.
    pub text: String,
}

impl fmt::Display for Advisory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.risk, self.code, self.text)
    }
}

/// Returns the risk of a step of a plan, if it is not safe.
pub(super) fn advisory(plan: &Plan, action: &Action) -> Option<Advisory> {
    let (risk, code, text) = match action {
        Action::Drop(SchemaObject::Table { name, .. }) if plan.last_numbers.contains(name) => return None,
        Action::Drop(item @ SchemaObject::Table { .. }) => {
            let item = plan.under_own_name(item);
            (Risk::Destructive, "TM101", format!("drops {item} and all its rows."))
        }
        Action::Add(SchemaObject::Column { table, column }) | Action::Drop(SchemaObject::Column { table, column })
            if plan.from_parents.contains(&(table.clone(), column.name.clone())) =>
        {
            return None;
        }
        Action::Drop(item @ SchemaObject::Column { column, .. }) if column.generated().is_some() => {
            if plan.makes_again(item) {
                return None;
            }
            (Risk::Warning, "TM205", format!("drops {item}; running app versions that still use it will fail."))
        }
        Action::Drop(item @ SchemaObject::Column { .. }) => {
            let item = plan.under_own_name(item);
            (Risk::Destructive, "TM102", format!("drops {item} and its values."))
        }
        Action::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: item @ SchemaObject::Column { column, .. },
        } => {
            return column_advisory(plan, item, before, column);
        }
        Action::Alter {
            before: SchemaObject::Enum { ty: before, .. },
            after: item @ SchemaObject::Enum { ty, .. },
        } if before.labels.len() == ty.labels.len() && before.labels != ty.labels => (
            Risk::Warning,
            "TM209",
            format!("renames labels of the {item}; running app versions do not know the new labels."),
        ),
        Action::Add(SchemaObject::Table { name, .. }) => (Risk::Warning, "TM210", plan.no_members(name)?),
        Action::Rename { before: SchemaObject::Table { name, .. }, .. } if plan.last_numbers.contains(name) => {
            return None;
        }
        Action::Rename { before: before @ (SchemaObject::Table { .. } | SchemaObject::Column { .. }), .. } => {
            if !plan.renames(before) {
                return None;
            }
            (Risk::Warning, "TM205", format!("running app versions that still use {before} will fail."))
        }
        Action::Backfill { table, column, with: Fill::TenantOfParent(key), .. } => {
            let text = format!(
                "writes `{}` in every row of `{table}`; blocks reads and writes of the table and of `{}` until the migration commits.",
                column.name, key.target
            );
            (Risk::Warning, "TM204", text)
        }
        Action::Backfill { table, column, with: Fill::Nulls(_), .. } => {
            let text = format!(
                "writes `{0}` in every row of `{table}` where `{0}` is NULL; blocks reads and writes of the table meanwhile.",
                column.name
            );
            (Risk::Warning, "TM204", text)
        }
        Action::Count { counter: Counter { table, column, .. }, now: true } => {
            let text = format!(
                "numbers every row of `{table}` in which `{column}` is NULL, for each tenant in the order of the key; blocks reads and \
                 writes of the table until the migration commits."
            );
            (Risk::Warning, "TM204", text)
        }
        Action::Relabel { table, column, labels, .. } if !labels.is_empty() => {
            let text = format!(
                "changes `{column}` in existing rows of `{table}` from {}; blocks reads and writes of the table until the \
                 migration commits, and running app versions do not know the new labels.",
                shown(labels)
            );
            (Risk::Warning, "TM209", text)
        }
        Action::Add(
            SchemaObject::Column { .. }
            | SchemaObject::Key { .. }
            | SchemaObject::Index { .. }
            | SchemaObject::ForeignKey { .. }
            | SchemaObject::Check { .. },
        )
        | Action::Build(_)
        | Action::Validate(_) => {
            let (code, text) = lock_or_failure(plan, action)?;
            (Risk::Warning, code, text)
        }
        _ => {
            let (code, text) = access_change(plan, action)?;
            (Risk::Warning, code, text)
        }
    };
    Some(Advisory { risk, code, text })
}

/// Describes steps that block other sessions or that can fail on existing rows.
fn lock_or_failure(plan: &Plan, action: &Action) -> Option<(&'static str, String)> {
    Some(match action {
        Action::Add(item @ SchemaObject::Column { column, .. }) if rewrites(column) => {
            let blocks = "blocks reads and writes of the table while the rows are rewritten";
            let failure = match (column.generated(), column.nullable) {
                (None, _) => "",
                (Some(_), true) => "; fails if the expression fails for a row",
                (Some(_), false) => "; fails if the expression fails or is NULL for a row",
            };
            ("TM201", format!("adds {item} and writes it in every row; {blocks}{failure}."))
        }
        Action::Add(item @ SchemaObject::Index { index, .. }) if index.kind == IndexKind::Exclusion => (
            "TM202",
            format!("blocks reads and writes of the table while the {item} is built; fails if two rows conflict."),
        ),
        Action::Add(item) if is_unique(item) => {
            ("TM202", format!("blocks writes while the {item} is built; fails if duplicate values exist."))
        }
        Action::Add(item @ (SchemaObject::Index { .. } | SchemaObject::ForeignKey { .. })) if plan.adds(item) => {
            ("TM202", format!("blocks writes to the table while the {item} is created."))
        }
        Action::Build(item) if is_unique(item) => {
            ("TM203", format!("building the {item} fails if duplicate values exist."))
        }
        // The list of labels only grew, so no row can violate the check; otherwise it is validated when it is added.
        Action::Validate(SchemaObject::Check { check, .. }) if check.labels.is_some() => return None,
        Action::Add(item @ SchemaObject::Check { table, check }) if plan.adds(item) && !plan.redefines(item) => {
            let values = check.labels.as_ref().map(|labels| {
                let (column, table) = (labels.column.quoted(), table.quoted());
                let list = labels.labels.iter().map(|label| literal(label)).collect::<Vec<_>>().join(", ");
                let others = match labels.array {
                    true => format!("NOT {column} <@ ARRAY[{list}]"),
                    false => format!("{column} NOT IN ({list})"),
                };
                format!(
                    "; to list other values, run SELECT {column}, count(*) FROM {table} WHERE {others} GROUP BY 1 as \
                     a role that bypasses RLS"
                )
            });
            let values = values.unwrap_or_default();
            (
                "TM203",
                format!("fails if a row violates the {item}{values}. Blocks reads and writes of the table meanwhile."),
            )
        }
        Action::Validate(item @ SchemaObject::Check { .. }) if plan.adds(item) => {
            ("TM203", format!("fails if a row violates the {item}."))
        }
        Action::Validate(item @ SchemaObject::ForeignKey { .. }) if plan.adds(item) => {
            ("TM203", format!("fails if a row violates the {item}."))
        }
        _ => return None,
    })
}

/// Returns whether an object makes values unique.
fn is_unique(item: &SchemaObject) -> bool {
    match item {
        SchemaObject::Key { .. } => true,
        SchemaObject::Index { index, .. } => matches!(index.kind, IndexKind::Unique { .. }),
        _ => false,
    }
}

/// Describes steps that change the privileges of roles or the rows that roles can read or write.
fn access_change(plan: &Plan, action: &Action) -> Option<(&'static str, String)> {
    use SchemaObject::{Execute, Grant, Membership, Policy, Role};
    let (code, change) = match action {
        Action::Drop(item @ (Grant { .. } | Execute { .. } | Membership(_)))
            if plan.drops(item) && !plan.is_consequence(item) =>
        {
            ("TM206", Change::Drop(item.clone()))
        }
        Action::Drop(item @ Role { .. }) if !plan.is_first => ("TM206", Change::Drop(item.clone())),
        Action::Add(item @ (Grant { .. } | Execute { .. } | Membership(_)))
            if !plan.is_first && plan.adds(item) && !plan.is_consequence(item) =>
        {
            ("TM207", Change::Add(item.clone()))
        }
        Action::Add(item @ Policy { .. }) if plan.adds(item) => ("TM208", Change::Add(item.clone())),
        // Here the policy is dropped and re-created.
        Action::Add(item @ Policy { .. }) if plan.changes_to(item) => {
            ("TM208", Change::Alter { before: item.clone(), after: item.clone() })
        }
        Action::Drop(item @ Policy { .. }) if plan.drops(item) => ("TM208", Change::Drop(item.clone())),
        Action::Alter { before: before @ Policy { .. }, after: item @ Policy { .. } }
            if restricts_differently(before, item) =>
        {
            ("TM208", Change::Alter { before: before.clone(), after: item.clone() })
        }
        _ => return None,
    };
    let text = change.to_string();
    // A change is described verb first, in the imperative.
    let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
    let effect = match (code, action) {
        ("TM208", Action::Alter { before, after }) if no_longer_hides(before, after) => {
            ", which no longer hides deleted rows: all roles with SELECT see them again".to_owned()
        }
        ("TM208", _) => ", which controls the rows that roles can read or write".to_owned(),
        (_, Action::Drop(Role { role, .. })) => plan.who_has(&role.name),
        (_, Action::Drop(Membership(membership))) => plan.who_has(&membership.member),
        _ => String::new(),
    };
    Some((code, format!("{verb}s {rest}{effect}.")))
}

/// Returns whether two versions of a policy differ in more than their comments.
fn restricts_differently(before: &SchemaObject, after: &SchemaObject) -> bool {
    match (before, after) {
        (SchemaObject::Policy { policy: before, .. }, SchemaObject::Policy { policy: after, .. }) => {
            !before.is_equivalent(after)
        }
        _ => true,
    }
}

impl Plan {
    /// Describes the effect of a new membership table in a database with tenants: no user is a member yet.
    fn no_members(&self, name: &QualifiedName) -> Option<String> {
        let MembershipColumns { table, tenant, user, role, .. } =
            self.membership.as_ref().filter(|_| !self.is_first)?;
        (table == name).then(|| {
            format!(
                "no user is a member until `{table}` has rows, so no role sees any row of a tenant; before the app uses this \
                 version, insert the members as a role that bypasses RLS or in a hand-written migration: INSERT INTO {} ({}, {}, \
                 {}) SELECT …;",
                table.quoted(),
                tenant.quoted(),
                user.quoted(),
                role.quoted()
            )
        })
    }

    /// Returns the statement that lists the members who have a role, as the end of a sentence.
    fn who_has(&self, role: &Ident) -> String {
        let of = |membership: &MembershipColumns| {
            let label = role.as_str().strip_prefix(&membership.role_prefix)?;
            let table = self.existing.contains(&membership.table).then(|| membership.table.quoted())?;
            let MembershipColumns { tenant, user, role, .. } = membership;
            let new_label = self.steps.iter().find_map(|step| match &step.action {
                Action::Relabel { table, column, labels, .. } if *table == membership.table && column == role => {
                    labels.get(label)
                }
                _ => None,
            });
            if let Some(new) = new_label {
                return Some(format!("; its members get the role `{new}`"));
            }
            let (tenant, user, role) = (tenant.quoted(), user.quoted(), role.quoted());
            Some(format!(
                "; to list the members with this role, run SELECT {tenant}, {user} FROM {table} WHERE {role} = {} as a role that \
                 bypasses RLS",
                literal(label)
            ))
        };
        self.membership.as_ref().and_then(of).unwrap_or_default()
    }
}

/// Returns whether adding a column rewrites the table. For a default that is constant during the
/// migration, such as the current time, PostgreSQL instead stores one value in the catalog.
fn rewrites(column: &Column) -> bool {
    match &column.default {
        None | Some(ColumnDefault::Counter(_)) => false,
        Some(ColumnDefault::Identity | ColumnDefault::Generated(_)) => true,
        Some(ColumnDefault::Expression(text)) => {
            let text = text.as_str().to_lowercase();
            text.contains('(') && !matches!(text.as_str(), "now()" | "transaction_timestamp()")
        }
    }
}

/// Describes the effect of switching statistics of a column on or off.
fn statistics_advisory(item: &SchemaObject, column: &Column) -> String {
    match (column.sensitive, item) {
        (true, SchemaObject::Column { table, .. }) => format!(
            "removes the statistics of {item}, so plans no longer depend on its values; blocks reads and writes of the table while \
             rows are read for its check constraints. Fails if a hand-written view, rule or trigger uses the column: drop it before \
             and re-create it afterwards, or remove the statement with TYPE and run this one as a superuser: DELETE FROM pg_statistic \
             USING pg_attribute WHERE attrelid = starelid AND attnum = staattnum AND attname = {} AND {}::regclass IN (attrelid, \
             (SELECT inhparent FROM pg_inherits WHERE inhrelid = attrelid));",
            literal(column.name.as_str()),
            literal(&table.quoted())
        ),
        _ => format!(
            "lets ANALYZE collect statistics of {item}: from then on, every role that can select the column can learn values of \
             other tenants from the estimates in query plans."
        ),
    }
}

/// Returns the risk of changing a column's type or setting NOT NULL; other properties are safe to change.
fn column_advisory(plan: &Plan, item: &SchemaObject, before: &Column, after: &Column) -> Option<Advisory> {
    if before.nullable && !after.nullable {
        let text = format!(
            "fails if the {item} is NULL in a row; blocks reads and writes of the table while the rows are read."
        );
        return Some(Advisory { risk: Risk::Warning, code: "TM203", text });
    }
    match (before.generated(), after.generated()) {
        (None, Some(_)) => {
            let text = format!("drops {item} and its values, and adds it as a generated column.");
            return Some(Advisory { risk: Risk::Destructive, code: "TM102", text });
        }
        (Some(_), None) => return None,
        _ => {}
    }
    if ColumnProperty::Sensitive.differs(before, after) {
        return Some(Advisory { risk: Risk::Warning, code: "TM212", text: statistics_advisory(item, after) });
    }
    if !ColumnProperty::Type.differs(before, after) {
        return None;
    }
    let change = format!("changes {item} from `{}` to `{}`", before.sql_type(), after.sql_type());
    let effect = type_change(before.ty.as_str(), after.ty.as_str(), &plan.enums);
    if before.collation != after.collation && effect == TypeChange::InPlace {
        let text = format!(
            "{change}; blocks reads and writes while its indexes are rebuilt, and fails if values of a unique constraint are equal in \
             the new collation."
        );
        return Some(Advisory { risk: Risk::Warning, code: "TM201", text });
    }
    let blocks = "blocks reads and writes while the table is rewritten";
    let (risk, code, text) = match effect {
        TypeChange::InPlace => {
            let text = format!("{change}; statements that a running app has prepared on the column can fail once.");
            (Risk::Warning, "TM211", text)
        }
        TypeChange::Rewrite => (Risk::Warning, "TM201", format!("{change}; {blocks}.")),
        TypeChange::MayFail => {
            (Risk::Warning, "TM201", format!("{change}; {blocks}, and fails if a value cannot be converted."))
        }
        TypeChange::Lossy | TypeChange::Unsupported => {
            (Risk::Destructive, "TM103", format!("{change}; values may be rounded, truncated or changed."))
        }
    };
    Some(Advisory { risk, code, text })
}

/// Returns whether a policy for reading rows hid deleted rows before a change, and shows them after it.
fn no_longer_hides(before: &SchemaObject, after: &SchemaObject) -> bool {
    let hides = |item: &SchemaObject| match item {
        SchemaObject::Policy { policy, .. } => {
            policy.using.iter().any(|condition| condition.kind == ConditionKind::NotDeletedBefore)
        }
        _ => false,
    };
    hides(before) && !hides(after)
}
