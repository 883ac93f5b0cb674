//! A command without a role is denied to every role.

use tenant_runtime::{
    Repository, TenantTable, TenantTx,
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Note {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(Debug, TenantTable)]
#[tenant(global)]
struct Country {
    id: i64,
}

async fn commands(tx: &mut TenantTx<Admin>) {
    let _ = Note::delete(&mut *tx, Uuid::nil()).await;
    let _ = Country::find(&mut *tx, 1).await;
}

fn main() {}
