//! Invalid membership tables: unknown fields, no tenant, several manager roles.

use tenant_runtime::{
    TenantEnum, TenantTable,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin", delete = "member")]
#[tenant(membership(user = "usr_id", role = "role"), update_own = "viewer", with_check(insert = "true"))]
struct OrgMember {
    #[tenant(id)]
    organization_id: Uuid,
    #[tenant(id)]
    user_id: Uuid,
    #[tenant(insert = "admin")]
    role: Role,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer", membership(user = "id"))]
struct Partner {
    id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", membership = "user_id")]
struct Person {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(Debug, TenantEnum)]
enum Role {
    Viewer,
}

fn main() {}
