//! A table requires columns.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
struct Project;

fn main() {}
