//! Migrations: the folder that holds them, how the next one is generated, and how they are applied.

pub mod apply;
mod files;
#[cfg(feature = "generate")]
pub mod folder;
#[cfg(feature = "generate")]
pub mod generate;
#[cfg(feature = "generate")]
pub mod rebase;

pub use apply::{Applied, Migrations, Progress};
pub use files::FilesError;
