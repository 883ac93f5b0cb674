// Drops a NOT NULL column and adds one of the same type: the rename is ambiguous.

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
        pub name: String,
    }
}

/*
error: column `app.notes.name` is new and takes no NULL, and nothing fills it in the rows that are there
  help: is it `title` under another name? write `#[tenant(renamed_from = "title")]` there; else add `default = "''"`, which fills every row; or make the field an `Option`; or say what fills the rows that are there, computed from their other columns: `backfill = "''"`
*/
