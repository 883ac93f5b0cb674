//! What speaks of a user's own rows needs an owner.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", visibility = "visibility")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    visibility: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", update_own = "viewer", delete_own = "viewer")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
