// Columns that the database sets, collations, and foreign keys with ON UPDATE and deferred checks.

use sqlx::types::chrono;
use tenant_runtime::{TenantTable, tenancy};
use uuid::Uuid;

tenancy! {
    pub Libraries {
        key: Uuid,
        schema: "library",
        role_prefix: "library_",
        roles: { Reader, Writer: Reader, Librarian: Writer },
    }
}

/// A language; its code can change.
#[derive(Debug, TenantTable)]
#[tenant(global, tenancy = Libraries)]
pub struct Language {
    #[tenant(id, app_assigned, collate = "C")]
    pub code: String,
    #[tenant(updated_at)]
    pub changed_at: chrono::DateTime<chrono::Utc>,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "org", select = "reader", insert = "writer", update = "writer", delete = "librarian", track_changes)]
pub struct Book {
    pub id: Uuid,
    pub org: Uuid,
    /// Sorted by its bytes.
    #[tenant(collate = "C")]
    pub title: String,
    /// The title in lower case.
    #[tenant(generated = "lower(title)", unique)]
    pub slug: String,
    #[tenant(sql_type = "varchar(40)", collate = "pg_catalog.ucs_basic")]
    pub shelf: Option<String>,
    #[tenant(references = Language, on_update = "cascade", collate = "C")]
    pub language: Option<String>,
    #[tenant(references = Book, deferrable, on_delete = "set_null")]
    pub sequel_of: Option<Uuid>,
    /// Set by the database.
    #[tenant(updated_at, index)]
    pub updated_at: chrono::DateTime<chrono::Utc>,
}

/// A purchase, whose price only a librarian reads.
#[derive(Debug, TenantTable)]
#[tenant(org = "org", select = "reader", insert = "writer")]
pub struct Purchase {
    pub id: Uuid,
    pub org: Uuid,
    #[tenant(select = "librarian", sensitive)]
    pub price: Option<i32>,
    #[tenant(generated = "price >= 1000", select = "librarian", sensitive)]
    pub is_expensive: Option<bool>,
    #[tenant(generated = "price IS NULL", select = "reader", sensitive)]
    pub is_gift: bool,
}

/// A loan; partitioned.
#[derive(Debug, TenantTable)]
#[tenant(org = "org", select = "reader", insert = "writer", update = "writer", delete = "writer", partition_by_hash = 2)]
pub struct Loan {
    #[tenant(id)]
    pub id: Uuid,
    #[tenant(id)]
    pub org: Uuid,
    #[tenant(references = Book, on_delete = "cascade", on_update = "cascade", deferrable = "initially_deferred")]
    pub book: Uuid,
    pub reader: String,
    #[tenant(generated = "reader || '/' || weeks")]
    pub label: String,
    pub weeks: i32,
    #[tenant(updated_at)]
    pub updated_at: chrono::NaiveDateTime,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "org", select = "librarian", change_log)]
pub struct Change {
    pub id: i64,
    pub org: Uuid,
    pub user_id: Option<Uuid>,
    pub role: String,
    pub table_name: String,
    pub row_key: String,
    pub command: String,
    pub before: Option<serde_json::Value>,
    pub after: Option<serde_json::Value>,
}
