// Columns that take another role than the table does: to read, to give in an INSERT, and to change.

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
    #[tenant(select = "nobody")]
    pub pin_hash: Option<String>,
    #[tenant(default = "0", insert = "nobody", update = "nobody")]
    pub badge: i32,
}
