// Enum types, also as the role of a membership table, in arrays, and with a default; and an array of labels that are text.

use tenant_runtime::{TenantEnum, TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(Debug, TenantEnum)]
#[tenant(native)]
pub enum OrderState {
    Open,
    #[tenant(rename = "paid, or free")]
    Paid,
}

#[derive(Debug, TenantEnum)]
pub enum Tag {
    Gift,
    Urgent,
}

#[derive(Debug, TenantEnum)]
#[tenant(native = "Role")]
pub enum ShopRole {
    Viewer,
    Admin,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", creator_role = "admin")]
pub struct Shop {
    pub id: Uuid,
    pub state: OrderState,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = ShopMember, select = "viewer")]
pub struct Person {
    pub id: Uuid,
    pub name: String,
}

#[derive(TenantTable)]
#[tenant(org = "shop_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "person_id", role = "role"))]
pub struct ShopMember {
    #[tenant(id, references = Shop)]
    pub shop_id: Uuid,
    #[tenant(id, references = Person)]
    pub person_id: Uuid,
    pub role: ShopRole,
}

#[derive(TenantTable)]
#[tenant(org = "shop_id", select = "viewer", insert = "member", update = "member")]
pub struct Order {
    pub id: Uuid,
    #[tenant(references = Shop)]
    pub shop_id: Uuid,
    #[tenant(default = "'open'")]
    pub state: OrderState,
    pub states: Vec<OrderState>,
    pub tags: Vec<Tag>,
}
