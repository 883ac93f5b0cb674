//! A filter that requires a role cannot be combined into one with default access without `requires`.

use tenant_runtime::{
    Filter, TenantTable,
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Employee {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(select = "admin")]
    wage: i64,
}

fn of(name: &str, wage: i64) -> Filter<Employee> {
    let mut filter = Filter::<Employee>::all_rows();
    filter &= Employee::NAME.eq(name);
    filter |= Employee::WAGE.gt(wage);
    filter
}

fn main() {}
