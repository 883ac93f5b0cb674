//! `TenantTable` cannot be derived for an enum.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
enum Project {
    Open,
}

fn main() {}
