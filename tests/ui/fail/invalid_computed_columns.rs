//! A column that the database sets has no other source, and a collation has a valid name and no effect on policies.

use sqlx::types::chrono::{DateTime, Utc};
use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", owner = "created_by")]
struct Project {
    #[tenant(generated = "gen_random_uuid()")]
    id: Uuid,
    #[tenant(collate = "C")]
    organization_id: Uuid,
    #[tenant(updated_at, collate = "C")]
    created_by: Uuid,
    #[tenant(collate = "")]
    name: String,
    #[tenant(generated = "lower(name)", default = "''", backfill = "''", update = "member")]
    slug: String,
    #[tenant(generated = " ", collate = "app.a\nb")]
    upper: String,
    #[tenant(generated = "id", references = Project)]
    parent_id: Uuid,
    #[tenant(updated_at, generated = "now()")]
    twice: DateTime<Utc>,
    #[tenant(updated_at)]
    maybe: Option<DateTime<Utc>>,
    #[tenant(updated_at = "now()", deferrable, on_update = "cascade")]
    changed_at: DateTime<Utc>,
    #[tenant(references = Project, on_update = "set_null", deferrable = "later")]
    other_id: Uuid,
    #[tenant(references = Project, on_update = Cascade, deferrable = InitiallyDeferred)]
    third_id: Uuid,
}

fn set(project: Project) {
    let _ = ProjectChanges { slug: Some(project.slug), ..ProjectChanges::default() };
}

fn main() {}
