//! A table that keeps deleted rows has one time of the deletion, a role that deletes, and a kind that can keep rows.

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin", purge = "admin")]
struct Page {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(soft_delete, default = "now()", select = "admin", sql_type = "timestamptz")]
    deleted_at: DateTime<Utc>,
    #[tenant(soft_delete)]
    removed_at: Option<DateTime<Utc>>,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", restore = "member")]
struct Note {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
struct Draft {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(soft_delete)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", delete = "admin")]
struct Organization {
    id: Uuid,
    #[tenant(soft_delete)]
    deleted_at: Option<DateTime<Utc>>,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
struct Country {
    id: Uuid,
    #[tenant(soft_delete)]
    deleted_at: Option<DateTime<Utc>>,
}

fn main() {}
