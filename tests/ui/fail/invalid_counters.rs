//! A counter is an integer of a table whose rows belong to tenants, and its value has no other source.

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", owner = "created_by")]
struct Project {
    #[tenant(counter)]
    id: i64,
    #[tenant(counter)]
    organization_id: Uuid,
    #[tenant(counter)]
    created_by: Uuid,
    #[tenant(counter)]
    maybe: Option<i64>,
    #[tenant(counter, default = "1", insert = "member", update = "member")]
    with_roles: i64,
    #[tenant(counter, backfill = "1", sql_type = "bigint", unique = "global")]
    with_type: i64,
    #[tenant(counter, updated_at)]
    twice: i64,
    #[tenant(counter = "app.numbers", references = Project, app_assigned)]
    named: i64,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
struct Currency {
    id: Uuid,
    #[tenant(counter)]
    number: i64,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = Membership, select = "viewer")]
struct User {
    id: Uuid,
    #[tenant(counter)]
    number: i64,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer")]
struct Organization {
    id: Uuid,
    #[tenant(counter)]
    number: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", membership(user = "user_id", role = "role"))]
struct Membership {
    #[tenant(id)]
    organization_id: Uuid,
    #[tenant(id, app_assigned)]
    user_id: Uuid,
    role: String,
    #[tenant(counter)]
    number: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin")]
#[tenant(invitation(email = "email", role = "role", token = "token", expires = "expires_at", by = "by"))]
struct Invitation {
    id: Uuid,
    organization_id: Uuid,
    email: String,
    role: String,
    token: Vec<u8>,
    expires_at: DateTime<Utc>,
    by: Uuid,
    #[tenant(counter)]
    number: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin", change_log)]
struct Change {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(counter)]
    number: i64,
}

fn main() {}
