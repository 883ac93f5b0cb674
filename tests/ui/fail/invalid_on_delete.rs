//! `on_delete` requires a reference and a known action.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Project, on_delete = "cascad")]
    parent_id: Uuid,
    #[tenant(on_delete = "no_action")]
    owner_id: Uuid,
}

fn main() {}
