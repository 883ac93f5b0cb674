//! Two columns cannot have the same name.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(column = "name")]
    title: String,
    #[tenant(column = "label")]
    first: String,
    #[tenant(column = "label")]
    second: String,
}

fn main() {}
