//! A previous or replaced label must be another label that the enum no longer has.

use tenant_runtime::{TenantEnum, tenancy};

#[derive(TenantEnum)]
enum Status {
    #[tenant(renamed_from = "open")]
    Open,
    #[tenant(replaces = "open")]
    Done,
    #[tenant(replaces = "archived", renamed_from = "it's")]
    Closed,
    #[tenant(replaces = "archived")]
    Gone,
    #[tenant(renamed = "x")]
    Waiting,
}

tenancy! {
    pub Clinics {
        key: i64,
        roles: {
            #[tenant(renamed_from = "Staff Member")]
            Staff,
            #[tenant(renamed_from = "nurse")]
            Nurse: Staff,
        },
    }
}

fn main() {}
