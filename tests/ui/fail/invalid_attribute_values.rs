//! Attribute values of the wrong kind.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = organization_id, select = 3, global = true, table = 5, tenancy = 7, unique, index = "name")]
struct Project {
    #[tenant(id = true)]
    id: Uuid,
    organization_id: Uuid,
    #[tenant(default = now())]
    created_at: i64,
    #[tenant(default = 0)]
    size: i32,
    #[tenant(default = b"bytes")]
    kind: String,
    #[tenant(default)]
    colour: String,
    #[tenant(unique(size))]
    name: String,
    #[tenant(references = 5, on_delete = Cascade)]
    parent_id: Uuid,
    #[tenant(sql_type = numeric(10, 2))]
    price: i64,
}

fn main() {}
