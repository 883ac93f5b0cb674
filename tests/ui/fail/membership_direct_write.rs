//! Members are managed by functions: there is no insert struct and no delete method.

use tenant_runtime::{
    Repository, TenantEnum, TenantTable, TenantTx,
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantEnum)]
enum Role {
    Viewer,
    Admin,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", membership(user = "user_id", role = "role"))]
struct OrgMember {
    #[tenant(id)]
    organization_id: Uuid,
    #[tenant(id)]
    user_id: Uuid,
    role: Role,
}

async fn remove(admin: &mut TenantTx<Admin>) {
    let _ = OrgMember::delete(&mut *admin, Uuid::nil()).await;
    let _ = NewOrgMember { user_id: Uuid::nil(), role: Role::Viewer };
}

fn main() {}
