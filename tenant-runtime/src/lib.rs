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
//! // Does not compile, as a `Member` context may not delete `Project`:
//! // Project::delete(&mut tx, project.id).await?;
//! tx.commit().await?;
//! # Ok(()) }
//! ```
//!
//! # Finding one's way
//!
//! | to | see |
//! |---|---|
//! | declare tables, enums, and views of tables | the derives [`TenantTable`](macro@TenantTable), [`TenantEnum`](macro@TenantEnum), [`TenantView`](macro@TenantView) |
//! | have roles, keys or settings of one's own | [`tenancy!`], [`tenant_key!`] |
//! | write the migrations, and apply them | `cli` (`gen-migrations`); [`Migrations`], from within an app |
//! | connect | [`TenantDb::connect`], [`TenantDbOptions`] |
//! | say who acts | [`UserCtx`], [`Session`], [`TenantCtx`]; `axum::Tenant` |
//! | begin, undo a part, begin anew after a collision | [`TenantDb::begin`], [`TenantTx::savepoint`], [`TenantDb::retry`] |
//! | make a single call, in a transaction of its own | [`TenantDb::scope`] |
//! | find, list, count, insert, update and delete rows | [`Repository`] |
//! | say which rows, in which order, page by page | [`Column`], [`Filter`], [`List`](repo::list::List), [`Page`] |
//! | read rows with those that they refer to | [`List::with`](repo::list::List::with), [`Column::where_parent`] |
//! | run SQL of one's own | [`repo`](repo#sql-of-ones-own): `&mut tx` is an sqlx executor |
//! | add members, change their roles, invite | [`Members`], [`Invitations`], [`UserScope::accept`] |
//! | run jobs that cross tenants | [`SystemDb`] |
//! | know what went wrong | [`Error`]; `axum::Problem`, as a response |
//! | test an app | `testing` |
//! | see that it holds | `audit`, `verify`, `matrix`, `why` |
//!
//! # Who may call what
//!
//! Who acts is one of these types, and what each can do is known to rustc:
//!
//! | type | comes from | can |
//! |---|---|---|
//! | [`UserCtx`] | [`assume_authorized`](UserCtx::assume_authenticated) of a signed-in user, or [`anonymous`](UserCtx::anonymous) | by [`TenantDb::user_scope`]: list the own organizations, begin a session, found an organization, accept an invitation; sign up |
//! | [`TenantCtx<R>`](TenantCtx) | [`Session::require`], which was looked up, or `axum::Tenant`; or [`assume_authorized`](TenantCtx::assume_authorized) | by [`TenantDb::begin`] or [`scope`](TenantDb::scope): in one tenant, what the role `R` may, as below |
//! | [`SystemCtx`] | [`SystemDb::begin_access`], with a reason that is recorded | what `system(…)` says: in all tenants by SQL of one's own, in one after the other by the repository too |
//!
//! A repository method takes the role that the table's declaration names, or one above it:
//!
//! | methods | attribute |
//! |---|---|
//! | `find`, `get`, `find_many`, `list` | `select` of the table, and of each column that has one; a [`TenantView`](macro@TenantView) reads the others |
//! | `count`, `exists`, conditions and orders | `select` of the table, and of each column that is named |
//! | `insert`, `insert_many`; `.set(…)` | `insert` of the table; of the column |
//! | `update`, `update_where`; `.set(…)` | `update`, or `update_own` for rows of one's own; `update` of the column |
//! | `upsert` | `insert` and `update` |
//! | `delete`, `delete_where` | `delete`, or `delete_own` for rows of one's own |
//! | `add_member`, `change_role`, `remove_member` | `insert`, `update`, `delete` of the membership table, which are one role |
//! | `leave` | any role |
//! | `invite` | `insert` of the table of invitations |
//!
//! What returns a row reads it: `insert`, `update` and `upsert` take what `get` takes, besides. `gen-migrations matrix` prints
//! which role may do what with each table of an app.
//!
//! # Features
//!
//! | feature | for |
//! |---|---|
//! | `chrono`, `json` (on by default), `time`, `rust_decimal` | column types of these crates |
//! | `tls` | TLS to the server, by rustls |
//! | `generate` | declarations → schema → plan → SQL, without I/O; `audit`, `verify`, `matrix`, `why` |
//! | `server` | a private PostgreSQL for commands and tests |
//! | `axum`, `jwt` | extractors that turn a request into a context; a verifier of JSON Web Tokens for them |
//! | `testing` | what tests of an app take: a database for each, made-up tenants, audit and proof |
//! | `cli` | the command line behind `gen-migrations` |
//!
//! The oldest Rust is 1.94, which sqlx asks for. [`ident`], [`model`], `check`, `snapshot`, `diff`, `plan` and `sql` are what the
//! generator is made of: for tools, and likelier to change than the rest.

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod ident;
pub mod model;
pub mod registry;

#[cfg(feature = "generate")]
pub mod analyze;
#[cfg(feature = "generate")]
pub mod diff;
#[cfg(feature = "generate")]
pub mod matrix;
#[cfg(feature = "generate")]
pub mod plan;
#[cfg(feature = "generate")]
pub mod snapshot;
#[cfg(feature = "generate")]
pub mod sql;
#[cfg(feature = "generate")]
pub mod verify;

#[cfg(feature = "axum")]
pub mod axum;
pub mod cross_tenant;
pub mod db;
pub mod error;
pub mod migrate;
pub mod repo;
pub mod roles;
pub mod session;
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
mod codes;
#[cfg(feature = "cli")]
mod password;
#[cfg(feature = "server")]
pub mod server;

#[doc(inline)]
pub use db::{
    Isolation, PoolStatus, RoleOptions, Savepoint, Scope, SystemCtx, SystemDb, SystemTx, TenantDb, TenantDbOptions,
    TenantTx, TxOptions,
};
#[doc(inline)]
pub use error::{Error, MigrationError, Result};
#[doc(inline)]
pub use migrate::Migrations;
#[doc(inline)]
pub use model::def::SqlType;
#[doc(inline)]
pub use registry::Models;
#[doc(inline)]
pub use repo::{
    column::{Column, TextColumn},
    column_type::PgColumn,
    executor::TenantExecutor,
    filter::Filter,
    invitations::{InvitationToken, Invitations},
    members::Members,
    methods::Repository,
    ordered::OrderedColumn,
    page::{Cursor, Page},
    table::TenantTable,
    view::{TenantView, ViewRepository},
};
#[doc(inline)]
pub use session::{Session, UserCtx, UserScope};
#[doc(inline)]
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
        repo::{
            Values,
            access::*,
            column::*,
            column_type::*,
            declared::{ByJobs, CreatesTenant, Everything, Showing, SignsUp, TenantRows, Yes, named, unique_by},
            derive_support::*,
            invitations::*,
            members::*,
            table::*,
            view::*,
        },
        roles::{Organizations, Viewer},
        tenant::{
            KeyNewtype, Role, Tenancy,
            lattice::{First, Next},
        },
    };
}
