//! Bulk methods require a declared command as well.
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
struct Fact {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

async fn many(tx: &mut TenantTx<Admin>) {
    let _ = Fact::insert_many(&mut *tx, []).await;
    let _ = Fact::update_where(&mut *tx, Filter::all_rows(), ()).await;
    let _ = Fact::delete_where(&mut *tx, Fact::NAME.eq("x")).await;
    let _ = Employee::delete_where(&mut *tx, Filter::all_rows()).await;
}

fn main() {}
