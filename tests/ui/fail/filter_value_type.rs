//! A column is compared with and set to values of its type only.
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

async fn values(tx: &mut TenantTx<Member>, id: Uuid) {
    let _ = Project::NAME.eq(5);
    let _ = Project::SIZE.lt("5");
    let _ = Project::SIZE.eq(5_i64);
    let _ = Project::STATUS.in_(["open"]);
    let _ = Project::NAME.ne(None::<String>);
    let _ = Project::NAME.like(5);
    let _ = Project::update(&mut *tx, id, ProjectChanges::default()).set(Project::SIZE, "5").await;
}

fn main() {}
