//! Signed contexts: what the app can do, and what SQL that is injected into its transactions cannot.

mod app;
mod attacks;
mod audit_findings;
mod bound_logins;
mod commands;
pub(super) mod fixture;
mod fuzz;
mod harden;
mod keys;
mod login_per_role;
mod tools;
mod verify;
