//! The audit: whether the live database is what was declared, and what leads around it.

mod catalog;
mod inspect;

pub use self::catalog::{Catalog, Name, Object, State};
