//! `owner` must name a field other than the primary key and the tenant column.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", owner = "creatd_by")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    created_by: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", owner = "id")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", owner = "organization_id")]
struct Note {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", owner = "created_by", visibility = "visble")]
struct Draft {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(default = "'x'", update = "viewer")]
    created_by: Uuid,
    visible: bool,
}

fn main() {}
