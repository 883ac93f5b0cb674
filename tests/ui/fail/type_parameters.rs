//! A table cannot have type parameters.

use tenant_runtime::TenantTable;

#[derive(TenantTable)]
#[tenant(global)]
struct Project<'a, T> {
    id: i64,
    data: &'a T,
}

fn main() {}
