//! Tenant isolation for PostgreSQL, declared on Rust structs.

#[cfg(feature = "generate")]
pub mod check;
#[cfg(feature = "cli")]
pub mod cli;
pub mod db;
#[cfg(feature = "generate")]
pub mod diff;
pub mod error;
pub mod ident;
pub mod migrate;
pub mod model;
#[cfg(feature = "generate")]
pub mod plan;
pub mod registry;
pub mod repo;
pub mod roles;
#[cfg(feature = "server")]
pub mod server;
#[cfg(feature = "generate")]
pub mod snapshot;
#[cfg(feature = "generate")]
pub mod sql;
pub mod tenant;

pub use db::{Isolation, Scope, TenantDb, TenantDbOptions, TenantTx, TxOptions};
pub use error::{Error, MigrationError, Result};
pub use migrate::Migrations;
pub use model::def::SqlType;
pub use registry::Models;
pub use repo::{column::PgColumn, handle::Handle, methods::Repository, table::TenantTable};
pub use tenant::{Role, Tenancy, TenantCtx};
pub use tenant_derive::{TenantEnum, TenantTable};

/// What the derives name in the code that they write. No part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use inventory;
    pub use sqlx;

    pub use crate::{
        model::def::*,
        registry::Registered,
        repo::{access::*, column::*, derived::*, table::*},
        roles::{Organizations, Viewer},
        tenant::{Role, Tenancy},
    };
}
