//! A tenant table requires a `select` role.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
