//! The risk of each step for existing rows, for running versions of the app, and for access to rows.

use std::fmt;

use super::{
    Action, Plan,
    type_change::{TypeChange, type_change},
};
use crate::{
    diff::{Change, KeyKind, Membership, SchemaObject},
    ident::Ident,
    model::{
        column_property::ColumnProperty,
        schema::{Column, ColumnDefault},
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
        Action::Drop(item @ SchemaObject::Table { .. }) => {
            (Risk::Destructive, "TM101", format!("drops {item} and all its rows."))
        }
        Action::Drop(item @ SchemaObject::Column { .. }) => {
            (Risk::Destructive, "TM102", format!("drops {item} and its values."))
        }
        Action::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: item @ SchemaObject::Column { column, .. },
        } => {
            return type_change_advisory(item, before, column);
        }
        Action::Rename { before: before @ (SchemaObject::Table { .. } | SchemaObject::Column { .. }), .. } => {
            (Risk::Warning, "TM205", format!("running app versions that still use {before} will fail."))
        }
        Action::Backfill { table, column, .. } => {
            let text = format!("writes `{}` in every row of `{table}` where it is NULL.", column.name);
            (Risk::Warning, "TM204", text)
        }
        Action::Add(SchemaObject::Column { .. } | SchemaObject::Key { .. } | SchemaObject::ForeignKey { .. })
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
            ("TM201", format!("adds {item} to every row; blocks reads and writes of the table meanwhile."))
        }
        Action::Add(item @ SchemaObject::Key { kind: KeyKind::Primary | KeyKind::Unique, .. }) => {
            ("TM202", format!("blocks writes while the {item} is built; fails if duplicate values exist."))
        }
        Action::Add(item @ (SchemaObject::Key { .. } | SchemaObject::ForeignKey { .. })) if plan.adds(item) => {
            ("TM202", format!("blocks writes to the table while the {item} is created."))
        }
        Action::Build(item @ SchemaObject::Key { kind: KeyKind::Unique, .. }) => {
            ("TM203", format!("building the {item} fails if duplicate values exist."))
        }
        Action::Validate(item @ SchemaObject::Check { .. }) if plan.adds(item) => {
            ("TM203", format!("fails if a row violates the {item}."))
        }
        Action::Validate(SchemaObject::Check { table, check }) if check.condition.as_str().ends_with("IS NOT NULL") => {
            let condition = check.condition.as_str().replace("IS NOT NULL", "is NULL");
            ("TM203", format!("fails if {condition} in a row of `{table}`."))
        }
        Action::Validate(item @ SchemaObject::ForeignKey { .. }) if plan.adds(item) => {
            ("TM203", format!("fails if a row violates the {item}."))
        }
        _ => return None,
    })
}

/// Describes steps that change the privileges of roles or the rows that roles can read or write.
fn access_change(plan: &Plan, action: &Action) -> Option<(&'static str, String)> {
    use SchemaObject::{Execute, Grant, Membership, Policy, Role};
    let (code, change) = match action {
        Action::Drop(item @ (Grant { .. } | Execute { .. } | Membership(_)))
            if plan.drops(item) && !is_consequence(plan, item) =>
        {
            ("TM206", Change::Drop(item.clone()))
        }
        Action::Drop(item @ Role { .. }) if !plan.is_first => ("TM206", Change::Drop(item.clone())),
        Action::Add(item @ (Grant { .. } | Execute { .. } | Membership(_)))
            if !plan.is_first && plan.adds(item) && !is_consequence(plan, item) =>
        {
            ("TM207", Change::Add(item.clone()))
        }
        Action::Add(item @ Policy { .. }) if plan.adds(item) => ("TM208", Change::Add(item.clone())),
        // Here the policy is dropped and re-created.
        Action::Add(item @ Policy { .. }) if changes_to(plan, item) => {
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
    let effect = if code == "TM208" { ", which controls the rows that roles can read or write" } else { "" };
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
    /// Returns whether adding an object is one of the changes. A step can also re-create an object for another change.
    fn adds(&self, item: &SchemaObject) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Add(other) if other == item))
    }

    /// Returns whether dropping an object is one of the changes.
    fn drops(&self, item: &SchemaObject) -> bool {
        self.changes.iter().any(|change| matches!(change, Change::Drop(other) if other == item))
    }
}

/// Returns whether one of the changes alters an object so that the result is this object.
fn changes_to(plan: &Plan, item: &SchemaObject) -> bool {
    plan.changes.iter().any(|change| matches!(change, Change::Alter { after, .. } if after == item))
}

/// Returns whether a grant or a membership is added or dropped because its columns or its role are added or dropped.
fn is_consequence(plan: &Plan, item: &SchemaObject) -> bool {
    let is_added_or_dropped = |is: &dyn Fn(&SchemaObject) -> bool| {
        plan.changes.iter().any(|change| matches!(change, Change::Add(item) | Change::Drop(item) if is(item)))
    };
    match item {
        SchemaObject::Grant { table, grant } => {
            let column = |name: &Ident| {
                is_added_or_dropped(
                    &|item| matches!(item, SchemaObject::Column { table: of, column } if of == table && column.name == *name),
                )
            };
            !grant.columns.is_empty() && grant.columns.iter().all(column)
        }
        SchemaObject::Membership(Membership { role, member, .. }) => is_added_or_dropped(
            &|item| matches!(item, SchemaObject::Role { role: of, .. } if [role, member].contains(&&of.name)),
        ),
        _ => false,
    }
}

/// Returns whether adding a column rewrites the table. For a default that is constant during the
/// migration, such as the current time, PostgreSQL instead stores one value in the catalog.
fn rewrites(column: &Column) -> bool {
    match &column.default {
        None => false,
        Some(ColumnDefault::Identity) => true,
        Some(ColumnDefault::Expression(text)) => {
            let text = text.as_str().to_lowercase();
            text.contains('(') && !matches!(text.as_str(), "now()" | "transaction_timestamp()")
        }
    }
}

/// Returns the risk of changing a column's type; other properties are safe to change.
fn type_change_advisory(item: &SchemaObject, before: &Column, after: &Column) -> Option<Advisory> {
    if !ColumnProperty::Type.differs(before, after) {
        return None;
    }
    let change = format!("changes {item} from `{}` to `{}`", before.ty, after.ty);
    let blocks = "blocks reads and writes while the table is rewritten";
    let (risk, code, text) = match type_change(before.ty.as_str(), after.ty.as_str()) {
        TypeChange::InPlace => return None,
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
