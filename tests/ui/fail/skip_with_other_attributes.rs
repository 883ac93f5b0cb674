//! `skip` cannot be combined with other attributes.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(skip, index, default = "0")]
    size: i32,
}

#[derive(TenantTable)]
#[tenant(global)]
struct Country {
    #[tenant(id, skip)]
    number: Uuid,
    name: String,
}

fn main() {}
