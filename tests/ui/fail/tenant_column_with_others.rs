//! The tenant column comes from the context, with the type of the tenancy's key.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    #[tenant(default = "gen_random_uuid()", sql_type = "uuid", supplied)]
    organization_id: Uuid,
}

fn main() {}
