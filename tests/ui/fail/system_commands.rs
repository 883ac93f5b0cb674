//! JobRole can run only the commands in `system(…)`, and tenant roles are not jobs.

use tenant_runtime::{
    Repository as _, Result, System, SystemCtx, SystemTx, TenantTable, TenantTx,
    roles::{Admin, Member, Organizations, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "admin", system(select))]
struct Task {
    id: Uuid,
    organization_id: Uuid,
    title: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Secret {
    id: Uuid,
    organization_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", system(delete, delete, read))]
struct Wrong {
    id: Uuid,
    organization_id: Uuid,
}

async fn act(mut tx: TenantTx<System<Organizations>>, id: Uuid) -> Result<()> {
    Task::get(&mut tx, id).await?;
    Task::delete(&mut tx, id).await?;
    Secret::count(&mut tx).await?;
    Ok(())
}

async fn across(mut tx: SystemTx<Organizations>) -> Result<u64> {
    Task::count(&mut tx).await
}

async fn no_tenants(system: SystemCtx<Organizations>) -> Result<()> {
    system.for_each_tenant::<Task, _, _>(|tx| tx.commit()).await?;
    Ok(())
}

fn main() {}
