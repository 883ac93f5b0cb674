//! `update_own` cannot require a higher role than `update`.

use tenant_runtime::{
    TenantTable,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", update = "member", update_own = "admin", owner = "created_by")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    created_by: Uuid,
    name: String,
}

fn main() {}
