//! Column roles on columns that do not support them.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(parent = "project_id", select = "viewer")]
struct Task {
    #[tenant(select = "admin", insert = "admin")]
    id: Uuid,
    #[tenant(references = Task, update = "admin")]
    project_id: Uuid,
    #[tenant(insert = "admin", update = "admin")]
    name: Option<String>,
    #[tenant(select = 7, delete = "admin")]
    wage: i64,
}

fn main() {}
