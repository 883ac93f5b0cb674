//! `TenantTable` cannot be derived for a union.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
union Project {
    id: i64,
}

fn main() {}
