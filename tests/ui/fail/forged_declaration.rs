//! What a table lets a role do comes from its attributes: an app cannot add to it by implementing the traits.

use tenant_runtime::{
    TenantTable, TenantView,
    repo::{
        access::{SystemMay, Tenants}, cmd,
        column_type::RowReader,
        members::ManagedMembership,
        table::{Delete, Update},
    },
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", system(select))]
struct Employee {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(select = "admin")]
    salary: i64,
}

impl Delete for Employee {
    type DeleteRole = Viewer;
}

impl Update for Employee {
    type UpdateRole = Viewer;
    type Changes = ();
    fn changed_values(_: (), _: &mut tenant_runtime::repo::Values) {}
}

struct Salary;

impl TenantView for Salary {
    type Table = Employee;
    type Needs = ();
    fn columns() -> Vec<&'static str> {
        vec!["salary"]
    }
    fn from_row(_: &mut RowReader<'_>) -> sqlx::Result<Self> {
        Ok(Self)
    }
}

impl SystemMay<cmd::Delete> for Employee {}
impl Tenants for Employee {}

fn main() {}
