//! A name is not empty and holds no NUL.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global, table = "", schema = "a\0b")]
struct Country {
    #[tenant(column = "")]
    id: Uuid,
}

fn main() {}
