//! The model: declarations, and the validated schema that is derived from them.

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
