// Tables that keep deleted rows: with owners, conditions and children; children that are kept themselves; without restoration.

use sqlx::types::chrono;
use tenant_runtime::{TenantEnum, TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(Debug, TenantEnum)]
pub enum Seen {
    Team,
    Private,
}

/// A page of a wiki.
#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
#[tenant(delete = "admin", delete_own = "member", restore = "member", purge = "admin")]
#[tenant(owner = "created_by", visibility = "seen", using(update = "NOT locked"), with_check(update = "title <> ''"))]
#[tenant(unique(slug, where = "deleted_at IS NULL"), index(deleted_at, where = "deleted_at IS NOT NULL"))]
#[tenant(track_changes, system(select, update, delete))]
pub struct Page {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub created_by: Uuid,
    #[tenant(default = "'team'")]
    pub seen: Seen,
    pub slug: String,
    pub title: String,
    #[tenant(update = "admin", default = "false")]
    pub locked: bool,
    /// When the page was deleted.
    #[tenant(soft_delete)]
    pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Debug, TenantTable)]
#[tenant(parent = "page_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(system(select, delete))]
pub struct Section {
    pub id: Uuid,
    #[tenant(references = Page, on_delete = "cascade")]
    pub page_id: Uuid,
    pub text: String,
}

#[derive(Debug, TenantTable)]
#[tenant(parent = "section_id", select = "viewer", insert = "member", delete = "member", restore = "admin", purge = "admin")]
#[tenant(system(select, delete))]
pub struct Picture {
    pub id: Uuid,
    #[tenant(references = Section, on_delete = "cascade")]
    pub section_id: Uuid,
    #[tenant(soft_delete, column = "removed_at")]
    pub removed: Option<chrono::DateTime<chrono::Utc>>,
}

/// A comment, which its author changes and an admin deletes; no role restores it.
#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update_own = "member", delete = "admin")]
#[tenant(owner = "author", using(delete = "NOT pinned"))]
pub struct Comment {
    pub id: i64,
    pub organization_id: Uuid,
    pub author: Uuid,
    #[tenant(references = Page, on_delete = "set_null")]
    pub page_id: Option<Uuid>,
    pub body: String,
    #[tenant(default = "false")]
    pub pinned: bool,
    #[tenant(soft_delete)]
    pub deleted_at: Option<chrono::DateTime<chrono::Utc>>,
}

#[derive(Debug, TenantTable)]
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
