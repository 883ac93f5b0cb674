//! Bulk methods require a context, and a transaction runs one query at a time.
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

async fn without(db: &TenantDb, pool: &sqlx::PgPool) {
    let _ = Project::find_many(db, [Uuid::nil()]).await;
    let _ = Project::list(pool).filter(Project::SIZE.eq(1)).await;
    let _ = Project::exists(db, Project::SIZE.eq(1)).await;
}

async fn at_once(tx: &mut TenantTx<Viewer>) {
    let rows = Project::list(&mut *tx).stream();
    let _ = Project::count(&mut *tx).await;
    drop(rows);
}

fn main() {}
