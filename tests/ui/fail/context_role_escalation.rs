//! A context has no default, and its role cannot be raised.

use tenant_runtime::{
    TenantCtx,
    roles::{Admin, Member, Viewer},
};

fn out_of_nothing() -> TenantCtx<Member> {
    Default::default()
}

fn widened(ctx: TenantCtx<Viewer>) -> TenantCtx<Admin> {
    ctx.narrow::<Admin>()
}

fn renamed(ctx: TenantCtx<Viewer>) -> TenantCtx<Member> {
    ctx
}

fn main() {}
