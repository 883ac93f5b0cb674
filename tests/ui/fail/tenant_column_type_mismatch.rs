//! The tenant column must have the tenancy's key type.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Note {
    id: Uuid,
    organization_id: Option<Uuid>,
}

fn main() {}
