//! The repository: typed methods on derived structs, each of which takes a tenant context.

pub mod access;
pub mod column;
pub mod derived;
pub mod handle;
pub mod members;
pub mod methods;
mod statement;
pub mod table;
pub mod view;

pub(crate) use self::statement::{Built, call, memberships};
