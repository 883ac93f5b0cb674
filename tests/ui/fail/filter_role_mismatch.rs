//! Filters that require different roles can be combined only after `requires` with the higher one.
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

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Paper {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(select = "member")]
    draft: String,
    #[tenant(select = "admin")]
    price: i64,
}

async fn joined(tx: &mut TenantTx<Admin>) {
    let _ = Paper::list(&mut *tx).filter(Paper::DRAFT.eq("x") | Paper::PRICE.eq(1)).await;
}

fn main() {}
