//! The same for the key.

use tenant_runtime::{TenantTable, roles::Viewer};

#[derive(Clone)]
struct Key(i64);

#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
struct Country {
    #[tenant(supplied)]
    id: Key,
}

fn main() {}
