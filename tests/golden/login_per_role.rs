// One login per role, with roles that do not form a chain, and the logins for users without a tenant and for jobs.

use tenant_runtime::{TenantEnum, TenantTable, tenancy};
use uuid::Uuid;

tenancy! {
    pub Guilds {
        key: Uuid,
        schema: "guild",
        role_prefix: "guild_",
        tenant_setting: "guild.id",
        user_setting: "guild.person",
        login_per_role: true,
        roles: { Apprentice, Smith: Apprentice, Clerk: Apprentice, Head: Smith + Clerk },
    }
}

#[derive(TenantTable)]
#[tenant(org = "id", select = "apprentice", creator_role = "head")]
pub struct Guild {
    pub id: Uuid,
    pub name: String,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = GuildMember, select = "apprentice", sign_up)]
pub struct Craftsman {
    pub id: Uuid,
    pub name: String,
}

#[derive(Debug, Clone, Copy, TenantEnum)]
pub enum GuildRole {
    Apprentice,
    Smith,
    Clerk,
    Head,
}

#[derive(TenantTable)]
#[tenant(org = "guild_id", select = "apprentice", insert = "head", update = "head", delete = "head")]
#[tenant(membership(user = "craftsman_id", role = "role"))]
pub struct GuildMember {
    #[tenant(id, references = Guild, on_delete = "cascade")]
    pub guild_id: Uuid,
    #[tenant(id, references = Craftsman)]
    pub craftsman_id: Uuid,
    pub role: GuildRole,
}

#[derive(TenantTable)]
#[tenant(org = "guild_id", select = "apprentice", insert = "smith", update = "clerk", delete = "head", system(select))]
pub struct Piece {
    pub id: i64,
    pub guild_id: Uuid,
    pub name: String,
}
