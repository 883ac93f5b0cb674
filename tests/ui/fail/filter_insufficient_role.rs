//! Filtering by a column requires its `select` role, since the result would reveal its values.
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

async fn by_salary(viewer: &mut TenantTx<Viewer>, member: &mut TenantTx<Member>) {
    let rich = || Employee::SALARY.gt(100_000);
    let _ = Employee::count(&mut *viewer).filter(rich()).await;
    let _ = Employee::count(&mut *viewer).filter(Employee::NAME.eq("Ann") & rich()).await;
    let _ = Employee::exists(&mut *viewer, !rich()).await;
    let _ = Employee::update_where(&mut *member, rich(), EmployeeChanges::default()).await;
    let _: Filter<Employee, Viewer> = rich().requires::<Viewer>();
}

fn main() {}
