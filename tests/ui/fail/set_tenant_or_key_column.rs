//! The tenant and primary key columns cannot be set, neither in the structs nor by `set`.
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

async fn fixed(tx: &mut TenantTx<Member>, id: Uuid, other: Uuid) {
    let new = || NewProject { name: String::new(), size: 1, status: Status::Open, note: None };
    let _ = Project::insert(&mut *tx, new()).set(Project::ORGANIZATION_ID, other).await;
    let _ = Project::insert(&mut *tx, new()).set(Project::ID, other).await;
    let _ = Project::update(&mut *tx, id, ProjectChanges::default()).set(Project::ORGANIZATION_ID, other).await;
    let _ = Project::update_where(&mut *tx, Filter::all_rows(), ProjectChanges::default()).set(Project::ID, other).await;
    let _ = ProjectChanges { organization_id: Some(other), ..ProjectChanges::default() };
}

fn main() {}
