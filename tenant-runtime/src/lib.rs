//! Keeps the customers of one product apart in PostgreSQL, from one declaration on Rust structs.
//!
//! [`#[derive(TenantTable)]`](macro@TenantTable) says whose rows a table holds and which role may do what. From that come
//!
//! - the migrations: tables, roles, explicit grants, forced row level security with one policy a command (`gen-migrations`);
//! - the methods that an app calls ([`Repository`]), none of which compiles without a [`TenantCtx`] of a sufficient role;
//! - the transaction that carries the context ([`TenantDb`], [`TenantTx`]), so that the database refuses what the app should
//!   not have asked.
//!
//! ```no_run
//! use tenant_runtime::{prelude::*, roles::{Admin, Member, Viewer}};
//! use uuid::Uuid;
//!
//! /// A project of an organization.
//! #[derive(Debug, TenantTable)]
//! #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
//! struct Project {
//!     id: Uuid,
//!     organization_id: Uuid,
//!     name: String,
//! }
//!
//! # async fn f(organization: Uuid, user: Uuid) -> Result<()> {
//! let db = TenantDb::connect("postgres://app_service:secret@localhost/acme").await?;
//! let ctx = TenantCtx::<Member>::vouched(organization, user);
//! let mut tx = db.begin(&ctx).await?;
//! let project = Project::insert(&mut tx, NewProject { name: "first".into() }).await?;
//! // Project::delete(&mut tx, project.id) does not compile: a `Member` context may not delete `Project`.
//! tx.commit().await?;
//! # Ok(()) }
//! ```
//!
//! The modules stand in the order of the data flow; each imports only from those before it.
//!
//! | feature | for |
//! |---|---|
//! | `chrono`, `json` (on by default), `time`, `rust_decimal` | column types of these crates |
//! | `tls` | TLS to the server, by rustls |
//! | `generate` | declarations → schema → plan → SQL, without I/O; audit and proof |
//! | `server` | a private PostgreSQL for commands and tests |
//! | `axum`, `jwt` | extractors that turn a request into a context; a verifier of JSON Web Tokens for them |
//! | `testing` | what tests of an app take: a database for each, made-up tenants, audit and proof |
//! | `cli` | the command line behind `gen-migrations` |

pub mod ident;
pub mod model;
pub mod registry;

#[cfg(feature = "generate")]
pub mod check;
#[cfg(feature = "generate")]
pub mod diff;
#[cfg(feature = "generate")]
pub mod matrix;
#[cfg(feature = "generate")]
pub mod plan;
#[cfg(feature = "generate")]
pub mod prove;
#[cfg(feature = "generate")]
pub mod snapshot;
#[cfg(feature = "generate")]
pub mod sql;

#[cfg(feature = "axum")]
pub mod axum;
pub mod db;
pub mod error;
pub mod migrate;
pub mod repo;
pub mod roles;
pub mod session;
pub mod system;
pub mod tenant;

#[cfg(feature = "generate")]
pub mod audit;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "generate")]
pub mod why;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
mod password;
#[cfg(feature = "server")]
pub mod server;

pub use db::{
    Isolation, PoolStatus, RoleOptions, Savepoint, Scope, SystemCtx, SystemDb, SystemTx, TenantDb, TenantDbOptions,
    TenantTx, TxOptions,
};
pub use error::{Error, MigrationError, Result};
pub use migrate::Migrations;
pub use model::def::SqlType;
pub use registry::Models;
pub use repo::{
    column::PgColumn,
    filter::Filter,
    handle::Handle,
    invitations::{InvitationToken, Invitations},
    members::Members,
    methods::Repository,
    ordered::OrderedColumn,
    page::{Cursor, Page},
    table::TenantTable,
    typed::{Column, TextColumn},
    view::{TenantView, ViewRepository},
};
pub use session::{Session, Visit, Visitor};
pub use tenant::{Role, System, Tenancy, TenantCtx, TextKey, TextKeyError};
pub use tenant_derive::{TenantEnum, TenantTable, TenantView, tenancy};

/// What most modules of an app use: `use tenant_runtime::prelude::*`.
///
/// The roles are not among it, so that those of a tenancy of one's own are never mixed up with the shipped ones.
pub mod prelude {
    pub use crate::{
        Error, Filter, Invitations as _, Members as _, Repository as _, Result, TenantCtx, TenantDb, TenantEnum,
        TenantTable, TenantTx, TenantView, ViewRepository as _,
    };
}

/// What the derives name in the code that they write. No part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use std::vec::Vec;

    pub use inventory;
    pub use sqlx;

    pub use crate::{
        model::def::*,
        registry::Registered,
        repo::{Values, access::*, column::*, derived::*, invitations::*, members::*, table::*, typed::*, view::*},
        roles::{Organizations, Viewer},
        tenant::{KeyNewtype, Role, Tenancy},
    };
}
