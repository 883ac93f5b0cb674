//! Invalid invitation tables, and invitations by roles that cannot manage members.

use std::time::Duration;

use tenant_runtime::{
    Invitations as _, Repository as _, Result, TenantCtx, TenantDb, TenantEnum, TenantTable,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(TenantEnum)]
pub enum MemberRole {
    Admin,
    Viewer,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin", insert = "admin", delete = "admin")]
#[tenant(invitation(email = "email", role = "role", token = "hash", expires = "expires", by = "by"))]
struct Invitation {
    id: Uuid,
    organization_id: Uuid,
    email: String,
    role: MemberRole,
    #[tenant(select = "none")]
    hash: Vec<u8>,
    expires: chrono_free::Time,
    by: Uuid,
}

mod chrono_free {
    pub type Time = i64;
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin", update = "admin", owner = "by")]
#[tenant(invitation(email = "mail", role = "role", tokn = "hash", expires = "expires", by = "by"))]
struct Wrong {
    id: Uuid,
    organization_id: Uuid,
    email: String,
    role: MemberRole,
    hash: Vec<u8>,
    by: Uuid,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "admin", insert = "admin", update = "admin")]
#[tenant(invitation(email = "email", role = "role", token = "hash", expires = "expires", by = "by"))]
struct Open {
    id: Uuid,
    organization_id: Uuid,
    email: String,
    role: MemberRole,
    hash: Vec<u8>,
    expires: i64,
    by: i64,
}

async fn invite(db: &TenantDb, member: &TenantCtx<Member>, admin: &TenantCtx<Admin>) -> Result<()> {
    let day = Duration::from_secs(86_400);
    Invitation::invite(&db.scope(member), "x@example.com", MemberRole::Viewer, day).await?;
    Invitation::invite(&db.scope(admin), "x@example.com", "viewer", day).await?;
    Invitation::insert(&db.scope(admin), ()).await?;
    Ok(())
}

fn main() {}
