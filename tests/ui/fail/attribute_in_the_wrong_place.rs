//! A key of the struct is not one of a field, and the reverse.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", default = "now()")]
struct Project {
    #[tenant(schema = "app")]
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
