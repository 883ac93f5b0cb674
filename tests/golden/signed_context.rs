// Signed contexts: every kind of table and function, and a global table, which has a policy that requires a signed context.

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{TenantEnum, TenantTable, tenancy};
use uuid::Uuid;

tenancy! {
    pub Shops {
        key: Uuid,
        schema: "shop",
        role_prefix: "shop_",
        tenant_setting: "shop.tenant_id",
        user_setting: "shop.user_id",
        signed_context: true,
        roles: { Clerk, Keeper: Clerk, Owner: Keeper },
    }
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "id", select = "clerk", update = "owner", creator_role = "owner", system(select))]
pub struct Shop {
    pub id: Uuid,
    pub name: String,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(global, visible_through = Employment, select = "clerk", sign_up)]
pub struct Person {
    pub id: Uuid,
    #[tenant(unique)]
    pub email: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum Job {
    Clerk,
    Keeper,
    Owner,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "shop_id", select = "clerk", insert = "owner", update = "owner", delete = "owner", track_changes)]
#[tenant(membership(user = "person_id", role = "job"))]
pub struct Employment {
    #[tenant(id, references = Shop, on_delete = "cascade")]
    pub shop_id: Uuid,
    #[tenant(id, references = Person)]
    pub person_id: Uuid,
    pub job: Job,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "shop_id", select = "owner", insert = "owner", delete = "owner")]
#[tenant(invitation(email = "email", role = "job", token = "token_hash", expires = "expires_at", by = "invited_by"))]
pub struct Offer {
    pub id: Uuid,
    #[tenant(references = Shop, on_delete = "cascade")]
    pub shop_id: Uuid,
    pub email: String,
    pub job: Job,
    #[tenant(select = "none")]
    pub token_hash: Vec<u8>,
    pub expires_at: DateTime<Utc>,
    #[tenant(references = Employment, on_delete = "cascade")]
    pub invited_by: Uuid,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "shop_id", select = "owner", change_log)]
pub struct Change {
    pub id: i64,
    pub shop_id: Uuid,
    #[tenant(default = "now()")]
    pub at: DateTime<Utc>,
    pub user_id: Option<Uuid>,
    pub role: String,
    pub table_name: String,
    pub row_key: String,
    pub command: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum Shelf {
    Team,
    Private,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(org = "shop_id", select = "clerk", insert = "clerk", update = "keeper", delete = "owner", delete_own = "clerk")]
#[tenant(owner = "placed_by", visibility = "shelf", system(select, update), track_changes)]
pub struct Item {
    pub id: i64,
    #[tenant(references = Shop, on_delete = "cascade")]
    pub shop_id: Uuid,
    #[tenant(references = Employment)]
    pub placed_by: Uuid,
    pub name: String,
    #[tenant(default = "'team'")]
    pub shelf: Shelf,
    #[tenant(select = "owner", default = "0")]
    pub cost: i64,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(parent = "item_id", select = "clerk", insert = "clerk", delete = "clerk", system(select))]
pub struct Label {
    pub id: Uuid,
    #[tenant(references = Item, on_delete = "cascade")]
    pub item_id: i64,
    pub text: String,
}

#[derive(Debug, Clone, TenantTable)]
#[tenant(global, select = "keeper", system(select, insert, delete))]
pub struct Supplier {
    pub id: Uuid,
    pub name: String,
}
