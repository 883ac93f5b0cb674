//! Names must not be empty or contain control characters: a line break would end an SQL comment.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global, table = "", schema = "a\nb")]
struct Country {
    #[tenant(column = "")]
    id: Uuid,
}

fn main() {}
