//! The tenant column cannot be skipped.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    #[tenant(skip)]
    organization_id: Uuid,
}

fn main() {}
