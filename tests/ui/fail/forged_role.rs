//! A role is what `tenancy!` declares; a type that claims to be another one is refused, whatever it says of itself.

use tenant_runtime::{
    __private::{First, Next},
    Role, TenantCtx,
    roles::{Organizations, Viewer},
    tenancy,
    tenant::{JobRole, MemberRole},
};
use uuid::Uuid;

tenancy! {
    pub Clinics {
        key: Uuid,
        roles: { Nurse, Doctor: Nurse },
    }
}

pub enum Forged {}

impl Role for Forged {
    type Tenancy = Organizations;
    type Kind = MemberRole;
    type Place = Next<Next<First>>;
    const NAME: &'static str = "admin";
    const DB_ROLE: &'static str = "app_admin";
}

pub enum OfTheOwnTenancy {}

impl Role for OfTheOwnTenancy {
    type Tenancy = Clinics;
    type Kind = MemberRole;
    type Place = Next<Next<First>>;
    const NAME: &'static str = "doctor";
    const DB_ROLE: &'static str = "clinic_doctor";
}

pub enum OfJobs {}

impl Role for OfJobs {
    type Tenancy = Organizations;
    type Kind = JobRole;
    type Place = ();
    const NAME: &'static str = "system";
    const DB_ROLE: &'static str = "app_system";
}

pub enum AnotherKind {}

pub enum OfAnotherKind {}

impl Role for OfAnotherKind {
    type Tenancy = Organizations;
    type Kind = AnotherKind;
    type Place = First;
    const NAME: &'static str = "viewer";
    const DB_ROLE: &'static str = "app_schema_owner";
}

fn widened(ctx: TenantCtx<Viewer>) -> TenantCtx<Forged> {
    ctx.narrow()
}

fn main() {}
