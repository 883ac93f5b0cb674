//! The database makes keys of some types only.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
struct Country {
    id: String,
}

fn main() {}
