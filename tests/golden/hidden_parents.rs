// Rows whose parents not every member sees: children, their children, and rows whose parent has a key per tenant.

use tenant_runtime::{TenantEnum, TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(Debug, TenantEnum)]
pub enum Seen {
    Team,
    Private,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(owner = "created_by", visibility = "seen", system(select))]
pub struct Board {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub created_by: Uuid,
    #[tenant(default = "'team'")]
    pub seen: Seen,
}

#[derive(TenantTable)]
#[tenant(parent = "board_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(track_changes, system(select, insert))]
pub struct Card {
    pub id: Uuid,
    #[tenant(references = Board, on_delete = "cascade")]
    pub board_id: Uuid,
    #[tenant(unique)]
    pub slug: String,
    #[tenant(references = Label, on_delete = "set_null")]
    pub label_id: Option<i64>,
}

#[derive(TenantTable)]
#[tenant(parent = "card_id", select = "viewer", insert = "member", update = "member", delete = "member")]
pub struct Note {
    pub id: i64,
    #[tenant(references = Card, on_delete = "cascade")]
    pub card_id: Uuid,
    pub body: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", using(select = "shown"))]
pub struct Label {
    #[tenant(id)]
    pub id: i64,
    #[tenant(id)]
    pub organization_id: Uuid,
    pub shown: bool,
}

#[derive(TenantTable)]
#[tenant(parent = "label_id", select = "member", insert = "member")]
pub struct Alias {
    pub id: i64,
    #[tenant(references = Label)]
    pub label_id: i64,
    pub name: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin", change_log)]
pub struct Change {
    pub id: i64,
    pub organization_id: Uuid,
    pub user_id: Option<Uuid>,
    pub role: String,
    pub table_name: String,
    pub row_key: String,
    pub command: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
}
