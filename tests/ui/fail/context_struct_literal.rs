//! Contexts, sessions and users cannot be built from their fields.

use tenant_runtime::{
    Session, TenantCtx, UserCtx,
    roles::{Admin, Organizations},
};
use uuid::Uuid;

fn by_hand(org: Uuid) -> TenantCtx<Admin> {
    TenantCtx { org, user: None, role: std::marker::PhantomData }
}


fn looked_up_by_nobody(org: Uuid, user: Uuid) -> Session<Organizations> {
    Session { org, user, role: "admin" }
}

fn signed_in_by_nobody(user: Uuid) -> UserCtx<Organizations> {
    UserCtx { user: Some(user) }
}

fn main() {}
