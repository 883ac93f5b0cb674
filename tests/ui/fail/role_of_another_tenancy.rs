//! All roles of a table must belong to its tenancy.

use tenant_runtime::{TenantTable, roles::Viewer, tenancy};
use uuid::Uuid;

tenancy! {
    Shops {
        key: Uuid,
        role_prefix: "shop_",
        roles: { Clerk },
    }
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "clerk")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, tenancy = Shops, select = "viewer")]
struct Country {
    id: Uuid,
}

fn main() {}
