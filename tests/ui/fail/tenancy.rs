//! Mistakes in a tenancy's declaration, all of them at once.

tenant_runtime::tenancy! {
    pub Clinics {
        schema: "My Schema",
        role_prefix: "clinic-",
        org_setting: "clinic",
        conection_limit: 20,
        pgaudit: "ddl, wirte, -Read",
        roles: {
            Staff,
            Head: Nurse + Staf,
            Nurse: Staff,
            Staff,
            Owner,
        },
        schema: "again",
    }
}

tenant_runtime::tenancy! {
    pub Empty {
        key: i64,
        roles: {},
    }
}

fn main() {}
