//! A role must be a name or a path.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "view er", insert = "", update = Viewer, delete = 5)]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
