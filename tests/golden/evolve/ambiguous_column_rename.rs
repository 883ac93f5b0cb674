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
error: cannot add column `app.notes.name`: it is NOT NULL, and no value is given for existing rows
  help: if `title` was renamed, add `#[tenant(renamed_from = "title")]`; otherwise add `default = "''"`, which fills every row; or make the field an `Option`; or fill existing rows with an expression over their other columns, such as `backfill = "coalesce(another_column, '')"`
*/
