//! The tenant column is set from the context and cannot have a default, a type, `app_assigned` or `sensitive`.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    #[tenant(default = "gen_random_uuid()", sql_type = "uuid", app_assigned, sensitive)]
    organization_id: Uuid,
}

fn main() {}
