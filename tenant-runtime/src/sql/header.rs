//! The header of a migration file: summary, data-loss marker and settings.

use std::fmt::Write as _;

use super::{CANNOT_BE_UNDONE, Direction, LOSES_DATA, NO_TRANSACTION, SIGNATURE, comment_text};
use crate::{
    diff::SchemaObject,
    model::schema::search_path,
    plan::{Action, Plan, Stage},
};

/// The maximum number of changes listed in a header.
const LISTED: usize = 30;

/// Returns the description for a file's name.
pub(super) fn description(plan: &Plan, stage: Stage) -> String {
    let words = plan.description();
    match stage {
        Stage::Labels => format!("{words}_labels"),
        Stage::Main => words,
        Stage::Index => format!("{words}_index"),
        Stage::Attach => format!("{words}_keys"),
        Stage::Validate => format!("{words}_validate"),
    }
}

/// Writes the header of a file.
pub(super) fn header(plan: &Plan, stage: Stage, direction: Direction, actions: &[Action]) -> String {
    let mut out = match (direction, stage) {
        (_, Stage::Index) => NO_TRANSACTION.to_owned(),
        (Direction::Up, _) => String::new(),
        (Direction::Down, _) => marker(plan, actions),
    };
    out.push_str(&subject(plan, stage, direction, actions));
    let _ = writeln!(out, "-- {SIGNATURE} from the structs that derive TenantTable.");
    out.push_str(match (direction, stage) {
        (Direction::Up, _) => {
            "-- Review and commit this file. Do not edit it after it has been applied to any database.\n"
        }
        (Direction::Down, Stage::Main) if plan.is_first => {
            "-- WARNING: this migration drops the tables AND ALL THEIR ROWS.\n"
        }
        (Direction::Down, _) => "",
    });
    if direction == Direction::Up && plan.is_first {
        out.push_str(
            "--\n\
             -- Access model: login roles have no privileges on these schemas and tables. Each transaction runs SET LOCAL ROLE to\n\
             -- an application role and sets the IDs of the current tenant and the signed-in user in settings (SET LOCAL).\n\
             -- Grants control commands and columns; row-level security policies control rows. Without SET ROLE there is no\n\
             -- access, and without a tenant ID an application role sees no rows of any tenant.\n",
        );
    }
    if stage != Stage::Index {
        let search_path = search_path(&plan.extension_schemas);
        let _ = write!(
            out,
            "\n\
             -- FORCE ROW LEVEL SECURITY also applies policies to the table owner. With row_security = off, a query that\n\
             -- policies would filter raises an error instead of silently skipping rows. The other two settings decide how\n\
             -- strings and unqualified names are read; the database or the administrator can have different defaults.\n\
             SET LOCAL row_security = off;\n\
             SET LOCAL standard_conforming_strings = on;\n\
             SET LOCAL search_path = {search_path};\n",
        );
        if actions.iter().any(|action| locks(plan, action)) {
            out.push_str(
                "-- Fail instead of waiting for a lock: a waiting ALTER TABLE blocks all later queries on the table. After a\n\
                 -- timeout the transaction is rolled back, and the migration can be run again.\n\
                 SET LOCAL lock_timeout = '5s';\n",
            );
        }
    }
    out
}

fn subject(plan: &Plan, stage: Stage, direction: Direction, actions: &[Action]) -> String {
    let product = comment_text(&plan.product);
    match (stage, direction) {
        (Stage::Main, Direction::Up) if plan.is_first => {
            format!("-- Creates the roles, schemas and tables of {product}.\n")
        }
        (Stage::Main, Direction::Down) if plan.is_first => {
            format!("-- Drops the roles, schemas and tables of {product}.\n")
        }
        (Stage::Main, Direction::Up) => {
            let mut out = format!("-- Changes the database of {product}:\n");
            let changes = plan.describe_changes();
            for change in changes.iter().take(LISTED) {
                let _ = writeln!(out, "--   {}", comment_text(change));
            }
            if changes.len() > LISTED {
                let _ = writeln!(out, "--   and {} more", changes.len() - LISTED);
            }
            out.push_str("--\n");
            out
        }
        (Stage::Main, Direction::Down) => {
            format!("-- Reverts the up file with the same number, which changes the database of {product}.\n")
        }
        (Stage::Labels, Direction::Up) => {
            "-- Adds labels to enum types. The following migrations can use them: PostgreSQL does not allow this in the same\n\
             -- transaction.\n"
                .to_owned()
        }
        (Stage::Labels, Direction::Down) => "-- Keeps the labels of enum types.\n".to_owned(),
        (Stage::Index, Direction::Up) => "-- Builds an index without blocking reads and writes.\n".to_owned(),
        (Stage::Index, Direction::Down) => {
            "-- Drops the index, unless it was dropped together with its constraint.\n".to_owned()
        }
        (Stage::Attach, Direction::Up) => {
            "-- Makes the changes that require the indexes of the preceding migrations.\n".to_owned()
        }
        (Stage::Attach, Direction::Down) => {
            "-- Reverts the changes that require the indexes of the preceding migrations.\n".to_owned()
        }
        (Stage::Validate, Direction::Up) => {
            match actions.iter().any(|action| matches!(action, Action::Backfill { .. })) {
                true => "-- Fills and validates existing rows.\n".to_owned(),
                false => "-- Validates existing rows without blocking reads and writes.\n".to_owned(),
            }
        }
        (Stage::Validate, Direction::Down) => {
            "-- Reverts the changes that followed the validation of existing rows.\n".to_owned()
        }
    }
}

/// Returns the first line of a down file that cannot revert its migration or that deletes data.
fn marker(plan: &Plan, actions: &[Action]) -> String {
    let is_empty = |action: &&Action| match action {
        Action::Add(SchemaObject::Column { column, .. }) => !column.nullable && column.default.is_none(),
        _ => false,
    };
    if let Some(Action::Add(item)) = actions.iter().find(is_empty) {
        let why = format!("{item} is NOT NULL, and its values cannot be restored.");
        return format!("{CANNOT_BE_UNDONE}{}\n", comment_text(&why));
    }
    let loses_labels = |action: &&Action| match action {
        Action::Alter { before: SchemaObject::Enum { ty: before, .. }, after: SchemaObject::Enum { ty, .. } } => {
            before.labels.len() > ty.labels.len()
        }
        _ => false,
    };
    if let Some(Action::Alter { after, .. }) = actions.iter().find(loses_labels) {
        let why = format!("PostgreSQL cannot remove labels from the {after}; unused labels are harmless.");
        return format!("{CANNOT_BE_UNDONE}{}\n", comment_text(&why));
    }
    let lost: Vec<_> = actions.iter().filter_map(|action| plan.loss(action)).map(|loss| loss.name).collect();
    if lost.is_empty() {
        return String::new();
    }
    format!(
        "{LOSES_DATA}{}\n-- `gen-migrations revert` reads the line above, and runs this file only with --allow-data-loss.\n",
        comment_text(&lost.join(", "))
    )
}

/// Returns whether a step locks a table that other sessions might be using.
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
