//! `references` must name a table.

use tenant_runtime::TenantTable;
use uuid::Uuid;

struct Country;

#[derive(TenantTable)]
#[tenant(global)]
struct City {
    id: Uuid,
    #[tenant(references = Country)]
    country_id: Uuid,
}

fn main() {}
