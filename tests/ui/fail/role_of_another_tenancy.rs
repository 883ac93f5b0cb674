//! All roles of a table must belong to its tenancy.

use tenant_runtime::{
    Role, Tenancy, TenantTable,
    model::def::TenancyDef,
    roles::{Organizations, Viewer},
    tenant::{AtLeast, MemberRole},
};
use uuid::Uuid;

enum Shops {}

impl Tenancy for Shops {
    type Key = Uuid;
    type User = Uuid;
    const DEF: &'static TenancyDef = Organizations::DEF;
}

enum Clerk {}

impl Role for Clerk {
    type Tenancy = Shops;
    type Kind = MemberRole;
    const NAME: &'static str = "clerk";
    const DB_ROLE: &'static str = "app_clerk";
}

impl AtLeast<Viewer> for Clerk {}

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
