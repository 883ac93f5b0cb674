//! Signed contexts: what the app can do, and what SQL that is injected into its transactions cannot.

mod app;
mod attacks;
pub(super) mod fixture;
mod fuzz;
mod keys;
mod login_per_role;
mod tools;
mod verify;
