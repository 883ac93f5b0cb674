//! A method that requires a higher role than the context's does not compile.

use tenant_runtime::{
    Repository, TenantCtx, TenantDb, TenantTable, TenantTx,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

async fn commands(viewer: &mut TenantTx<Viewer>, db: &TenantDb, member: &TenantCtx<Member>) {
    let _ = Project::insert(&mut *viewer, NewProject { name: String::new() }).await;
    let _ = Project::delete(&db.scope(member), Uuid::nil()).await;
}

fn main() {}
