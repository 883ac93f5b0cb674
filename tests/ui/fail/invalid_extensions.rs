//! Extensions have valid names and schemas that do not belong to PostgreSQL.

tenant_runtime::tenancy! {
    pub Clinics {
        key: i64,
        extensions: { citext: "ext", "Post GIS": "ext", citext: "", pg_trgm: "pg_catalog", "": "ext" },
        roles: { Staff },
    }
}

tenant_runtime::tenancy! {
    pub Shops {
        key: i64,
        extensions: { citext = "ext" },
        roles: { Clerk },
    }
}

fn main() {}
