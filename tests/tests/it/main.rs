//! The integration tests: one binary, since each further one links everything again.

mod context;
mod golden;
mod server;
mod ui;
