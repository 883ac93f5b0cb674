//! The field that `parent` names must be a reference.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(parent = "project_id", select = "viewer")]
struct Task {
    id: Uuid,
    project_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(parent = "projct_id")]
struct Note {
    id: Uuid,
    project_id: Uuid,
}

fn main() {}
