//! Data-loss confirmation: an object with data is dropped only if its name is given, and the error
//! suggests possible renames.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use super::{Action, Plan, Risk};
use crate::{
    diff::{Change, SchemaObject},
    ident::Ident,
    model::schema::{Column, QualifiedName, Table},
};

/// Data loss that has not been confirmed, and names that confirm nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfirmedDataLoss {
    /// The data loss that has not been confirmed.
    pub lost: Vec<DataLoss>,
    /// The names passed to [`Plan::confirm`] that name no table or column whose data would be lost.
    pub unknown: Vec<String>,
}

/// A table or a column whose data would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLoss {
    /// The name that confirms the loss.
    pub name: String,
    /// A description with its code.
    pub text: String,
    /// Additions that could be the same object under a new name, each with the old name for `renamed_from`.
    pub renames: Vec<(String, String)>,
}

impl Plan {
    /// Checks that all data loss is confirmed by the name of the table (`app.projects`) or column (`app.projects.title`).
    ///
    /// # Errors
    ///
    /// If data loss is not confirmed or a name confirms nothing; the error lists both.
    pub fn confirm(&self, names: &BTreeSet<String>) -> Result<(), UnconfirmedDataLoss> {
        let losses: Vec<_> =
            self.steps.iter().filter_map(|step| Some((&step.action, self.loss(&step.action)?))).collect();
        let lossy: BTreeSet<_> = losses.iter().map(|(_, loss)| loss.name.clone()).collect();
        let unknown: Vec<_> = names.difference(&lossy).cloned().collect();
        let additions = Additions::of(&self.changes);
        let lost: Vec<_> = losses
            .into_iter()
            .filter(|(_, loss)| !names.contains(&loss.name))
            .map(|(action, loss)| DataLoss { renames: additions.like(action), ..loss })
            .collect();
        if lost.is_empty() && unknown.is_empty() { Ok(()) } else { Err(UnconfirmedDataLoss { lost, unknown }) }
    }

    /// Returns the data loss of a step, without possible renames.
    pub(crate) fn loss(&self, action: &Action) -> Option<DataLoss> {
        let note = self.note(action).filter(|note| note.risk == Risk::Destructive)?;
        let name = match self.under_own_name(action.item()?) {
            SchemaObject::Column { table, column } => format!("{table}.{}", column.name),
            other => other.table()?.to_string(),
        };
        let text = format!("{} ({})", note.text.trim_end_matches('.'), note.code);
        Some(DataLoss { name, text, renames: Vec::new() })
    }
}

/// The added tables and columns, which could be dropped ones under a new name.
#[derive(Default)]
struct Additions<'c> {
    /// The new tables by the names of their columns.
    tables: BTreeMap<BTreeSet<&'c Ident>, Vec<&'c QualifiedName>>,
    /// The new columns by table.
    columns: BTreeMap<&'c QualifiedName, Vec<&'c Column>>,
}

impl<'c> Additions<'c> {
    fn of(changes: &'c [Change]) -> Self {
        let mut additions = Self::default();
        for change in changes {
            match change {
                Change::Add(SchemaObject::Table { name, table }) => {
                    additions.tables.entry(column_names(table)).or_default().push(name);
                }
                Change::Add(SchemaObject::Column { table, column }) => {
                    additions.columns.entry(table).or_default().push(column);
                }
                _ => {}
            }
        }
        additions
    }

    /// Returns the additions that look like the dropped object: a column of the same type, or a table with the same
    /// columns.
    fn like(&self, action: &Action) -> Vec<(String, String)> {
        match action {
            Action::Drop(SchemaObject::Column { table, column }) => {
                let new = self.columns.get(table).into_iter().flatten().filter(|new| new.ty == column.ty);
                new.map(|new| (new.name.to_string(), column.name.to_string())).collect()
            }
            Action::Drop(SchemaObject::Table { name, table }) => {
                let old = |new: &QualifiedName| match name.schema == new.schema {
                    true => name.table.to_string(),
                    false => name.to_string(),
                };
                let new = self.tables.get(&column_names(table)).into_iter().flatten();
                new.map(|new| (new.to_string(), old(new))).collect()
            }
            _ => Vec::new(),
        }
    }
}

fn column_names(table: &Table) -> BTreeSet<&Ident> {
    table.columns.iter().map(|column| &column.name).collect()
}

impl std::error::Error for UnconfirmedDataLoss {}

impl fmt::Display for UnconfirmedDataLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.lost.is_empty() {
            write!(f, "the next migration would delete data, so no migration was written:")?;
        }
        for DataLoss { name, text, renames } in &self.lost {
            write!(f, "\n  - {text}")?;
            for (new, old) in renames {
                write!(
                    f,
                    "\n    if `{old}` was renamed to `{new}`, add `#[tenant(renamed_from = \"{old}\")]` to `{new}`"
                )?;
            }
            write!(f, "\n    to confirm, re-run with `--drop {name}`")?;
        }
        for (at, name) in self.unknown.iter().enumerate() {
            let line = if at == 0 && self.lost.is_empty() { "" } else { "\n" };
            write!(f, "{line}the next migration does not drop `{name}`; remove `--drop {name}`")?;
        }
        Ok(())
    }
}
