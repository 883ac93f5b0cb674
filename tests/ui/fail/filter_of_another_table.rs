//! Filters, sort orders and cursors of another table are rejected.
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

async fn others(tx: &mut TenantTx<Member>, cursor: Cursor<Employee>) {
    let _ = Project::list(&mut *tx).filter(Employee::NAME.eq("x")).await;
    let _ = Project::list(&mut *tx).order(Employee::NAME.asc()).await;
    let _ = Project::list(&mut *tx).after(cursor).await;
    let _ = Project::NAME.eq("x") & Employee::NAME.eq("x");
    let _ = Project::update_where(&mut *tx, Employee::NAME.eq("x"), ProjectChanges::default()).await;
    let _ = Project::update(&mut *tx, Uuid::nil(), ProjectChanges::default()).set(Employee::NAME, "x").await;
}

fn main() {}
