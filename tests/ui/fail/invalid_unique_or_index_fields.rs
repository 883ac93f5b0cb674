//! `unique(…)` and `index(…)` require two or more fields of the struct.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", unique(name), index(), unique(name, nam), index(name, name), index(name, cache), unique("name", name))]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(skip)]
    cache: i32,
}

fn main() {}
