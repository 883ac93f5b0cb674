//! Unknown attributes are errors, since ignoring one could drop a security rule.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", slect = "viewer", select = "viewer", colour = "red")]
struct Project {
    #[tenant(idd)]
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
