//! `sql_type` names the column's type; sqlx must still be able to encode and decode the field's type.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(Debug)]
struct Point;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "viewer", update = "viewer")]
struct Place {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(sql_type = "point")]
    location: Point,
}

fn main() {}
