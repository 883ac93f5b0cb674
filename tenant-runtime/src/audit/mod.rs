//! The audit: compares a live database with the declaration and finds ways to bypass the policies.
//!
//! ```no_run
//! # async fn f(admin_url: &str) -> Result<(), Box<dyn std::error::Error>> {
//! use sqlx::Connection;
//! use tenant_runtime::{audit::audit, analyze::check};
//!
//! let schema = check(&tenant_runtime::models![])?.schema;
//! let mut administrator = sqlx::PgConnection::connect(admin_url).await?;
//! let report = audit(&mut administrator, &schema).await?;
//! assert!(report.is_clean(), "{report}");
//! # Ok(()) }
//! ```
//!
//! The codes of findings are stable. `TA1…` is drift: a difference between the database and the declaration. `TA2…` is
//! a bypass: an undeclared object or privilege through which the policies can be bypassed. [`RULES`] lists them.

mod baseline;
mod bound_logins;
mod bypass;
mod bypass_finding;
mod canonical;
mod catalog;
mod compare;
mod expected;
mod finding;
mod fix;
mod inspect;
mod inventory;
mod partition;
mod reachable_finding;
mod report;
mod sarif;
mod text;

pub use self::{
    baseline::{Baseline, BaselineError},
    catalog::{Catalog, Name, Object, State},
    finding::{Finding, RULES, Rule, Severity},
    report::{Accepted, AuditError, Report, audit},
};
