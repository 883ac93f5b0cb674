//! A table requires a primary key.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    number: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global)]
struct Country {
    #[tenant(skip)]
    id: Uuid,
    name: String,
}

fn main() {}
