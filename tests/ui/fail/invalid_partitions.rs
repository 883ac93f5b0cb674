//! `partition_by_hash` requires a tenant column and 2 to 1024 partitions.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", partition_by_hash = 1)]
struct Project {
    #[tenant(id)]
    id: Uuid,
    #[tenant(id)]
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", partition_by_hash = "many")]
struct Task {
    #[tenant(id)]
    id: Uuid,
    #[tenant(id)]
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer", partition_by_hash = 16)]
struct Currency {
    id: Uuid,
}

fn main() {}
