//! `TenantTable` requires named fields.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
struct Project(i64);

fn main() {}
