// Unique constraints over all tenants, and indexes with conditions, expressions, orders, methods and included columns.

use sqlx::types::chrono;
use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "id", select = "viewer", update = "admin")]
#[tenant(index(name, id))]
pub struct Organization {
    pub id: Uuid,
    #[tenant(unique)]
    pub slug: String,
    pub name: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(unique(host, port, global), unique(label, where = "retired_at IS NULL"))]
#[tenant(unique(external_id, nulls_not_distinct, include(label), name = "one external ID"))]
#[tenant(unique(expr = "lower(label)", where = "retired_at IS NULL", name = "domains_label_key"))]
#[tenant(index(created_at desc, id), index(retired_at desc nulls last, where = "retired_at IS NOT NULL", include(host)))]
#[tenant(index(label ops "text_pattern_ops", port asc nulls first))]
#[tenant(index(tags, using = "gin", name = "domains_tags"), index(created_at, using = "brin"))]
pub struct Domain {
    pub id: Uuid,
    #[tenant(references = Organization)]
    pub organization_id: Uuid,
    pub host: String,
    pub port: i32,
    pub label: String,
    #[tenant(unique = "global")]
    pub token: String,
    pub external_id: Option<i64>,
    pub tags: Vec<String>,
    #[tenant(default = "now()")]
    pub created_at: chrono::DateTime<chrono::Utc>,
    pub retired_at: Option<chrono::DateTime<chrono::Utc>>,
}
