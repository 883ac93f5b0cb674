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
error: cannot add column `app.notes.slug`: it is NOT NULL, and no value is given for existing rows
  help: add `default = "''"`, which fills every row; or make the field an `Option`; or fill existing rows with an expression over their other columns, such as `backfill = "coalesce(another_column, '')"`
*/
