//! An unknown column role is one error, at the role.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "viewer", update = "viewer")]
struct Employee {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(select = "boss", insert = "manger", update = "chief")]
    wage: Option<i64>,
    #[tenant(select = Uuid)]
    phone: Option<String>,
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", creator_role = "king")]
struct Organization {
    id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer", visible_through = Membr)]
struct User {
    id: Uuid,
}

fn main() {}
