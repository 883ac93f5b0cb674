//! A field whose type is not a column type is one error, however often the field is used.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

struct Money(i64);

type Price = Money;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "viewer", update = "viewer")]
struct Product {
    id: Uuid,
    organization_id: Uuid,
    price: Price,
    old_price: Option<Money>,
    prices: Vec<u16>,
}

impl std::fmt::Debug for Money {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Ok(())
    }
}

fn main() {}
