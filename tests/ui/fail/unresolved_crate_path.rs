//! `crate` must be the path of the runtime crate.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(crate = ::tenant_runtim, global)]
struct Country {
    id: i64,
}

fn main() {}
