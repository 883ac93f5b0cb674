//! `tenancy` must name a tenancy type.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global, tenancy = Uuid)]
struct Country {
    id: Uuid,
}

fn main() {}
