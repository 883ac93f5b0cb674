//! Bulk methods require the role of their command.
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

async fn many(viewer: &mut TenantTx<Viewer>, member: &mut TenantTx<Member>, new: fn() -> NewProject) {
    let _ = Project::insert_many(&mut *viewer, [new()]).await;
    let _ = Project::upsert(&mut *viewer, new(), Project::BY_NAME).await;
    let _ = Project::update_where(&mut *viewer, Filter::all_rows(), ProjectChanges::default()).await;
    let _ = Project::delete_where(&mut *member, Filter::all_rows()).await;
    let _ = Employee::find_many(&mut *member, [Uuid::nil()]).await;
}

fn main() {}
