//! The owner's field has the type of the tenancy's user key.

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
