//! The repository: typed methods on derived structs, each of which requires a tenant context.
//!
//! # Queries
//!
//! For a table `Project` the derive generates a constant for each column, `Project::NAME`, and implements
//! [`Repository`](methods::Repository), whose methods accept `&mut tx` or `&db.scope(&ctx)` as their first argument:
//!
//! ```
//! # use tenant_runtime::{Result, prelude::*, Page, roles::{Admin, Member, Viewer}};
//! # use uuid::Uuid;
//! # #[derive(TenantTable)]
//! # #[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
//! # struct Project { id: Uuid, organization_id: Uuid, #[tenant(unique)] name: String, lead: Option<Uuid>, size: i32 }
//! # async fn f(db: TenantDb, ctx: TenantCtx<Admin>, user: Uuid, new: Vec<NewProject>) -> Result<()> {
//! let mut tx = db.begin(&ctx).await?;
//! let small = Project::SIZE.lt(10) & !Project::LEAD.eq(user);
//!
//! let projects = Project::list(&mut tx).filter(small.clone()).order(Project::NAME.asc()).limit(20).await?;
//! let Page { rows, next } = Project::list(&mut tx).order(Project::SIZE.desc()).page().await?;
//! let how_many = Project::count(&mut tx).filter(small).await?;
//!
//! Project::insert_many(&mut tx, new).await?;
//! Project::upsert(&mut tx, NewProject { name: "x".into(), lead: None, size: 1 }, Project::BY_NAME).await?;
//! let without_lead = ProjectChanges { lead: Some(None), ..ProjectChanges::default() };
//! Project::update_where(&mut tx, Project::LEAD.eq(user), without_lead).await?;
//! Project::delete_where(&mut tx, Project::SIZE.eq(0)).await?;
//! tx.commit().await
//! # }
//! ```
//!
//! With a column that references another table, rows can be read together with their parents (as a list, a page or a
//! stream) and filtered by them: `Task::list(&mut tx).with(Task::PROJECT_ID)`,
//! `Task::PROJECT_ID.where_parent(Project::SIZE.lt(10))`.
//!
//! The compiler checks the role that each call requires. A column's role is part of its type:
//! filters and orders by the column require that role, and so does a call such as
//! `.set(Employee::SALARY, …)`, which sets a column that the structs do not contain.
//!
//! # Custom SQL
//!
//! `&mut tx` is an sqlx executor. Custom SQL runs with the context's role and under the policies:
//!
//! ```
//! # use tenant_runtime::{TenantTx, roles::Viewer};
//! # async fn f(mut tx: TenantTx<Viewer>, typed: &str) -> sqlx::Result<()> {
//! let mut query = sqlx::QueryBuilder::new("SELECT name, count(*) FROM app.projects WHERE name ^@ ");
//! query.push_bind(typed).push(" GROUP BY name");
//! let counts: Vec<(String, i64)> = query.build_query_as().fetch_all(&mut tx).await?;
//! # Ok(()) }
//! ```
//!
//! sqlx's macros are checked at compile time: the server at `DATABASE_URL`, with the migrations applied, plans each
//! statement. Planning a statement requires the privileges to run it, and the app's login role has none without SET
//! ROLE. In the URL, set a role that can run all statements (with `login_per_role`, use that role's login) and the
//! schema for unqualified names:
//!
//! ```sh
//! export DATABASE_URL='postgres://app_service@localhost/dev?options=-crole%3Dapp_admin%20-csearch_path%3Dapp'
//! cargo sqlx prepare      # writes `.sqlx`: commit it, and builds need no database
//! ```
//!
//! Without `sqlx-cli`, `SQLX_OFFLINE_DIR=$PWD/.sqlx cargo check` writes the same files into an existing
//! folder.
//!
//! A statement for which this role has no privileges is then a build error. No rows are read, so no tenant needs to be
//! set. Do not use the table owner: the build would accept statements that the app cannot run.

#[macro_use]
mod column_example;

pub mod access;
mod calendar;
pub mod cmd;
pub mod column;
#[doc(hidden)]
pub mod column_type;
pub mod composite_reference;
pub(crate) mod declared;
pub mod deleted_rows;
#[doc(hidden)]
pub mod derive_support;
pub(crate) mod derived;
pub mod executor;
pub mod filter;
mod function_statement;
pub mod invitations;
pub mod list;
mod literal;
pub mod members;
pub mod methods;
pub mod ordered;
pub mod ordered_key;
pub mod page;
pub mod reads;
pub mod row_key;
pub(crate) mod showing;
mod sql_builder;
mod statement;
#[cfg(test)]
mod statement_tests;
pub mod table;
pub mod tenant_table;
mod text_format;
mod type_oids;
mod value;
pub mod view;
pub mod view_methods;
pub mod writes;

pub(crate) use self::function_statement::{call, keys, memberships};
#[doc(hidden)]
pub use self::value::Values;
