//! The integration tests: one binary, since each further one links everything again.

mod boot;
mod catalog;
mod command_line;
mod context;
mod findings;
mod golden;
mod hygiene;
mod isolation;
mod migrating;
mod repository;
mod server;
mod tidy;
mod ui;
