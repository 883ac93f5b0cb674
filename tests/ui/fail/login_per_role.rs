//! Login names that clash or are too long, and `login_per_role` on a tenancy without it.

use tenant_runtime::{TenantDb, roles::Organizations};

tenant_runtime::tenancy! {
    pub Clinics {
        key: i64,
        role_prefix: "clinic_",
        login_per_role: true,
        roles: {
            Staff,
            StaffService: Staff,
            DoctorsWhoMayReadTheFindingsOfAllOtherDoctors: Staff,
        },
    }
}

tenant_runtime::tenancy! {
    pub Firms {
        key: i64,
        logins_per_role: true,
        roles: { Clerk },
    }
}

async fn f(url: &str) {
    let options = TenantDb::options().login_per_role::<Organizations>(|role| Some(role.to_owned()));
    let _ = options.connect(url).await;
}

fn main() {
    drop(f(""));
}
