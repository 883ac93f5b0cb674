//! Grades: what a step means for the rows that are there, for the app that is running, and for who may do what.

use std::fmt;

use super::{
    Action, Plan,
    cast::{Cast, cast},
};
use crate::{
    diff::{Change, Item, KeyKind, Membership},
    ident::Ident,
    model::schema::{Column, ColumnDefault, Policy},
};

/// How much thought a step takes. A step of which there is nothing to be said is safe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// Somebody waits, an app that runs may fail, or somebody's rights change.
    Careful,
    /// Something is lost that cannot be had back.
    Destructive,
}

impl fmt::Display for Grade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Careful => "careful",
            Self::Destructive => "DESTRUCTIVE",
        })
    }
}

/// What there is to be said about a step before it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// How much thought it takes.
    pub grade: Grade,
    /// A code that stays, such as `TM101`.
    pub code: &'static str,
    /// One sentence.
    pub text: String,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.grade, self.code, self.text)
    }
}

/// Says what there is to be said about a step of a plan.
pub(super) fn note(plan: &Plan, action: &Action) -> Option<Note> {
    let is_change = |change: &Change| plan.changes.contains(change);
    let (grade, code, text) = match action {
        Action::Drop(item @ Item::Table { .. }) => {
            (Grade::Destructive, "TM101", format!("{item} goes with all its rows."))
        }
        Action::Drop(item @ Item::Column { .. }) => {
            (Grade::Destructive, "TM102", format!("{item} goes with its values."))
        }
        Action::Alter { before: Item::Column { column: before, .. }, after: item @ Item::Column { column, .. } } => {
            return retyped(item, before, column);
        }
        Action::Add(item @ Item::Column { column, .. }) if rewrites(column) => {
            let text = format!("{item} is filled in every row; nobody reads or writes the table meanwhile.");
            (Grade::Careful, "TM201", text)
        }
        Action::Add(item @ Item::Key { kind: KeyKind::Primary | KeyKind::Unique, .. }) => (
            Grade::Careful,
            "TM202",
            format!("nobody writes while the {item} is built; a value that stands there twice stops it."),
        ),
        Action::Add(item @ (Item::Key { .. } | Item::ForeignKey { .. })) if is_change(&Change::Add(item.clone())) => {
            (Grade::Careful, "TM202", format!("nobody writes to the table while the {item} is made."))
        }
        Action::Build(item @ Item::Key { kind: KeyKind::Unique, .. }) => {
            (Grade::Careful, "TM203", format!("a value that stands there twice stops the {item}."))
        }
        Action::Validate(item @ Item::Check { .. }) if is_change(&Change::Add(item.clone())) => {
            (Grade::Careful, "TM203", format!("a row that does not fulfil the {item} stops it."))
        }
        Action::Validate(Item::Check { table, check }) if check.condition.as_str().ends_with("IS NOT NULL") => (
            Grade::Careful,
            "TM203",
            format!("a row of `{table}` in which {} stops it.", null(check.condition.as_str())),
        ),
        Action::Validate(item @ Item::ForeignKey { .. }) if is_change(&Change::Add(item.clone())) => {
            (Grade::Careful, "TM203", format!("a row that refers to nothing stops the {item}."))
        }
        Action::Backfill { table, column, .. } => {
            (Grade::Careful, "TM204", format!("`{}` is written in every row of `{table}` that has none.", column.name))
        }
        Action::Rename { before: before @ (Item::Table { .. } | Item::Column { .. }), .. } => {
            (Grade::Careful, "TM205", format!("an app that runs and still says {before} fails."))
        }
        Action::Drop(item @ (Item::Grant { .. } | Item::Execute { .. } | Item::Membership(_)))
            if is_change(&Change::Drop(item.clone())) && !follows(plan, item) =>
        {
            (Grade::Careful, "TM206", format!("no more {item}."))
        }
        Action::Drop(item @ Item::Role { .. }) if !plan.is_first => {
            (Grade::Careful, "TM206", format!("no more {item}."))
        }
        Action::Add(item @ (Item::Grant { .. } | Item::Execute { .. } | Item::Membership(_)))
            if !plan.is_first && is_change(&Change::Add(item.clone())) && !follows(plan, item) =>
        {
            (Grade::Careful, "TM207", format!("from now on {item}."))
        }
        Action::Add(item @ Item::Policy { .. }) if is_change(&Change::Add(item.clone())) => {
            (Grade::Careful, "TM208", format!("who sees or writes which rows changes: {item} is new."))
        }
        Action::Add(item @ Item::Policy { .. }) if changes_to(plan, item) => {
            (Grade::Careful, "TM208", format!("who sees or writes which rows changes: {item} has changed."))
        }
        Action::Drop(item @ Item::Policy { .. }) if is_change(&Change::Drop(item.clone())) => {
            (Grade::Careful, "TM208", format!("who sees or writes which rows changes: {item} is gone."))
        }
        Action::Alter { before: Item::Policy { policy: before, .. }, after: item @ Item::Policy { policy, .. } }
            if Policy { comment: String::new(), ..before.clone() }
                != Policy { comment: String::new(), ..policy.clone() } =>
        {
            (Grade::Careful, "TM208", format!("who sees or writes which rows changes: {item} has changed."))
        }
        _ => return None,
    };
    Some(Note { grade, code, text })
}

/// Says whether something becomes this.
fn changes_to(plan: &Plan, item: &Item) -> bool {
    plan.changes.iter().any(|change| matches!(change, Change::Alter { after, .. } if after == item))
}

/// Says whether a right comes or goes with the columns or the role of which it speaks.
fn follows(plan: &Plan, item: &Item) -> bool {
    let comes_or_goes = |is: &dyn Fn(&Item) -> bool| {
        plan.changes.iter().any(|change| matches!(change, Change::Add(item) | Change::Drop(item) if is(item)))
    };
    match item {
        Item::Grant { table, grant } => {
            let column = |name: &Ident| {
                comes_or_goes(
                    &|item| matches!(item, Item::Column { table: of, column } if of == table && column.name == *name),
                )
            };
            !grant.columns.is_empty() && grant.columns.iter().all(column)
        }
        Item::Membership(Membership { role, member, .. }) => {
            comes_or_goes(&|item| matches!(item, Item::Role { role: of, .. } if [role, member].contains(&&of.name)))
        }
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

fn retyped(item: &Item, before: &Column, after: &Column) -> Option<Note> {
    if before.ty == after.ty {
        return None;
    }
    let change = format!("{item} becomes `{}`, and was `{}`", after.ty, before.ty);
    let waits = "nobody reads or writes the table while it is written anew";
    let (grade, code, text) = match cast(before.ty.as_str(), after.ty.as_str()) {
        Cast::Free => return None,
        Cast::Rewrites => (Grade::Careful, "TM201", format!("{change}: {waits}.")),
        Cast::MayFail => {
            (Grade::Careful, "TM201", format!("{change}: {waits}, and a value that does not fit stops it."))
        }
        Cast::Loses | Cast::Impossible => {
            (Grade::Destructive, "TM103", format!("{change}: values may be rounded or cut, or come out as others."))
        }
    };
    Some(Note { grade, code, text })
}
