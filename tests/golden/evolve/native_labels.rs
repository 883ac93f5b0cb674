// Adds labels to an enum type at several places, renames others, two of them to each other's text, and uses a new one.

pub mod v1 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum State {
        Open,
        Busy,
        Done,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub state: State,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(Debug, TenantEnum)]
    #[tenant(native)]
    pub enum State {
        New,
        #[tenant(renamed_from = "open")]
        Ready,
        Waiting,
        #[tenant(renamed_from = "busy")]
        Done,
        #[tenant(renamed_from = "done")]
        Busy,
        Archived,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(default = "'new'")]
        pub state: State,
    }
}

/*
error: the labels of the enum type `app.state` have another order, and PostgreSQL cannot reorder labels
  help: restore the order of the variants; or remove `native` from the enum, which makes the column text with a check constraint, and generate that migration; then change the labels, and add `native` again afterwards
*/
