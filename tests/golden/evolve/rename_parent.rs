// The tenant column of a parent table, and the tables, get other names: the tenant columns of the child tables follow.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member", using(select = "shown"))]
    pub struct Task {
        pub id: Uuid,
        pub organization_id: Uuid,
        pub shown: bool,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "task_id", select = "viewer", insert = "member")]
    pub struct Comment {
        pub id: Uuid,
        #[tenant(references = Task)]
        pub task_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "comment_id", select = "viewer", insert = "member")]
    pub struct Reaction {
        pub id: Uuid,
        #[tenant(references = Comment)]
        pub comment_id: Uuid,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "firm_id", select = "viewer", insert = "member", using(select = "shown"))]
    #[tenant(renamed_from = "tasks")]
    pub struct Job {
        pub id: Uuid,
        #[tenant(renamed_from = "organization_id")]
        pub firm_id: Uuid,
        pub shown: bool,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "job_id", select = "viewer", insert = "member")]
    #[tenant(renamed_from = "comments")]
    pub struct Remark {
        pub id: Uuid,
        #[tenant(references = Job, renamed_from = "task_id")]
        pub job_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "comment_id", select = "viewer", insert = "member")]
    pub struct Reaction {
        pub id: Uuid,
        #[tenant(references = Remark)]
        pub comment_id: Uuid,
    }
}
