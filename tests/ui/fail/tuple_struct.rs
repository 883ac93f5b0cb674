//! A table's fields have names.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
struct Project(i64);

fn main() {}
