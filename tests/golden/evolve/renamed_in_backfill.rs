// Renames a column that a backfill names by its old name.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Person {
        pub id: Uuid,
        pub org: Uuid,
        pub name: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Person {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(renamed_from = "name")]
        pub full_name: String,
        #[tenant(backfill = "lower(name)")]
        pub slug: String,
    }
}

/*
error: the backfill of column `app.persons.slug` reads `name`, which this migration renames to `full_name`
  help: write `full_name` in `backfill = …`: it runs after the rename
*/
