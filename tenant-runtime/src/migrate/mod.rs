//! Migrations: the migrations folder, and generating, applying and reverting migrations.
//!
//! An app can embed its migrations and apply them at startup. This requires the URL of an administrator, which the rest of the
//! app must not use:
//!
//! ```no_run
//! use tenant_runtime::{Migrations, migrate::Progress};
//!
//! # async fn f() -> tenant_runtime::Result<()> {
//! # let migrator = sqlx::migrate::Migrator::DEFAULT;
//! // static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("migrations");
//! let migrations = Migrations::embedded(&migrator)?;
//! let url = "postgres://administrator@localhost/acme";
//! for migration in migrations.pending(url, None).await? {
//!     eprintln!("{} has {} statements", migration.file, migration.statements.len());
//! }
//! let applied = migrations
//!     .apply(url, &mut |step| {
//!         if let Progress::Done { file, elapsed, .. } = step {
//!             eprintln!("applied {file} in {elapsed:?}");
//!         }
//!     })
//!     .await?;
//! eprintln!("applied {} migrations", applied.versions.len());
//! # Ok(()) }
//! ```
//!
//! If several instances start at the same time, one instance applies the migrations and the others wait for it.

mod apply;
mod failure;
mod files;
#[cfg(feature = "generate")]
pub mod folder;
#[cfg(feature = "generate")]
mod folder_error;
#[cfg(feature = "generate")]
pub mod generate;
#[cfg(feature = "generate")]
mod git;
mod history;
mod leftovers;
mod migrations;
#[cfg(feature = "generate")]
pub mod new;
mod privileges;
mod progress;
#[cfg(feature = "generate")]
pub mod rebase;
mod revert;
mod run;
mod session;
mod statement_check;
mod statements;
#[cfg(feature = "generate")]
pub mod undo;

pub use self::{
    apply::Applied,
    files::FilesError,
    migrations::{MigrationStatus, Migrations, Pending, State},
    progress::Progress,
    revert::{Revert, ToRevert},
    statement_check::Refused,
    statements::Statement,
};
