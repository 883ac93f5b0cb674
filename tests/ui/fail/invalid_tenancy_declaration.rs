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

tenant_runtime::tenancy! {
    pub Limits {
        key: i64,
        system_access_timeout: 0,
        system_reason_length: 5000,
        system_log_retention: 0,
        roles: { Staff },
    }
}

tenant_runtime::tenancy! {
    pub Forgetful {
        key: i64,
        system_access_timeout: 172_800,
        system_log_retention: 1,
        roles: { Clerk },
    }
}

fn main() {}
