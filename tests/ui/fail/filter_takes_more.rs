//! A condition that takes a role is not put into one for everybody, unless that says so first.

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
    let mut filter = Filter::<Employee>::every_row();
    filter &= Employee::NAME.eq(name);
    filter |= Employee::WAGE.gt(wage);
    filter
}

fn main() {}
