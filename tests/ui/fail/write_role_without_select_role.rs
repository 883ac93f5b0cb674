//! A write role must include the `select` role.

use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin", delete = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
