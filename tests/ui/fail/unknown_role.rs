//! An unknown role is one error, at the string.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewr", insert = "viewer", update = "viewer", delete = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

fn main() {}
