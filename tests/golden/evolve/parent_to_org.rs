// A child table becomes a tenant table and a tenant table becomes a child table: both keep their tenant column.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member")]
    pub struct Task {
        pub id: Uuid,
        pub organization_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "task_id", select = "viewer", insert = "member")]
    pub struct Comment {
        pub id: Uuid,
        #[tenant(references = Task)]
        pub task_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member")]
    pub struct Attachment {
        pub id: Uuid,
        pub organization_id: Uuid,
        #[tenant(references = Task)]
        pub task_id: Uuid,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member")]
    pub struct Task {
        pub id: Uuid,
        pub organization_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(org = "organization_id", select = "viewer", insert = "member")]
    pub struct Comment {
        pub id: Uuid,
        pub organization_id: Uuid,
        #[tenant(references = Task)]
        pub task_id: Uuid,
    }

    #[derive(TenantTable)]
    #[tenant(parent = "task_id", select = "viewer", insert = "member")]
    pub struct Attachment {
        pub id: Uuid,
        #[tenant(references = Task)]
        pub task_id: Uuid,
    }
}
