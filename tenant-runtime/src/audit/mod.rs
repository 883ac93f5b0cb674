//! The audit: whether the live database is what was declared, and what leads around it.

mod baseline;
mod canonical;
mod catalog;
mod compare;
mod doors;
mod expect;
mod finding;
mod inspect;
mod mend;
mod report;
mod sarif;

pub use self::{
    baseline::{Baseline, BaselineError},
    catalog::{Catalog, Name, Object, State},
    finding::{Finding, RULES, Rule, Severity},
    report::{Accepted, AuditError, Report, audit},
};
