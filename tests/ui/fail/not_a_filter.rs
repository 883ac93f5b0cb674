//! Strings, Rust comparisons and missing arguments are not filters.
#![allow(unused_imports)]

use tenant_runtime::{
    Cursor, Filter, Repository, TenantDb, TenantEnum, TenantTable, TenantTx,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, Clone, Copy, TenantEnum)]
enum Status {
    Open,
    Done,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(unique)]
    name: String,
    size: i32,
    status: Status,
    note: Option<String>,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
struct Employee {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Project)]
    project_id: Uuid,
    name: String,
    #[tenant(select = "admin", insert = "admin", update = "admin")]
    salary: i64,
}

async fn conditions(tx: &mut TenantTx<Admin>) {
    let _ = Project::list(&mut *tx).filter("name = 1").await;
    let _ = Project::list(&mut *tx).filter(Project::NAME == "x").await;
    let _ = Project::list(&mut *tx).filter(Project::NAME.eq("x") && Project::SIZE.eq(1)).await;
    let _ = Project::delete_where(&mut *tx).await;
    let _ = Project::update_where(&mut *tx, ProjectChanges::default()).await;
    let _ = Project::list(&mut *tx).order(Project::NAME).await;
}

fn main() {}
