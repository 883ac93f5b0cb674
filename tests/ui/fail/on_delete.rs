//! `on_delete` is one of three actions, of a reference.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Project, on_delete = "cascad")]
    parent_id: Uuid,
    #[tenant(on_delete = "refuse")]
    owner_id: Uuid,
}

fn main() {}
