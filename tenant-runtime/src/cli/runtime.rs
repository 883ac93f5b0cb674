//! Helpers that several commands share: running futures, applying the folder's migrations, and printing errors with
//! their causes.

use super::{Failure, progress::ProgressDisplay};
use crate::{
    migrate::{Applied, Migrations, folder::Folder, generate::generate},
    registry::Models,
};

/// Runs a future to completion.
pub(super) fn block_on<F: Future>(future: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Message(format!("cannot start the async runtime: {error}")))?;
    Ok(runtime.block_on(future))
}

/// Returns an error with its causes, one per line. The messages of some sqlx errors already end with their cause.
pub(super) fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source()).map(ToString::to_string);
    causes.fold(error.to_string(), |text, cause| match text.ends_with(&cause) {
        true => text,
        false => format!("{text}\n  caused by: {cause}"),
    })
}

/// Returns an error if the folder lacks migrations for the models.
pub(super) fn require_up_to_date(models: &Models, folder: &Folder) -> Result<(), Failure> {
    match generate(models, folder)?.migrations.is_empty() {
        true => Ok(()),
        false => Err(Failure::Message(
            "the migrations do not match the models: a migration is missing\n  help: run this program without a command to \
             generate it"
                .into(),
        )),
    }
}

/// Reads the migrations of the folder.
pub(super) fn read_migrations(folder: &Folder) -> Result<Migrations, Failure> {
    block_on(Migrations::from_dir(folder.path()))?.map_err(|error| Failure::Message(with_causes(&error)))
}

/// Applies the migrations of the folder, and shows progress.
pub(super) fn apply_folder(folder: &Folder, url: &str, to: Option<i64>) -> Result<Applied, Failure> {
    let migrations = read_migrations(folder)?;
    let mut display = ProgressDisplay::new("applied");
    block_on(migrations.apply_to(url, to, &mut |progress| display.show(progress)))?
        .map_err(|error| Failure::Message(with_causes(&error)))
}
