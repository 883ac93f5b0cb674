//! The integration tests: one binary, since each further one links everything again.

mod audit;
mod boot;
mod catalog;
mod command_line;
mod context;
mod coverage;
mod declarations;
mod dialect;
mod findings;
mod folder;
mod golden;
mod hygiene;
mod isolation;
mod members;
mod migrating;
mod password;
mod property;
mod references;
mod repository;
mod seeds;
mod server;
mod session;
mod statements;
mod tidy;
mod ui;
