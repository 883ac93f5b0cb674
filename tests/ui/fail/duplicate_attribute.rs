//! Duplicate attributes are rejected.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", select = "viewer")]
struct Project {
    #[tenant(id, id)]
    id: Uuid,
    organization_id: Uuid,
    #[tenant(default = "1")]
    #[tenant(default = "2")]
    size: i32,
}

#[derive(TenantTable)]
#[tenant(table = "notes", global, table = "note")]
struct Note {
    id: Uuid,
}

fn main() {}
