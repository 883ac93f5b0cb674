//! Generating: from the models and the folder to the next migrations, or to nothing to do.

use super::folder::{Folder, FolderError, Written};
use crate::{
    check::{Checked, Findings, check},
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
    /// The next migrations, in the order in which they are to run; none where the folder is up to date.
    pub migrations: Vec<Migration>,
}

/// Generates the next migrations without writing anything.
///
/// # Errors
///
/// When the models have errors, the folder cannot be read, or there is no plan for what has changed.
pub fn generate(models: &Models, folder: &Folder) -> Result<Generated, GenerateError> {
    let checked = check(models)?;
    let before: Schema = folder.schema()?;
    let plan = plan(&before, &checked.schema)?;
    let migrations = sql::migrations(&plan);
    Ok(Generated { checked, migrations })
}

impl Generated {
    /// Writes the migrations, if there are any, and the snapshot.
    ///
    /// # Errors
    ///
    /// When the folder cannot be written.
    pub fn write(&self, folder: &Folder) -> Result<Option<Written>, FolderError> {
        if self.migrations.is_empty() {
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
