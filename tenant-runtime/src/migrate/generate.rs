//! Generating: from the models and the folder to the next migrations, or to nothing to do.

use super::folder::{Folder, FolderError, Written};
use crate::{
    check::{Checked, Findings, check},
    diff::diff,
    model::schema::Schema,
    plan::{Unplanned, plan},
    registry::Models,
    sql::{self, Migration},
};

/// What is to be done in a folder to follow the models.
#[derive(Debug)]
pub struct Generated {
    /// The schema that the models mean, and what is doubtful in it.
    pub checked: Checked,
    /// What changes, in words.
    pub changes: Vec<String>,
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
/// When the models have errors, the folder cannot be read or is not in order, or there is no plan for what has changed.
pub fn generate(models: &Models, folder: &Folder) -> Result<Generated, GenerateError> {
    let checked = check(models)?;
    let contents = folder.contents()?;
    let (changes, migrations) = migrations(&contents.snapshot.schema, &checked.schema)?;
    let files = contents.named(&migrations);
    folder.check_unknown(&contents, &files)?;
    Ok(Generated { checked, changes, migrations, files, by_hand: contents.by_hand })
}

/// Plans the way from one schema to another; returns what changes in words, and the migrations.
pub(super) fn migrations(before: &Schema, after: &Schema) -> Result<(Vec<String>, Vec<Migration>), GenerateError> {
    let changes = diff(before, after).iter().map(ToString::to_string).collect();
    Ok((changes, sql::migrations(&plan(before, after)?)))
}

impl Generated {
    /// Says whether there is nothing to write.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.migrations.is_empty() && self.by_hand.is_empty()
    }

    /// Writes the migrations and the snapshot, if there is anything to write.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Folder) -> Result<Option<Written>, FolderError> {
        if self.is_nothing() {
            return Ok(None);
        }
        folder.write(&self.migrations, &self.checked.schema).map(Some)
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
    /// There is no plan for what has changed.
    #[error(
        "the models have changed in a way that this version cannot write a migration for yet:\n{}\n  help: if no migration \
         has run anywhere, delete the generated files and start over; else write this one by hand",
        .0.changes.iter().map(|change| format!("  - {change}")).collect::<Vec<_>>().join("\n")
    )]
    Unplanned(#[from] Unplanned),
}
