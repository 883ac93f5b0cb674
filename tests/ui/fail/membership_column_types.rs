//! The user column must have the tenancy's user key type, and the role column must be an enum.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", membership(user = "user_id", role = "role"))]
struct OrgMember {
    #[tenant(id)]
    organization_id: Uuid,
    #[tenant(id)]
    user_id: i64,
    role: String,
}

fn main() {}
