//! Operators that the column's type does not support.
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
    settings: serde_json::Value,
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

async fn operators(tx: &mut TenantTx<Viewer>) {
    let _ = Project::NAME.is_null();
    let _ = Project::SIZE.is_not_null();
    let _ = Project::SIZE.like("5%");
    let _ = Project::STATUS.starts_with("o");
    let _ = Project::STATUS.gt(Status::Open);
    let _ = Project::list(&mut *tx).order(Project::STATUS.asc()).await;
    let _ = Project::list(&mut *tx).order(Project::SETTINGS.asc()).await;
}

fn main() {}
