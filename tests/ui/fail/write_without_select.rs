//! Write roles require a `select` role.

use tenant_runtime::{TenantTable, roles::Admin};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, insert = "admin", update = Admin)]
struct Country {
    id: Uuid,
    name: String,
}

fn main() {}
