//! The audit: whether the live database is what was declared, and what leads around it.
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
//! The codes of findings are stable. `TA1…` is drift: the database is not what was declared. `TA2…` are doors: what lies
//! outside of the declaration and leads around it. [`RULES`] lists them.

mod baseline;
mod bypass;
mod canonical;
mod catalog;
mod compare;
mod expected;
mod finding;
mod fix;
mod inspect;
mod partition;
mod report;
mod sarif;
mod text;

pub use self::{
    baseline::{Baseline, BaselineError},
    catalog::{Catalog, Name, Object, State},
    finding::{Finding, RULES, Rule, Severity},
    report::{Accepted, AuditError, Report, audit},
};
