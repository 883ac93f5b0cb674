//! Malformed attributes are reported, and the remaining ones are still parsed.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant]
#[tenant = "org"]
#[tenant(org "organization_id", select = "viewer")]
#[tenant(5, insert =)]
#[tenant(delete = "viewer", "global")]
struct Project {
    id: Uuid,
    #[tenant(check = "a" "b", indx)]
    organization_id: Uuid,
}

fn main() {}
