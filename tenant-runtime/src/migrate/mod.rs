//! Migrations: the folder that holds them, how the next one is generated, and how they are applied.

pub mod apply;
#[cfg(feature = "generate")]
pub mod folder;
#[cfg(feature = "generate")]
pub mod generate;

pub use apply::{Applied, Migrations, Progress};
