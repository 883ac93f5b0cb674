//! Only a key can be made by the database, so only a key says that it is not.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(supplied)]
    name: String,
}

fn main() {}
