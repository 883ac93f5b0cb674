//! A type that is no role cannot be one.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = Uuid)]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
