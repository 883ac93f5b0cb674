//! Invalid uses of `creator_role` and `sign_up`.

use tenant_runtime::{
    TenantTable,
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", creator_role = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", insert = "admin", creator_role = "admin")]
struct Organization {
    id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", sign_up)]
struct Customer {
    id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer", insert = "admin", sign_up)]
struct User {
    id: Uuid,
}

fn main() {}
