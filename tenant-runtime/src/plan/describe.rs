//! Describes a plan in a few words, for its file name.

use std::collections::BTreeSet;

use super::{Action, Plan};
use crate::{
    diff::{Change, SchemaObject},
    model::schema::QualifiedName,
};

/// The maximum length of a description in a file name.
const LONGEST: usize = 80;

impl Plan {
    /// Returns a description for the file name, such as `init`, `add_invoices` or `rename_title_to_name_in_projects`.
    #[must_use]
    pub fn description(&self) -> String {
        if self.is_first {
            return "init".to_owned();
        }
        let words = match &*self.main_changes() {
            [Change::Add(SchemaObject::Table { name, .. })] => format!("add {}", name.table),
            [Change::Drop(SchemaObject::Table { name, .. })] => format!("drop {}", name.table),
            [
                Change::Rename {
                    before: SchemaObject::Table { name: before, .. },
                    after: SchemaObject::Table { name, .. },
                },
            ] => {
                format!("rename {} to {}", before.table, name.table)
            }
            [Change::Add(SchemaObject::Column { table, column })] => format!("add {} to {}", column.name, table.table),
            [Change::Drop(SchemaObject::Column { table, column })] => {
                format!("drop {} from {}", column.name, table.table)
            }
            [
                Change::Rename {
                    before: SchemaObject::Column { column: before, .. },
                    after: SchemaObject::Column { table, column },
                },
            ] => {
                format!("rename {} to {} in {}", before.name, column.name, table.table)
            }
            [] => self.relabelled().map_or_else(String::new, |table| format!("change labels in {}", table.table)),
            changes => summary(changes),
        };
        file_name(&words)
    }

    /// Returns the table in which labels change.
    fn relabelled(&self) -> Option<&QualifiedName> {
        self.steps.iter().find_map(|step| match &step.action {
            Action::Relabel { table, .. } => Some(table),
            _ => None,
        })
    }

    /// Returns the changes of tables and columns, which cause the other changes; if there are none, returns all
    /// changes.
    fn main_changes(&self) -> Vec<&Change> {
        let is_shape =
            |change: &&Change| matches!(object(change), SchemaObject::Table { .. } | SchemaObject::Column { .. });
        let shape: Vec<_> = self.changes.iter().filter(is_shape).collect();
        if shape.is_empty() { self.changes.iter().collect() } else { shape }
    }
}

/// Describes several changes: names the table if only one changes, and otherwise mentions roles, tables or functions in
/// general.
fn summary(changes: &[&Change]) -> String {
    let tables: BTreeSet<_> = changes.iter().filter_map(|change| object(change).table()).collect();
    let only_new = changes.iter().all(|change| matches!(change, Change::Add(SchemaObject::Table { .. })));
    let of_roles = changes.iter().any(|change| {
        matches!(
            change,
            Change::Add(SchemaObject::Role { .. } | SchemaObject::Membership(_))
                | Change::Drop(SchemaObject::Role { .. } | SchemaObject::Membership(_))
                | Change::Alter { after: SchemaObject::Role { .. }, .. }
        )
    });
    match tables.first() {
        _ if of_roles => "change roles".to_owned(),
        Some(table) if tables.len() == 1 => format!("change {}", table.table),
        Some(_) if only_new => "add tables".to_owned(),
        Some(_) => "change tables".to_owned(),
        None if changes.iter().any(|change| matches!(object(change), SchemaObject::Enum { .. })) => {
            "change enum types".to_owned()
        }
        None => "change functions".to_owned(),
    }
}

fn object(change: &Change) -> &SchemaObject {
    match change {
        Change::Add(object) | Change::Drop(object) => object,
        Change::Alter { after, .. } | Change::Rename { after, .. } => after,
    }
}

/// Turns words into a file name.
pub(crate) fn file_name(words: &str) -> String {
    let name: String = words.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    name.trim_matches('_').chars().take(LONGEST).collect()
}
