//! Reading whole rows or a view requires the `select` role of each column in them.

use tenant_runtime::{
    Repository, TenantTable, TenantTx, TenantView, ViewRepository,
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
struct Wage {
    id: Uuid,
    wage: Option<i64>,
}

async fn read(viewer: &mut TenantTx<Viewer>) {
    let _ = Employee::find(&mut *viewer, Uuid::nil()).await;
    let _ = Wage::list(&mut *viewer).await;
}

fn main() {}
