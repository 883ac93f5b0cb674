// Adding a NOT NULL column without a default or backfill is rejected, with three suggestions.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub title: String,
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
        pub title: String,
        pub slug: String,
    }
}

/*
error: column `app.notes.slug` is new and takes no NULL, and nothing fills it in the rows that are there
  help: add `default = "''"`, which fills every row; or make the field an `Option`; or say what fills the rows that are there, computed from their other columns: `backfill = "''"`
*/
