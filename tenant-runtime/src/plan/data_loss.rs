//! Data-loss confirmation: an object with data is dropped only if its name is given, and the error
//! suggests possible renames.

use std::{collections::BTreeSet, fmt};

use super::{Action, Plan, Risk};
use crate::{
    diff::{Change, SchemaObject},
    ident::Ident,
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
        let losses: Vec<_> = self.steps.iter().filter_map(|step| self.loss(&step.action)).collect();
        let unknown = names.iter().filter(|name| !losses.iter().any(|loss| loss.name == **name)).cloned().collect();
        let lost: Vec<_> = losses.into_iter().filter(|loss| !names.contains(&loss.name)).collect();
        let unconfirmed = UnconfirmedDataLoss { lost, unknown };
        if unconfirmed.lost.is_empty() && unconfirmed.unknown.is_empty() { Ok(()) } else { Err(unconfirmed) }
    }

    /// Returns the data loss of a step.
    pub(crate) fn loss(&self, action: &Action) -> Option<DataLoss> {
        let note = self.note(action).filter(|note| note.risk == Risk::Destructive)?;
        let name = match self.under_own_name(action.item()?) {
            SchemaObject::Column { table, column } => format!("{table}.{}", column.name),
            other => other.table()?.to_string(),
        };
        let text = format!("{} ({})", note.text.trim_end_matches('.'), note.code);
        Some(DataLoss { name, text, renames: self.renames(action) })
    }

    /// Returns the additions that look like the dropped object: a column of the same type, or a table with the same
    /// columns.
    fn renames(&self, action: &Action) -> Vec<(String, String)> {
        let new = self.changes.iter().filter_map(|change| match change {
            Change::Add(item) => Some(item),
            _ => None,
        });
        let renames = new.filter_map(|new| match (action, new) {
            (Action::Drop(SchemaObject::Column { table, column }), SchemaObject::Column { table: of, column: new }) => {
                let alike = table == of && column.ty == new.ty;
                alike.then(|| (new.name.to_string(), column.name.to_string()))
            }
            (Action::Drop(SchemaObject::Table { name, table }), SchemaObject::Table { name: new_name, table: new }) => {
                let columns = |table: &crate::model::schema::Table| -> BTreeSet<Ident> {
                    table.columns.iter().map(|column| column.name.clone()).collect()
                };
                let old = if name.schema == new_name.schema { name.table.to_string() } else { name.to_string() };
                (columns(table) == columns(new)).then(|| (new_name.to_string(), old))
            }
            _ => None,
        });
        renames.collect()
    }
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
