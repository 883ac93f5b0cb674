// Exclusion constraints: rows of a tenant whose ranges overlap. The tenant column requires the extension btree_gist.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(exclude(room with "=", during with "&&", where = "NOT cancelled"))]
#[tenant(exclude(expr = "lower(title)" with "=", during with "&&", name = "one title at a time"))]
pub struct Booking {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub room: i32,
    pub title: String,
    #[tenant(sql_type = "int4range")]
    pub during: sqlx::postgres::types::PgRange<i32>,
    #[tenant(default = "false")]
    pub cancelled: bool,
}
