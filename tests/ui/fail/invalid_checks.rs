//! A check of a struct has a condition, and a name is valid and unique.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", check, check = 3, check = " ", check(), check(name = "alone"))]
#[tenant(check(name = "sizes", "low < high"), check(name = "sizes", condition = "low < high", column = "low"))]
#[tenant(check(name = "sizes", condition = "low <> 7"), check(name = "", condition = "high <> 7"))]
struct Band {
    id: Uuid,
    organization_id: Uuid,
    low: i32,
    high: i32,
}

fn main() {}
