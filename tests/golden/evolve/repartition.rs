// Changing the number of partitions is rejected, since PostgreSQL cannot repartition a table.

pub mod v1 {
    use tenant_runtime::{TenantTable, roles::{Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", partition_by_hash = 2, select = "viewer")]
    pub struct Event {
        #[tenant(id)]
        pub number: Uuid,
        #[tenant(id)]
        pub org: Uuid,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, roles::{Viewer}};
    use uuid::Uuid;

    #[derive(TenantTable)]
    #[tenant(org = "org", partition_by_hash = 4, select = "viewer")]
    pub struct Event {
        #[tenant(id)]
        pub number: Uuid,
        #[tenant(id)]
        pub org: Uuid,
    }
}

/*
error: cannot change the hash partitions of `app.events` from 2 to 4: PostgreSQL cannot repartition a table
  help: declare a second struct with the new `partition_by_hash`, copy the rows of `app.events` in a hand-written migration, and remove the old struct; or restore the attribute
*/
