//! The fields of a view must be columns of its table, with their types.

use tenant_runtime::{
    TenantTable, TenantView,
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
    wage: Option<i64>,
}

#[derive(TenantView)]
#[tenant(of = Employee)]
struct Colleague {
    id: Uuid,
    nam: String,
}

#[derive(TenantView)]
#[tenant(of = Employee)]
struct Called {
    id: Uuid,
    #[tenant(column = "title")]
    called: String,
}

#[derive(TenantView)]
#[tenant(of = Employee)]
struct Wage {
    id: Uuid,
    wage: i64,
}

fn main() {}
