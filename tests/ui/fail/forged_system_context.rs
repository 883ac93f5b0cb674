//! A context of the system role comes from `SystemDb` alone, which records a reason first.

use tenant_runtime::{System, TenantCtx, roles::Organizations};
use uuid::Uuid;

fn main() {
    let _ = TenantCtx::<System<Organizations>>::assume_authorized(Uuid::nil(), Uuid::nil());
    let _ = TenantCtx::<System<Organizations>>::assume_authorized_job(Uuid::nil());
}
