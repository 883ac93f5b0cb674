//! Queries do not compile without a tenant context: not on a pool, a connection or `TenantDb`.

use tenant_runtime::{
    Repository, TenantCtx, TenantDb, TenantTable, TenantTx,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

async fn queries(pool: &sqlx::PgPool, connection: &mut sqlx::PgConnection, db: &TenantDb) {
    let _ = Project::find(pool, Uuid::nil()).await;
    let _ = Project::count(connection).await;
    let _ = Project::delete(db, Uuid::nil()).await;
}

async fn not_by_reference(db: TenantDb, ctx: TenantCtx<Viewer>, mine: TenantTx<Viewer>, shared: TenantTx<Viewer>) {
    let _ = Project::count(mine).await;
    let _ = Project::count(&shared).await;
    let _ = Project::count(&ctx).await;
    let _ = Project::count(db.scope(&ctx)).await;
}

fn main() {}
