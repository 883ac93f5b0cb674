//! A column with a separate role is set only by that role, and is not in the structs.
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

async fn raise(tx: &mut TenantTx<Member>, id: Uuid) {
    let new = NewEmployee { project_id: id, name: String::new() };
    let _ = Employee::insert(&mut *tx, new).set(Employee::SALARY, 5).await;
    let _ = Employee::update_where(&mut *tx, Filter::all_rows(), EmployeeChanges::default()).set(Employee::SALARY, 5).await;
    let _ = EmployeeChanges { salary: Some(5), ..EmployeeChanges::default() };
}

fn main() {}
