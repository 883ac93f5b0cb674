// A custom tenancy: integer keys, custom settings, and roles that inherit from two others.

use tenant_runtime::{TenantTable, tenancy};

tenancy! {
    pub Clinic {
        key: i64,
        schema: "clinic",
        role_prefix: "clinic_",
        tenant_setting: "clinic.id",
        user_setting: "clinic.person",
        connection_limit: 20,
        roles: { Staff, Nurse: Staff, Clerk: Staff, Head: Nurse + Clerk },
    }
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
