//! A role that does not exist is an error at the string, and only one.

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
