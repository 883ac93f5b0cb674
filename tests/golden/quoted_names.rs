// Quoted names, keywords, long names, and comments that contain SQL syntax.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

/// Everybody's "orders"; it's `-- odd` \ and /* odd */ $$ too.
#[derive(TenantTable)]
#[tenant(schema = "Shop Floor", table = "order", org = "user", select = "viewer", insert = "member", delete = "admin")]
pub struct Order {
    #[tenant(column = "ID")]
    pub id: Uuid,
    pub user: Uuid,
    /// Grüße; 'quoted'
    #[tenant(column = "größe \"cm\"", index, check = "\"größe \"\"cm\"\"\" > 0")]
    pub size: i32,
    pub r#type: String,
    #[tenant(unique)]
    pub a_column_whose_name_is_nearly_as_long_as_postgresql_allows_1: String,
    #[tenant(unique)]
    pub a_column_whose_name_is_nearly_as_long_as_postgresql_allows_2: String,
}
