//! A view of a struct with errors adds no further errors.

use tenant_runtime::{TenantTable, TenantTx, TenantView, ViewRepository, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

#[derive(TenantView)]
#[tenant(of = Project)]
struct Named {
    id: Uuid,
    name: String,
    #[tenant(column = "else")]
    other: i64,
}

async fn read(viewer: &mut TenantTx<Viewer>) {
    let _ = Named::list(&mut *viewer).await;
}

fn main() {}
