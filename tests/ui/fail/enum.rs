//! An enum is no table.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
enum Project {
    Open,
}

fn main() {}
