//! The database cannot generate primary keys of this type.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
struct Country {
    id: String,
}

fn main() {}
