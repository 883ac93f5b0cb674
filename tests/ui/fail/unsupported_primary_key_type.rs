//! A primary key whose type is not a column type is one error.

use tenant_runtime::{TenantTable, roles::Viewer};

#[derive(Clone)]
struct Key(i64);

#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
struct Country {
    #[tenant(app_assigned)]
    id: Key,
}

fn main() {}
