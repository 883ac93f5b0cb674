//! The repository: typed methods on derived structs, each of which takes a tenant context.
//!
//! # What the derive makes
//!
//! For a table `Project` it makes a constant for each column, `Project::NAME`, and the methods of
//! [`Repository`](methods::Repository), each of which takes `&mut tx` or `&db.scope(&ctx)`:
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
//! A column that refers to another table reads rows with those that they refer to, as a list, a page or a stream, and asks
//! for what these hold: `Task::list(&mut tx).with(Task::PROJECT_ID)`, `Task::PROJECT_ID.where_parent(Project::SIZE.lt(10))`.
//!
//! The role that each takes is known to rustc. A column that takes a role of its own carries it in its type: conditions and
//! orders by it ask for that role, and so does `.set(Employee::SALARY, …)`, which writes what no struct holds.
//!
//! # SQL of one's own
//!
//! `&mut tx` is an sqlx executor, and whatever runs on it runs as the context's role and under the policies:
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
//! sqlx's macros are checked when they compile, by describing each statement to the server at `DATABASE_URL`, whose database
//! has the migrations. That plans the statement, which takes the rights to run it, and the app's login has none of its own. So
//! let the URL name a role, the one that may do all that the app's statements do (with a login for each role, by that role's),
//! and the schema where they do not:
//!
//! ```sh
//! export DATABASE_URL='postgres://app_service@localhost/dev?options=-crole%3Dapp_admin%20-csearch_path%3Dapp'
//! cargo sqlx prepare      # keeps what was learned in `.sqlx`: commit it, and builds without `DATABASE_URL` read it there
//! ```
//!
//! Without sqlx's command line, `SQLX_OFFLINE_DIR=$PWD/.sqlx cargo check` keeps the same in a folder that is there.
//!
//! A statement that this role may not run is then an error of the build. No row is read, so no tenant is named. The owner of
//! the tables could describe as well, and whatever it may, the build would take for right.

pub mod access;
pub mod column;
#[doc(hidden)]
pub mod column_type;
pub(crate) mod declared;
#[doc(hidden)]
pub mod derive_support;
pub mod executor;
pub mod filter;
pub mod invitations;
pub mod list;
pub mod members;
pub mod methods;
pub mod ordered;
pub mod page;
pub mod reads;
mod sql_builder;
mod statement;
#[cfg(test)]
mod statement_tests;
pub mod table;
mod value;
pub mod view;
pub mod writes;

#[doc(hidden)]
pub use self::value::Values;
pub(crate) use self::{
    sql_builder::BoundStatement,
    statement::{call, keys, memberships},
};
