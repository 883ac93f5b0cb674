//! `org` must name a field.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organisation_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "tenant", select = "viewer")]
struct Note {
    #[tenant(column = "tenant")]
    organization_id: Uuid,
    id: Uuid,
}

fn main() {}
