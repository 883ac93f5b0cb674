//! No statement sets a column that the database sets.

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{Repository as _, TenantCtx, TenantDb, TenantTable, roles::{Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(generated = "lower(name)", unique)]
    slug: String,
    #[tenant(updated_at)]
    updated_at: DateTime<Utc>,
}

async fn update(db: &TenantDb, ctx: &TenantCtx<Member>, at: DateTime<Utc>) {
    let scope = db.scope(ctx);
    let new = NewProject { name: String::new(), slug: String::new() };
    let changes = ProjectChanges { updated_at: Some(at), ..ProjectChanges::default() };
    let _ = Project::insert(&scope, NewProject { name: String::new() }).set(Project::SLUG, "x".to_owned()).await;
    let _ = Project::update(&scope, Uuid::nil(), ProjectChanges::default()).set(Project::UPDATED_AT, at).await;
    let _ = Project::upsert(&scope, NewProject { name: String::new() }, Project::BY_SLUG).await;
}

fn main() {}
