//! Two fields cannot produce the same column constant.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
#[expect(non_snake_case, reason = "it is what this is about")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    Name: String,
}

fn main() {}
