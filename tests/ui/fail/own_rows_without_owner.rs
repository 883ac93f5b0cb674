//! `update_own`, `delete_own` and `visibility` require an `owner` column.

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
