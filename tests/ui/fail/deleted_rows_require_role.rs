//! Deleted rows are restored and removed by the declared roles only, and jobs do not mark rows as deleted.

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{
    DeletedRows, Repository, System, TenantTable, TenantTx,
    roles::{Admin, Member, Organizations, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "member", restore = "member", purge = "admin")]
#[tenant(system(select, delete))]
struct Page {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(soft_delete)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin")]
struct Note {
    id: Uuid,
    organization_id: Uuid,
}

async fn deleted(
    viewer: &mut TenantTx<Viewer>,
    member: &mut TenantTx<Member>,
    admin: &mut TenantTx<Admin>,
    job: &mut TenantTx<System<Organizations>>,
) {
    let _ = Page::list_deleted(&mut *viewer).await;
    let _ = Page::restore(&mut *viewer, Uuid::nil()).await;
    let _ = Page::purge(&mut *member, Uuid::nil()).await;
    let _ = Note::purge(&mut *admin, Uuid::nil()).await;
    let _ = Page::delete(&mut *job, Uuid::nil()).await;
}

fn main() {}
