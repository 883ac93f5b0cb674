//! A type that is not a role.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = Uuid)]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
