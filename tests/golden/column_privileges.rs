// Columns with separate roles for SELECT, INSERT and UPDATE.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
pub struct Employee {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub name: String,
    #[tenant(select = "member")]
    pub phone: Option<String>,
    #[tenant(select = "admin", insert = "admin", update = "admin")]
    pub salary: Option<i64>,
    #[tenant(default = "false", insert = "admin", update = "admin")]
    pub gone: bool,
    #[tenant(select = "none")]
    pub pin_hash: Option<String>,
    #[tenant(default = "0", insert = "none", update = "none")]
    pub badge: i32,
}
