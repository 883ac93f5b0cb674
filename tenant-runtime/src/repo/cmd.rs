//! The commands as types, which compiler messages name.
//!
//! ```
//! use tenant_runtime::repo::{access::May, cmd, table::{Delete, Insert}};
//!
//! /// A role that can insert and delete rows of `T`.
//! trait Edits<T: Insert + Delete>: May<cmd::Insert, T, T::InsertRole> + May<cmd::Delete, T, T::DeleteRole> {}
//! ```

/// Reading rows.
#[derive(Debug)]
pub enum Read {}
/// Inserting rows.
#[derive(Debug)]
pub enum Insert {}
/// Updating rows.
#[derive(Debug)]
pub enum Update {}
/// Deleting rows.
#[derive(Debug)]
pub enum Delete {}
/// Reading and restoring deleted rows.
#[derive(Debug)]
pub enum Restore {}
/// Removing deleted rows.
#[derive(Debug)]
pub enum Purge {}
/// Adding, changing and removing members.
#[derive(Debug)]
pub enum Manage {}
/// Inviting a user by e-mail address.
#[derive(Debug)]
pub enum Invite {}
