// An unsupported type change: PostgreSQL cannot cast uuid to bigint.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub code: Uuid,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub code: i64,
    }
}

/*
error: column `app.notes.code` becomes `bigint`, and PostgreSQL makes none of `uuid`
  help: give the field another name (`column = "…"`), which adds a column beside it; fill that in a migration of your own, and drop the old one afterwards
*/
