//! A column says which roles it takes, and a key which columns are unique: an app cannot make one that says otherwise.

use tenant_runtime::{
    Column, TenantTable,
    repo::column::{Access, Key, DefaultAccess},
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin", update = "admin")]
struct Employee {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(select = "admin")]
    salary: i64,
}

const SALARY: Column<Employee, i64, DefaultAccess> = Column::new("salary");
const BY_SALARY: Key<Employee> = Key::new(&["salary"]);

fn by_its_fields() -> Column<Employee, i64, Access<(), (), ()>> {
    Column { name: "salary", facts: std::marker::PhantomData }
}

fn of_another_access() -> Column<Employee, i64, DefaultAccess> {
    Employee::SALARY
}

fn main() {}
