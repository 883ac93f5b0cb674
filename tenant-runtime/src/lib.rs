//! Multi-tenant row-level security for PostgreSQL, generated from Rust structs.
//!
//! [`#[derive(TenantTable)]`](macro@TenantTable) declares which tenant a row belongs to and which
//! role can run which command. From these declarations the crate generates
//!
//! - migrations: tables, roles, explicit grants, and forced row-level security (RLS) with one
//!   policy for each command and role (`gen-migrations`);
//! - typed repository methods ([`Repository`]), which compile only with a [`TenantCtx`] of a
//!   sufficient role;
//! - transactions that carry the tenant context ([`TenantDb`], [`TenantTx`]), so that PostgreSQL
//!   itself limits each query to what the context allows.
//!
//! ```no_run
//! use tenant_runtime::{Result, prelude::*, roles::{Admin, Member, Viewer}};
//! use uuid::Uuid;
//!
//! /// A project of an organization.
//! #[derive(Debug, TenantTable)]
//! #[tenant(org = "organization_id")]
//! #[tenant(select = "viewer", insert = "member", update = "member", delete = "admin")]
//! struct Project {
//!     id: Uuid,
//!     organization_id: Uuid,
//!     name: String,
//! }
//!
//! # async fn f(organization: Uuid, user: Uuid) -> Result<()> {
//! let db = TenantDb::connect("postgres://app_service:secret@localhost/acme").await?;
//! let ctx = TenantCtx::<Member>::assume_authorized(organization, user);
//! let mut tx = db.begin(&ctx).await?;
//! let project = Project::insert(&mut tx, NewProject { name: "first".into() }).await?;
//! // Does not compile: a `Member` context cannot delete a `Project`.
//! // Project::delete(&mut tx, project.id).await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # Overview
//!
//! | task | see |
//! |---|---|
//! | declare tables, enums, and views of tables | the derives [`TenantTable`](macro@TenantTable), [`TenantEnum`](macro@TenantEnum), [`TenantView`](macro@TenantView) |
//! | declare custom roles, key types or settings | [`tenancy!`], [`tenant_key!`] |
//! | generate and apply migrations | `cli` (`gen-migrations`); [`Migrations`] inside an app |
//! | connect; connection pools, timeouts | [`TenantDb::connect`], [`TenantDbOptions`]; hosted servers require the feature `tls` |
//! | authentication and sessions | [`UserCtx`], [`Session`], [`TenantCtx`]; `axum::Tenant` |
//! | transactions, savepoints, retries | [`TenantDb::begin`], [`TenantTx::savepoint`], [`TenantDb::retry`] |
//! | single calls, each in a separate transaction | [`TenantDb::scope`] |
//! | find, list, count, insert, update and delete rows (CRUD) | [`Repository`] |
//! | filters, sorting and pagination | [`Column`], [`Filter`], [`List`](repo::list::List), [`Page`] |
//! | joins: read rows with the rows that they reference | [`List::with`](repo::list::List::with), [`Column::where_parent`] |
//! | custom SQL | [`repo`]: `&mut tx` is an sqlx executor |
//! | members, roles and invitations | [`Members`], [`Invitations`], [`UserScope::accept`] |
//! | cross-tenant background jobs | [`SystemDb`] |
//! | error handling | [`Error`]; `axum::Problem` as an HTTP response |
//! | testing an app | `testing` |
//! | audit for drift, verify isolation, explain permissions | `audit`, `verify`, `matrix`, `why` |
//!
//! # Required roles by method
//!
//! Every operation runs with one of three contexts; the compiler checks what each context allows:
//!
//! | context | created by | allows |
//! |---|---|---|
//! | [`UserCtx`] | [`assume_authenticated`](UserCtx::assume_authenticated) for a signed-in user, or [`anonymous`](UserCtx::anonymous) | through [`TenantDb::user_scope`]: list the user's tenants, start a session, create a tenant, accept an invitation; sign up |
//! | [`TenantCtx<R>`](TenantCtx) | [`Session::require`] after a lookup of the membership, or `axum::Tenant`; or [`assume_authorized`](TenantCtx::assume_authorized) | through [`TenantDb::begin`] or [`scope`](TenantDb::scope): in one tenant, the methods that role `R` allows, see below |
//! | [`SystemCtx`] | [`SystemDb::begin_access`], with a recorded reason | the commands in `system(…)`: in all tenants with custom SQL, in one tenant at a time also with the repository |
//!
//! A repository method requires the role that the declaration of the table names, or a higher one:
//!
//! | methods | attribute |
//! |---|---|
//! | `find`, `get`, `find_many`, `list` | `select` of the table and of each column that has one; a [`TenantView`](macro@TenantView) reads the remaining columns |
//! | `count`, `exists`, filters and sorting | `select` of the table and of each named column |
//! | `insert`, `insert_many`; `.set(…)` | `insert` of the table; of the column |
//! | `update`, `update_where`; `.set(…)` | `update`, or `update_own` for rows that the user owns; `update` of the column |
//! | `upsert` | `insert` and `update` |
//! | `delete`, `delete_where` | `delete`, or `delete_own` for rows that the user owns |
//! | `list_deleted`, `restore` | `restore` |
//! | `purge`, `purge_where` | `purge` |
//! | `add_member`, `change_role`, `remove_member` | `insert`, `update`, `delete` of the membership table, which name the same role |
//! | `leave` | any role |
//! | `invite` | `insert` of the invitation table |
//!
//! Methods that return a row also require the `select` role: `insert`, `update` and `upsert`
//! require the roles of `get` as well. `gen-migrations matrix` prints the commands that each role
//! can run on each table of an app.
//!
//! # Features
//!
//! | feature | adds | depends on |
//! |---|---|---|
//! | `chrono` (default) | `DateTime<Utc>`, `NaiveDate` and other column types | `chrono`, through sqlx |
//! | `json` (default) | `serde_json::Value` and `Json<T>` columns | `serde_json` |
//! | `time` | `OffsetDateTime`, `Date` and other column types | `time`, through sqlx |
//! | `rust_decimal` | `Decimal` columns | `rust_decimal`, through sqlx |
//! | `tls` | TLS connections; hosted servers require it | `rustls` with `ring`, through sqlx |
//! | `generate` | the generator (declarations → schema → plan → SQL, no I/O), `audit`, `verify`, `matrix`, `why` | `serde`, `serde_json`, `sqlparser` |
//! | `server` | a temporary PostgreSQL server for commands and tests | none |
//! | `axum` | extractors that turn a request into a tenant context, and errors into responses | `axum`, `serde_json` |
//! | `jwt` | a JSON Web Token verifier for these extractors | feature `axum`; `jsonwebtoken`, `serde` |
//! | `testing` | a database for each test, sample tenants, and checks of isolation | features `generate`, `server` |
//! | `cli` | the command line of `gen-migrations` | features `generate`, `server`; `clap`, `indicatif`, `postgres-protocol`, `rpassword`, `toml_edit`, tokio's `rt-multi-thread` |
//!
//! The minimum supported Rust version is 1.94, which sqlx requires.

#![cfg_attr(docsrs, feature(doc_cfg))]

// The parts of the generator. They are public only for this workspace's tests and can change in any
// release.
#[cfg(feature = "generate")]
#[doc(hidden)]
pub mod analyze;
#[cfg(feature = "generate")]
#[doc(hidden)]
pub mod diff;
#[doc(hidden)]
pub mod ident;
#[doc(hidden)]
pub mod model;
#[cfg(feature = "generate")]
#[doc(hidden)]
pub mod plan;
mod registry;
#[cfg(feature = "generate")]
#[doc(hidden)]
pub mod snapshot;
#[cfg(feature = "generate")]
#[doc(hidden)]
pub mod sql;

#[cfg(feature = "generate")]
pub mod audit;
#[cfg(feature = "axum")]
pub mod axum;
#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
mod codes;
mod cross_tenant;
pub mod db;
pub mod error;
mod hex;
#[cfg(feature = "generate")]
pub mod matrix;
pub mod migrate;
#[cfg(feature = "cli")]
mod password;
pub mod repo;
pub mod roles;
#[cfg(feature = "server")]
pub mod server;
pub mod session;
pub mod tenant;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "generate")]
pub mod verify;
#[cfg(feature = "generate")]
pub mod why;

#[doc(inline)]
pub use cross_tenant::Outcomes;
#[doc(inline)]
pub use db::{
    InlineValues, InvalidSigningKey, Isolation, PoolStatus, RoleOptions, Savepoint, Scope, SigningKey, SystemCtx,
    SystemDb, SystemTx, TenantDb, TenantDbOptions, TenantTx, ThenCommit, TxOptions, TxStatements,
};
#[doc(inline)]
pub use error::{Error, MigrationError, Result};
#[doc(inline)]
pub use migrate::Migrations;
#[doc(inline)]
pub use model::def::{EnumDef, LabelsDef, SqlType};
#[doc(inline)]
pub use registry::Models;
#[doc(inline)]
pub use repo::{
    column::{Column, TextColumn},
    column_type::PgColumn,
    deleted_rows::DeletedRows,
    executor::TenantExecutor,
    filter::Filter,
    invitations::{InvitationToken, Invitations},
    members::Members,
    methods::Repository,
    ordered::OrderedColumn,
    page::{Cursor, Page},
    tenant_table::TenantTable,
    view::TenantView,
    view_methods::ViewRepository,
};
#[doc(inline)]
pub use session::{Session, UserCtx, UserScope};
#[doc(inline)]
pub use tenant::{Role, System, Tenancy, TenantCtx, TextKey, TextKeyError};
pub use tenant_derive::{TenantEnum, TenantTable, TenantView, tenancy};

/// The items that most modules of an app use: `use tenant_runtime::prelude::*`.
///
/// Roles are not included, so that the roles of a custom tenancy cannot be confused with the
/// built-in roles. [`Result`] is not included, because it would shadow the standard library's
/// `Result`.
///
/// ```no_run
/// use tenant_runtime::{prelude::*, roles::Viewer};
///
/// async fn begin(db: &TenantDb, ctx: &TenantCtx<Viewer>) -> tenant_runtime::Result<TenantTx<Viewer>> {
///     db.begin(ctx).await
/// }
/// ```
pub mod prelude {
    pub use crate::{
        DeletedRows as _, Error, Filter, Invitations as _, Members as _, Repository as _, TenantCtx, TenantDb,
        TenantEnum, TenantTable, TenantTx, TenantView, ViewRepository as _,
    };
}

/// The items that the code generated by the derives uses. Not part of the public API.
#[doc(hidden)]
pub mod __private {
    pub use std::{string::String, vec::Vec};

    pub use inventory;
    pub use sqlx;

    pub use crate::{
        model::def::*,
        registry::Registered,
        repo::{
            Values,
            access::*,
            cmd,
            column::*,
            column_type::*,
            declared::{ByJobs, CreatesTenant, Everything, SignsUp, TenantRows, Yes},
            derive_support::*,
            derived::{named, unique_by},
            invitations::*,
            members::*,
            ordered::OrderedColumn,
            showing::Showing,
            table::*,
            tenant_table::TenantTable,
            view::*,
            view_methods::ViewRepository,
        },
        roles::{Organizations, Viewer},
        tenant::{
            KeyNewtype, Role, Tenancy,
            lattice::{First, Next},
        },
    };
}
