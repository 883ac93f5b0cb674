//! SQL text in an attribute must not be empty.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(default = "", check = " ", sql_type = "")]
    size: i32,
}

fn main() {}
