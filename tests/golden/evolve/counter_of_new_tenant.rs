// A table gets its tenant column and a counter in one migration, which fills the tenant column only in a later file.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::Viewer};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(global, select = "viewer")]
    pub struct Rate {
        pub id: Uuid,
        pub name: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::Viewer};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer")]
    pub struct Rate {
        pub id: Uuid,
        #[tenant(backfill = "'00000000-0000-4000-8000-000000000001'")]
        pub org: Uuid,
        pub name: String,
        #[tenant(counter)]
        pub number: i64,
    }
}

/*
error: cannot number the rows of `app.rates` in `number` yet: this migration fills its tenant column `org` in existing rows only later
  help: first generate the migration without the counter, then add it
*/
