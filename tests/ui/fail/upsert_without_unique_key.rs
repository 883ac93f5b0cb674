//! An upsert requires a unique key of its table.
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

async fn upsert(tx: &mut TenantTx<Member>, new: fn() -> NewProject) {
    let _ = Project::upsert(&mut *tx, new(), Project::SIZE).await;
    let _ = Project::upsert(&mut *tx, new(), Project::NAME).await;
    let _ = Project::upsert(&mut *tx, new(), "name").await;
    let _ = Project::upsert(&mut *tx, new(), Project::BY_SIZE).await;
}

fn main() {}
