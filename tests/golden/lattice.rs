// A tenancy of one's own: keys that are numbers, other settings, and roles that form a diamond.

use tenant_runtime::{Role, Tenancy, TenantTable, tenant::AtLeast, model::def::{RoleDef, SqlType, TenancyDef}};

#[derive(Debug)]
pub enum Clinic {}

impl Tenancy for Clinic {
    type Key = i64;
    type User = i64;
    const DEF: &'static TenancyDef = &TenancyDef {
        schema: "clinic",
        role_prefix: "clinic_",
        key: SqlType::Int8,
        user: SqlType::Int8,
        org_setting: "clinic.id",
        user_setting: "clinic.person",
        connection_limit: 20,
        roles: &[
            RoleDef { name: "staff", includes: &[] },
            RoleDef { name: "nurse", includes: &["staff"] },
            RoleDef { name: "clerk", includes: &["staff"] },
            RoleDef { name: "head", includes: &["nurse", "clerk"] },
        ],
    };
}

macro_rules! roles {
    ($($role:ident = $name:literal in $database:literal: $($below:ident)*;)*) => {$(
        #[derive(Debug)]
        pub enum $role {}
        impl Role for $role {
            type Tenancy = Clinic;
            const NAME: &'static str = $name;
            const DB_ROLE: &'static str = $database;
        }
        $(impl AtLeast<$below> for $role {})*
    )*};
}

roles! {
    Staff = "staff" in "clinic_staff": Staff;
    Nurse = "nurse" in "clinic_nurse": Staff Nurse;
    Clerk = "clerk" in "clinic_clerk": Staff Clerk;
    Head = "head" in "clinic_head": Staff Nurse Clerk Head;
}

#[derive(TenantTable)]
#[tenant(org = "clinic_id", select = "staff", insert = "nurse", update = "nurse", delete = "head")]
pub struct Chart {
    pub id: i64,
    pub clinic_id: i64,
    pub text: String,
}

#[derive(TenantTable)]
#[tenant(org = "clinic_id", select = "clerk", insert = "clerk", update = "clerk", delete = "clerk")]
pub struct Invoice {
    pub id: i64,
    pub clinic_id: i64,
    pub cents: i64,
}
