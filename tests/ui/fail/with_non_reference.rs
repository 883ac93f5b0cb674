//! `with` requires a column that references a table, and the role to read it.
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

async fn with(admin: &mut TenantTx<Admin>, viewer: &mut TenantTx<Viewer>) {
    let _ = Project::list(&mut *admin).with(Project::NAME).await;
    let _ = Project::list(&mut *admin).with(Employee::PROJECT_ID).await;
    let _ = Task::list(&mut *viewer).with(Task::EMPLOYEE_ID).await;
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Employee)]
    employee_id: Uuid,
}

fn main() {}
