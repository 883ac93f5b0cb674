//! A `serial` type would create a sequence that is not declared.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(sql_type = "bigserial")]
    number: i64,
    #[tenant(sql_type = " Serial4 ")]
    small: i32,
}

fn main() {}
