//! Grades: what a step means for the rows that are there, for the app that is running, and for who may do what.

use std::fmt;

use super::{
    Action, Plan,
    type_change::{TypeChange, type_change},
};
use crate::{
    diff::{Change, KeyKind, Membership, SchemaObject},
    ident::Ident,
    model::schema::{Column, ColumnDefault},
};

/// How much thought a step takes. A step of which there is nothing to be said is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// Somebody waits, an app that runs may fail, or somebody's rights change.
    Warning,
    /// Something is lost that cannot be had back.
    Destructive,
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Warning => "careful",
            Self::Destructive => "DESTRUCTIVE",
        })
    }
}

/// What there is to be said about a step before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advisory {
    /// How much thought it takes.
    pub grade: Risk,
    /// A code that stays, such as `TM101`.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

impl fmt::Display for Advisory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.grade, self.code, self.text)
    }
}

/// Says what there is to be said about a step of a plan.
pub(super) fn note(plan: &Plan, action: &Action) -> Option<Advisory> {
    let is_change = |change: &Change| plan.changes.contains(change);
    let (grade, code, text) = match action {
        Action::Drop(item @ SchemaObject::Table { .. }) => {
            (Risk::Destructive, "TM101", format!("{item} goes with all its rows."))
        }
        Action::Drop(item @ SchemaObject::Column { .. }) => {
            (Risk::Destructive, "TM102", format!("{item} goes with its values."))
        }
        Action::Alter {
            before: SchemaObject::Column { column: before, .. },
            after: item @ SchemaObject::Column { column, .. },
        } => {
            return retyped(item, before, column);
        }
        Action::Add(item @ SchemaObject::Column { column, .. }) if rewrites(column) => {
            let text = format!("{item} is filled in every row; nobody reads or writes the table meanwhile.");
            (Risk::Warning, "TM201", text)
        }
        Action::Add(item @ SchemaObject::Key { kind: KeyKind::Primary | KeyKind::Unique, .. }) => (
            Risk::Warning,
            "TM202",
            format!("nobody writes while the {item} is built; a value that stands there twice stops it."),
        ),
        Action::Add(item @ (SchemaObject::Key { .. } | SchemaObject::ForeignKey { .. }))
            if is_change(&Change::Add(item.clone())) =>
        {
            (Risk::Warning, "TM202", format!("nobody writes to the table while the {item} is made."))
        }
        Action::Build(item @ SchemaObject::Key { kind: KeyKind::Unique, .. }) => {
            (Risk::Warning, "TM203", format!("a value that stands there twice stops the {item}."))
        }
        Action::Validate(item @ SchemaObject::Check { .. }) if is_change(&Change::Add(item.clone())) => {
            (Risk::Warning, "TM203", format!("a row that does not fulfil the {item} stops it."))
        }
        Action::Validate(SchemaObject::Check { table, check }) if check.condition.as_str().ends_with("IS NOT NULL") => {
            (
                Risk::Warning,
                "TM203",
                format!("a row of `{table}` in which {} stops it.", null(check.condition.as_str())),
            )
        }
        Action::Validate(item @ SchemaObject::ForeignKey { .. }) if is_change(&Change::Add(item.clone())) => {
            (Risk::Warning, "TM203", format!("a row that refers to nothing stops the {item}."))
        }
        Action::Backfill { table, column, .. } => {
            (Risk::Warning, "TM204", format!("`{}` is written in every row of `{table}` that has none.", column.name))
        }
        Action::Rename { before: before @ (SchemaObject::Table { .. } | SchemaObject::Column { .. }), .. } => {
            (Risk::Warning, "TM205", format!("an app that runs and still says {before} fails."))
        }
        Action::Drop(
            item @ (SchemaObject::Grant { .. } | SchemaObject::Execute { .. } | SchemaObject::Membership(_)),
        ) if is_change(&Change::Drop(item.clone())) && !follows(plan, item) => {
            (Risk::Warning, "TM206", format!("no more {item}."))
        }
        Action::Drop(item @ SchemaObject::Role { .. }) if !plan.is_first => {
            (Risk::Warning, "TM206", format!("no more {item}."))
        }
        Action::Add(
            item @ (SchemaObject::Grant { .. } | SchemaObject::Execute { .. } | SchemaObject::Membership(_)),
        ) if !plan.is_first && is_change(&Change::Add(item.clone())) && !follows(plan, item) => {
            (Risk::Warning, "TM207", format!("from now on {item}."))
        }
        Action::Add(item @ SchemaObject::Policy { .. }) if is_change(&Change::Add(item.clone())) => {
            (Risk::Warning, "TM208", format!("who sees or writes which rows changes: {item} is new."))
        }
        Action::Add(item @ SchemaObject::Policy { .. }) if changes_to(plan, item) => {
            (Risk::Warning, "TM208", format!("who sees or writes which rows changes: {item} has changed."))
        }
        Action::Drop(item @ SchemaObject::Policy { .. }) if is_change(&Change::Drop(item.clone())) => {
            (Risk::Warning, "TM208", format!("who sees or writes which rows changes: {item} is gone."))
        }
        Action::Alter {
            before: SchemaObject::Policy { policy: before, .. },
            after: item @ SchemaObject::Policy { policy, .. },
        } if !before.is_equivalent(policy) => {
            (Risk::Warning, "TM208", format!("who sees or writes which rows changes: {item} has changed."))
        }
        _ => return None,
    };
    Some(Advisory { grade, code, text })
}

/// Says whether something becomes this.
fn changes_to(plan: &Plan, item: &SchemaObject) -> bool {
    plan.changes.iter().any(|change| matches!(change, Change::Alter { after, .. } if after == item))
}

/// Says whether a right comes or goes with the columns or the role of which it speaks.
fn follows(plan: &Plan, item: &SchemaObject) -> bool {
    let comes_or_goes = |is: &dyn Fn(&SchemaObject) -> bool| {
        plan.changes.iter().any(|change| matches!(change, Change::Add(item) | Change::Drop(item) if is(item)))
    };
    match item {
        SchemaObject::Grant { table, grant } => {
            let column = |name: &Ident| {
                comes_or_goes(
                    &|item| matches!(item, SchemaObject::Column { table: of, column } if of == table && column.name == *name),
                )
            };
            !grant.columns.is_empty() && grant.columns.iter().all(column)
        }
        SchemaObject::Membership(Membership { role, member, .. }) => comes_or_goes(
            &|item| matches!(item, SchemaObject::Role { role: of, .. } if [role, member].contains(&&of.name)),
        ),
        _ => false,
    }
}

fn null(condition: &str) -> String {
    condition.replace("IS NOT NULL", "is NULL")
}

/// Says whether adding a column writes every row: PostgreSQL keeps a constant, and the time of the migration, beside them.
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

fn retyped(item: &SchemaObject, before: &Column, after: &Column) -> Option<Advisory> {
    if before.ty == after.ty {
        return None;
    }
    let change = format!("{item} becomes `{}`, and was `{}`", after.ty, before.ty);
    let waits = "nobody reads or writes the table while it is written anew";
    let (grade, code, text) = match type_change(before.ty.as_str(), after.ty.as_str()) {
        TypeChange::InPlace => return None,
        TypeChange::Rewrite => (Risk::Warning, "TM201", format!("{change}: {waits}.")),
        TypeChange::MayFail => {
            (Risk::Warning, "TM201", format!("{change}: {waits}, and a value that does not fit stops it."))
        }
        TypeChange::Lossy | TypeChange::Unsupported => {
            (Risk::Destructive, "TM103", format!("{change}: values may be rounded or cut, or come out as others."))
        }
    };
    Some(Advisory { grade, code, text })
}
