//! The model: what was declared, and the checked schema that it becomes.

#[cfg(feature = "generate")]
pub mod column_property;
pub(crate) mod compare;
pub mod def;
#[cfg(feature = "generate")]
pub mod migration_hints;
#[cfg(feature = "generate")]
pub mod pgaudit;
#[cfg(feature = "generate")]
pub mod role;
#[cfg(feature = "generate")]
pub mod schema;
