//! Names must not be empty or contain NUL.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global, table = "", schema = "a\0b")]
struct Country {
    #[tenant(column = "")]
    id: Uuid,
}

fn main() {}
