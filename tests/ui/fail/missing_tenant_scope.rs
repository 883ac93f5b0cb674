//! A table requires `org`, `parent`, `visible_through` or `global`.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn main() {}
