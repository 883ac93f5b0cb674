//! `org`, `parent`, `visible_through` and `global` cannot be combined.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", parent = "project_id", select = "viewer")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Task)]
    project_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(parent = "task_id", global, select = "viewer")]
struct Note {
    id: Uuid,
    #[tenant(references = Task)]
    task_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", visible_through = Task, select = "viewer")]
struct Draft {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = Task)]
struct User {
    id: Uuid,
}

fn main() {}
