//! The model: declarations, and the validated schema derived from them.

#[cfg(feature = "generate")]
pub mod column_property;
pub mod command;
pub(crate) mod compare;
pub mod def;
#[cfg(feature = "generate")]
pub(crate) mod def_access;
mod def_column;
mod def_index;
mod def_soft_delete;
#[cfg(feature = "generate")]
pub mod expression;
#[cfg(feature = "generate")]
pub mod index;
#[cfg(feature = "generate")]
pub mod migration_hints;
pub mod names;
#[cfg(feature = "generate")]
pub mod pgaudit;
#[cfg(feature = "generate")]
pub mod policy;
#[cfg(feature = "generate")]
pub mod qualified_name;
#[cfg(feature = "generate")]
pub mod role;
#[cfg(feature = "generate")]
pub mod schema;
pub mod sql_type;
pub(crate) mod sqlstate;
mod table_name;
