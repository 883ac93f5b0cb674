//! An unknown struct in `references` is an error at its name.

use tenant_runtime::TenantTable;
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(global)]
struct City {
    id: Uuid,
    #[tenant(references = Contry)]
    country_id: Uuid,
    #[tenant(references = "Contry")]
    capital_of: Uuid,
}

fn main() {}
