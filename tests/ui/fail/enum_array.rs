//! An array of enum labels is not a column type.

use tenant_runtime::{TenantEnum, TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(Debug, TenantEnum)]
enum Tag {
    Red,
    Green,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer", insert = "viewer", update = "viewer")]
struct Country {
    id: Uuid,
    tags: Vec<Tag>,
}

fn main() {}
