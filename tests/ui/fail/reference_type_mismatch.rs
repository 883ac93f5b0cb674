//! A reference column must have the type of the referenced primary key.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global)]
struct Country {
    id: i32,
}

#[derive(TenantTable)]
#[tenant(global)]
struct City {
    id: Uuid,
    #[tenant(references = Country)]
    country_id: Option<Uuid>,
    #[tenant(references = "Country")]
    capital_of: i32,
}

fn main() {}
