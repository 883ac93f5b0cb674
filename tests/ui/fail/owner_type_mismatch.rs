//! The owner column must have the tenancy's user key type.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", owner = "created_by")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    created_by: Option<Uuid>,
}

fn main() {}
