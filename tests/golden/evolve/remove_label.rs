// Removes a label, renames one to a text that other rows have, and turns text into an enum: what rows would lose is refused.

pub mod v1 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(Debug, TenantEnum)]
    pub enum State {
        Open,
        Done,
        Archived,
    }

    #[derive(Debug, TenantEnum)]
    pub enum Kind {
        Task,
        Job,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub state: State,
        pub kind: Kind,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantEnum, TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(Debug, TenantEnum)]
    pub enum State {
        Open,
        Done,
    }

    #[derive(Debug, TenantEnum)]
    pub enum Kind {
        #[tenant(renamed_from = "task")]
        Job,
    }

    #[derive(TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        pub state: State,
        pub kind: Kind,
    }
}

/*
error: the label `archived` of `app.notes.state` is no longer declared, but existing rows can have it
  help: if a label was renamed, add `#[tenant(renamed_from = "archived")]` to its variant; if it was removed, add `#[tenant(replaces = "archived")]` to the variant that existing rows shall have instead
  to count the rows, run SELECT count(*) FROM app.notes WHERE state IN ('archived') as a role that bypasses RLS

error: `app.notes.kind`: the label `task` is renamed to `job`, but existing rows can have the label `job` already
  help: to give both the label `job`, write `#[tenant(replaces = "task")]` instead of `renamed_from`; otherwise rename `job` as well: add `renamed_from = "job"` to the variant that it became
*/
