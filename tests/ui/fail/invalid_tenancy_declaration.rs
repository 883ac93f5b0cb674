//! All errors of a `tenancy!` declaration are reported at once.

tenant_runtime::tenancy! {
    pub Clinics {
        schema: "My Schema",
        role_prefix: "clinic-",
        tenant_setting: "clinic",
        conection_limit: 20,
        pgaudit: "ddl, wirte, -Read",
        roles: {
            Staff,
            Head: Nurse + Staf,
            Nurse: Staff,
            Staff,
            SchemaOwner,
            OwnStaff,
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
