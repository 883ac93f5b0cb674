//! The audit: whether the live database is what was declared, and what leads around it.

mod canonical;
mod catalog;
mod compare;
mod doors;
mod expect;
mod finding;
mod inspect;
mod mend;
mod report;

pub use self::{
    catalog::{Catalog, Name, Object, State},
    finding::{Finding, RULES, Rule, Severity},
    report::{AuditError, Report, audit},
};
