// A policy gets the name that another policy of the table had: both are dropped and created, since the order of two renames would
// matter in one of the two directions.

pub mod v1 {
    use tenant_runtime::{TenantTable, tenancy};

    tenancy! {
        pub Press {
            key: i64,
            schema: "press",
            role_prefix: "press_",
            tenant_setting: "press.id",
            user_setting: "press.person",
            roles: { Reader, Editor: Reader, Head: Editor },
        }
    }

    #[derive(TenantTable)]
    #[tenant(org = "press_id", owner = "author", select = "reader", insert = "reader", update = "head", update_own = "editor")]
    pub struct Story {
        pub id: i64,
        pub press_id: i64,
        pub author: i64,
        pub text: String,
    }
}

pub mod v2 {
    use tenant_runtime::{TenantTable, tenancy};

    tenancy! {
        pub Press {
            key: i64,
            schema: "press",
            role_prefix: "press_",
            tenant_setting: "press.id",
            user_setting: "press.person",
            roles: { Reader, OwnEditor: Reader, Head: OwnEditor },
        }
    }

    #[derive(TenantTable)]
    #[tenant(org = "press_id", owner = "author", select = "reader", insert = "reader", update = "own_editor", update_own = "reader")]
    pub struct Story {
        pub id: i64,
        pub press_id: i64,
        pub author: i64,
        pub text: String,
    }
}

/*
*/
