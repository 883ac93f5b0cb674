//! Invalid `using` and `with_check` conditions.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global, select = "viewer", using(select = "id > 1"))]
struct Currency {
    id: i64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", with_check(insert = "id > 1"))]
#[tenant(using(slect = "id > 1", insert = "id > 1"), using(select = true), using(select = " "))]
struct Project {
    id: i64,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", check = "id > 1")]
#[tenant(using(select = "id > 1"), using(select = "id < 9"))]
struct Task {
    id: i64,
    organization_id: Uuid,
}

fn main() {}
