//! A struct attribute on a field, and a field attribute on a struct.

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
