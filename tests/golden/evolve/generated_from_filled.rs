// A generated column reads a column that the same migration fills only later.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub body: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub body: String,
        #[tenant(backfill = "left(body, 20)")]
        pub title: String,
        #[tenant(generated = "lower(title)")]
        pub slug: String,
    }
}

/*
error: cannot generate column `app.notes.slug` yet: it reads `title`, which this migration fills in existing rows only later
  help: first generate the migration without `slug`, then add the field
*/
