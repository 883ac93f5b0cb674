//! Generating: from the models and the folder to the next migrations, or to nothing to do.

use std::collections::BTreeSet;

use super::folder::{Folder, FolderError, Written};
use crate::{
    analyze::{Checked, Findings, check},
    plan::{Advisory, Plan, Refusals, UnconfirmedDataLoss, plan},
    registry::Models,
    sql::{self, Migration},
};

/// What is to be done in a folder to follow the models.
#[derive(Debug)]
pub struct Generated {
    /// The schema that the models mean, and what is doubtful in it.
    pub checked: Checked,
    /// The way to it from what the folder amounts to.
    pub plan: Plan,
    /// The next migrations, in the order in which they are to run; none where the folder says what the models say.
    pub migrations: Vec<Migration>,
    /// The files of the next migrations with their texts, in the order in which they are written.
    pub files: Vec<(String, String)>,
    /// Files written by hand that the snapshot does not list yet.
    pub by_hand: Vec<String>,
}

/// Generates the next migrations without writing anything.
///
/// # Errors
///
/// When the models have errors, the folder cannot be read or is not in order, or there is no way to what the models mean that
/// keeps the rows.
pub fn generate(models: &Models, folder: &Folder) -> Result<Generated, GenerateError> {
    let checked = check(models)?;
    let contents = folder.contents()?;
    let plan = plan(&contents.snapshot.schema, &checked.schema, &checked.transition)?;
    let migrations = sql::migrations(&plan);
    let files = contents.named(&migrations);
    folder.check_unknown(&contents, &files)?;
    Ok(Generated { checked, plan, migrations, files, by_hand: contents.by_hand })
}

impl Generated {
    /// Says whether there is nothing to write.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.migrations.is_empty() && self.by_hand.is_empty()
    }

    /// Writes the migrations and the snapshot, if there is anything to write. What is lost by them is named in `drops`, such
    /// as `app.projects` or `app.projects.title`.
    ///
    /// # Errors
    ///
    /// When something would be lost that is not named, or the folder cannot be written.
    pub fn write(&self, folder: &Folder, drops: &BTreeSet<String>) -> Result<Option<Written>, GenerateError> {
        self.plan.confirm(drops)?;
        if self.is_nothing() {
            return Ok(None);
        }
        Ok(Some(folder.write(&self.migrations, &self.checked.schema)?))
    }

    /// Returns what there is to be said about the steps before they run.
    #[must_use]
    pub fn notes(&self) -> Vec<Advisory> {
        self.plan.steps().iter().filter_map(|step| self.plan.note(&step.action)).collect()
    }
}

/// Says why nothing was generated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerateError {
    /// The models have errors.
    #[error(transparent)]
    Models(#[from] Findings),
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no way to what the models mean, or it takes a decision.
    #[error(transparent)]
    Refused(#[from] Refusals),
    /// Something would be lost that was not named.
    #[error(transparent)]
    UnconfirmedDataLoss(#[from] UnconfirmedDataLoss),
}
