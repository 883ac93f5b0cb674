// Rows without a tenant column that get their tenant from a parent row.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "admin")]
pub struct Order {
    pub id: Uuid,
    pub organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(parent = "order_id", select = "viewer", insert = "member", update = "member", delete = "member")]
pub struct Item {
    pub id: i64,
    #[tenant(references = Order, on_delete = "cascade")]
    pub order_id: Uuid,
    pub article: String,
}
