// Memberships: tenants created by users, sign-up, and rows with an owner and a visibility.

use tenant_runtime::{TenantEnum, TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", creator_role = "admin")]
pub struct Club {
    pub id: Uuid,
    pub name: String,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = ClubMember, select = "viewer", sign_up)]
pub struct Person {
    pub id: Uuid,
    pub name: String,
}

#[derive(Debug, Clone, Copy, TenantEnum)]
pub enum ClubRole {
    Viewer,
    Member,
    Admin,
}

#[derive(TenantTable)]
#[tenant(org = "club_id", select = "viewer", insert = "admin", update = "admin", delete = "admin")]
#[tenant(membership(user = "person_id", role = "role"))]
pub struct ClubMember {
    #[tenant(id, references = Club, on_delete = "cascade")]
    pub club_id: Uuid,
    #[tenant(id, references = Person)]
    pub person_id: Uuid,
    pub role: ClubRole,
}

#[derive(Debug, Clone, Copy, TenantEnum)]
pub enum Seen {
    Team,
    Private,
}

#[derive(TenantTable)]
#[tenant(org = "club_id", select = "viewer", insert = "member", owner = "author", visibility = "seen")]
#[tenant(update_own = "member", delete = "admin", delete_own = "member")]
pub struct Letter {
    pub id: i64,
    pub club_id: Uuid,
    #[tenant(references = ClubMember)]
    pub author: Uuid,
    pub seen: Seen,
    pub text: String,
}
