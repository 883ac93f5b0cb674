//! A tenant's table is read by some role.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
