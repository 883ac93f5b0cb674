//! The names of roles have to be those that the tenancy declares, also where both are written by hand.

use tenant_runtime::{
    __private::{First, Next, RoleDef, TenancyDef},
    Role, RoleOptions, Tenancy, TenantCtx, TenantDb,
    tenant::MemberRole,
};
use uuid::Uuid;

enum Forged {}

impl Tenancy for Forged {
    type Key = Uuid;
    type User = Uuid;
    type Roles = ((Reader, ()), ((Reader, (SchemaOwner, ())), ((Reader, (SchemaOwner, (Other, ()))), ())));
    const DEF: &'static TenancyDef = &TenancyDef {
        roles: &[RoleDef { name: "reader", includes: &[], renamed_from: None }, RoleDef { name: "schema_owner", includes: &[], renamed_from: None }],
        ..TenancyDef::blank()
    };
}

enum Reader {}

impl Role for Reader {
    type Tenancy = Forged;
    type Kind = MemberRole;
    type Place = First;
    const NAME: &'static str = "reader";
    const DB_ROLE: &'static str = "app_schema_owner";
}

enum SchemaOwner {}

impl Role for SchemaOwner {
    type Tenancy = Forged;
    type Kind = MemberRole;
    type Place = Next<First>;
    const NAME: &'static str = "schema_owner";
    const DB_ROLE: &'static str = "app_schema_owner";
}

enum Other {}

impl Role for Other {
    type Tenancy = Forged;
    type Kind = MemberRole;
    type Place = Next<Next<First>>;
    const NAME: &'static str = "other";
    const DB_ROLE: &'static str = "app_other";
}

fn main() {
    let _ = TenantCtx::<Reader>::assume_authorized(Uuid::nil(), Uuid::nil());
    let _ = TenantCtx::<SchemaOwner>::assume_authorized_job(Uuid::nil());
    let _ = TenantDb::options().role::<Other>(RoleOptions::default());
}
