//! Confirming: what is lost is lost only by name, and what may have been renamed is asked.

use std::{collections::BTreeSet, fmt};

use super::{Action, Plan, Risk};
use crate::{
    diff::{Change, SchemaObject},
    ident::Ident,
};

/// What would be lost and was not named, and what was named and is not lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnconfirmedDataLoss {
    /// What would be lost.
    pub lost: Vec<DataLoss>,
    /// Names that were given and that nothing has which would be lost.
    pub unknown: Vec<String>,
}

/// One thing that would be lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataLoss {
    /// The name by which to say that it may be.
    pub name: String,
    /// What is lost, in a sentence with its code.
    pub text: String,
    /// What is new beside it and may be the same under another name, with the attribute that says so.
    pub renames: Vec<(String, String)>,
}

impl Plan {
    /// Makes sure that everything that would be lost was named: `app.projects` or `app.projects.title`.
    ///
    /// # Errors
    ///
    /// With every loss that was not named, and every name that speaks of no loss.
    pub fn confirm(&self, names: &BTreeSet<String>) -> Result<(), UnconfirmedDataLoss> {
        let losses: Vec<_> = self.steps.iter().filter_map(|step| self.loss(&step.action)).collect();
        let unknown = names.iter().filter(|name| !losses.iter().any(|loss| loss.name == **name)).cloned().collect();
        let lost: Vec<_> = losses.into_iter().filter(|loss| !names.contains(&loss.name)).collect();
        let unconfirmed = UnconfirmedDataLoss { lost, unknown };
        if unconfirmed.lost.is_empty() && unconfirmed.unknown.is_empty() { Ok(()) } else { Err(unconfirmed) }
    }

    /// Returns what a step loses.
    pub(crate) fn loss(&self, action: &Action) -> Option<DataLoss> {
        let note = self.note(action).filter(|note| note.grade == Risk::Destructive)?;
        let name = match action.item()? {
            SchemaObject::Column { table, column } => format!("{table}.{}", column.name),
            other => other.table()?.to_string(),
        };
        let text = format!("{} ({})", note.text.trim_end_matches('.'), note.code);
        Some(DataLoss { name, text, renames: self.renames(action) })
    }

    /// What is new and looks like what is dropped.
    fn renames(&self, action: &Action) -> Vec<(String, String)> {
        let new = self.changes.iter().filter_map(|change| match change {
            Change::Add(item) => Some(item),
            _ => None,
        });
        let asked = new.filter_map(|new| match (action, new) {
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
        asked.collect()
    }
}

impl std::error::Error for UnconfirmedDataLoss {}

impl fmt::Display for UnconfirmedDataLoss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.lost.is_empty() {
            write!(f, "the next migration would lose what the database holds, and nothing was written:")?;
        }
        for DataLoss { name, text, renames } in &self.lost {
            write!(f, "\n  - {text}")?;
            for (new, old) in renames {
                write!(f, "\n    is it `{new}` now? write `#[tenant(renamed_from = \"{old}\")]` there")?;
            }
            let or = if renames.is_empty() { "is it to go?" } else { "or is it to go?" };
            write!(f, "\n    {or} run again with `--drop {name}`")?;
        }
        for (at, name) in self.unknown.iter().enumerate() {
            let line = if at == 0 && self.lost.is_empty() { "" } else { "\n" };
            write!(f, "{line}`--drop {name}` names nothing that the next migration would lose; leave it out")?;
        }
        Ok(())
    }
}
