//! A primary key is one field, or one field and the tenant column.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    #[tenant(id)]
    organization_id: Uuid,
    #[tenant(id)]
    left_id: Uuid,
    #[tenant(id)]
    right_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global)]
struct Link {
    #[tenant(id)]
    left_id: Uuid,
    #[tenant(id)]
    right_id: Uuid,
}

fn main() {}
