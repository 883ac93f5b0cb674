//! A table says whose rows it holds.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
