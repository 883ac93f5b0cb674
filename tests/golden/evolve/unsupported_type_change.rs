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
error: cannot change column `app.notes.code` from `uuid` to `bigint`: PostgreSQL has no conversion
  help: give the field another name (`column = "…"`), which adds a second column; fill it in a hand-written migration, and drop the old column afterwards
*/
