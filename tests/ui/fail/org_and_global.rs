//! `org` and `global` cannot be combined.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", global, select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
