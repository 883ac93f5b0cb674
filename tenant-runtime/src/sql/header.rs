//! The head of a file: what it does, what it loses, and the settings under which it runs.

use std::fmt::Write as _;

use super::{CANNOT_BE_UNDONE, Direction, LOSES_DATA, NO_TRANSACTION, SIGNATURE};
use crate::{
    diff::SchemaObject,
    plan::{Action, Plan, Stage},
};

/// How many changes are listed.
const LISTED: usize = 30;

/// Returns the words for a file's name.
pub(super) fn description(plan: &Plan, stage: Stage) -> String {
    let words = plan.description();
    match stage {
        Stage::Main => words,
        Stage::Index => format!("{words}_index"),
        Stage::Attach => format!("{words}_keys"),
        Stage::Validate => format!("{words}_validate"),
    }
}

/// Writes the head of a file.
pub(super) fn header(plan: &Plan, stage: Stage, direction: Direction, actions: &[Action]) -> String {
    let mut out = match (direction, stage) {
        (_, Stage::Index) => NO_TRANSACTION.to_owned(),
        (Direction::Up, _) => String::new(),
        (Direction::Down, _) => marker(plan, actions),
    };
    out.push_str(&subject(plan, stage, direction));
    let _ = writeln!(out, "-- {SIGNATURE} from the structs that derive TenantTable.");
    out.push_str(match (direction, stage) {
        (Direction::Up, _) => "-- Review it, commit it, and do not edit it once it has run anywhere.\n",
        (Direction::Down, Stage::Main) if plan.is_first => "-- It drops tables WITH THEIR ROWS.\n",
        (Direction::Down, _) => "",
    });
    if direction == Direction::Up && plan.is_first {
        out.push_str(
            "--\n\
             -- How the app works with it: it logs in with no right of its own. Each transaction begins with SET LOCAL ROLE to\n\
             -- one of the application_roles and with the tenant's key in a setting; grants say what the tier may do, policies on whose rows.\n\
             -- Without the role there is no privilege, and without the setting there are no rows.\n",
        );
    }
    if stage != Stage::Index {
        out.push_str(
            "\n\
             -- Under FORCE the owner is bound by the policies too: what it cannot see shall be an error, not silence.\n\
             SET LOCAL row_security = off;\n",
        );
        if actions.iter().any(|action| locks(plan, action)) {
            out.push_str(
                "-- Whoever waits for a table keeps all others waiting, so it gives up soon, and can be run again.\n\
                 SET LOCAL lock_timeout = '5s';\n",
            );
        }
    }
    out
}

fn subject(plan: &Plan, stage: Stage, direction: Direction) -> String {
    let product = &plan.product;
    match (stage, direction) {
        (Stage::Main, Direction::Up) if plan.is_first => {
            format!("-- Makes the roles, schemas and tables of {product}.\n")
        }
        (Stage::Main, Direction::Down) if plan.is_first => {
            format!("-- Unmakes the roles, schemas and tables of {product}.\n")
        }
        (Stage::Main, Direction::Up) => {
            let mut out = format!("-- Changes the database of {product}:\n");
            for change in plan.changes.iter().take(LISTED) {
                let _ = writeln!(out, "--   {}", one_line(&change.to_string()));
            }
            if plan.changes.len() > LISTED {
                let _ = writeln!(out, "--   and {} more", plan.changes.len() - LISTED);
            }
            out.push_str("--\n");
            out
        }
        (Stage::Main, Direction::Down) => {
            format!("-- Undoes what the migration of this number changes in {product}.\n")
        }
        (Stage::Index, Direction::Up) => "-- Builds an index while others read and write.\n".to_owned(),
        (Stage::Index, Direction::Down) => "-- Drops the index, if a constraint has not taken it along.\n".to_owned(),
        (Stage::Attach, Direction::Up) => "-- Adds what needs the indexes of the migrations before.\n".to_owned(),
        (Stage::Attach, Direction::Down) => "-- Undoes what needs the indexes of the migrations before.\n".to_owned(),
        (Stage::Validate, Direction::Up) => {
            "-- Reads the rows that are there, while others go on reading and writing them.\n".to_owned()
        }
        (Stage::Validate, Direction::Down) => {
            "-- Undoes what followed on reading the rows that are there.\n".to_owned()
        }
    }
}

/// A name may hold a line break, and what follows on it would be no comment any more.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The first line of a file that cannot undo, or that loses rows as it does.
fn marker(plan: &Plan, actions: &[Action]) -> String {
    let is_empty = |action: &&Action| match action {
        Action::Add(SchemaObject::Column { column, .. }) => !column.nullable && column.default.is_none(),
        _ => false,
    };
    if let Some(Action::Add(item)) = actions.iter().find(is_empty) {
        let why = format!("{item} comes back without its values, and takes no NULL.");
        return format!("{CANNOT_BE_UNDONE}{}\n", one_line(&why));
    }
    let lost: Vec<_> = actions.iter().filter_map(|action| plan.loss(action)).map(|loss| loss.name).collect();
    if lost.is_empty() { String::new() } else { format!("{LOSES_DATA}{}\n", one_line(&lost.join(", "))) }
}

/// Says whether a step takes a lock on a table that others may be using.
fn locks(plan: &Plan, action: &Action) -> bool {
    let refers = match action {
        Action::Add(SchemaObject::Table { table, .. }) => {
            table.foreign_keys.iter().any(|key| plan.existing.contains(&key.target))
        }
        Action::Drop(SchemaObject::Table { .. }) | Action::Close { .. } => !plan.is_first,
        Action::Add(SchemaObject::ForeignKey { key, .. }) => plan.existing.contains(&key.target),
        _ => false,
    };
    refers || action.table().is_some_and(|table| plan.existing.contains(table))
}
