//! All errors of a struct are reported in one build, without follow-up errors in code that uses it.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization", select = "viewer", insert = "viewer", update = "viewer", tabel = "projects")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(default = now())]
    created_at: i64,
    #[tenant(on_delete = "cascade")]
    parent_id: Uuid,
    #[tenant(column = "parent_id")]
    other_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", delete = "viewer")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Project)]
    project_id: Uuid,
}

fn main() {
    let _ = ProjectChanges { parent_id: Some(Uuid::nil()), ..Default::default() };
    let _ = Project::TABLE;
    deletable::<Project>();
    deletable::<Task>();
}

fn deletable<T: tenant_runtime::repo::table::Delete>() {}
