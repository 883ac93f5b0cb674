//! A column with role `"none"` cannot be in a view, and a tenancy cannot have a role of that name.

use tenant_runtime::{TenantTable, TenantView, ViewRepository as _, db::Scope, roles::{Admin, Viewer}, tenancy};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Account {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(select = "none")]
    password_hash: String,
}

#[derive(TenantView)]
#[tenant(of = Account)]
struct Credentials {
    name: String,
    password_hash: String,
}

async fn steal(admin: &Scope<Admin>) -> tenant_runtime::Result<Vec<Credentials>> {
    Credentials::list(admin).await
}

tenancy! {
    Firms {
        key: Uuid,
        statement_timeout: 3_000_000,
        roles: { Nobody },
    }
}

fn main() {}
