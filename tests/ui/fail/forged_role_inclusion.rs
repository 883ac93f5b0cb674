//! What a role includes is what `tenancy!` declares; an app cannot add to it, not even to its own roles.

use tenant_runtime::{
    TenantCtx, TenantTable,
    repo::{
        access::{KindMay, May, MayRead, MaySet, MayUse, SatisfiesAll, OnlyRole}, cmd,
        filter::{CombineRoles, Covers},
    },
    roles::{Admin, Viewer},
    tenancy,
    tenant::{AtLeast, MemberRole},
};
use uuid::Uuid;

tenancy! {
    pub Clinics {
        key: Uuid,
        roles: { Nurse, Doctor: Nurse },
    }
}

#[derive(TenantTable)]
#[tenant(org = "clinic_id", select = "nurse", insert = "doctor", update = "doctor", delete = "doctor")]
struct Patient {
    id: Uuid,
    clinic_id: Uuid,
    #[tenant(select = "doctor", update = "doctor")]
    notes: String,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

impl AtLeast<Admin> for Viewer {}
impl AtLeast<Doctor> for Nurse {}

impl May<cmd::Delete, Project, Admin> for Viewer {}
impl May<cmd::Delete, Patient, Doctor> for Nurse {}
impl KindMay<Nurse, cmd::Delete, Patient, Doctor> for MemberRole {}
impl SatisfiesAll<OnlyRole<Doctor>> for Nurse {}
impl MayRead<Patient, OnlyRole<Doctor>> for Nurse {}
impl MayUse<Patient, Doctor> for Nurse {}
impl MaySet<Patient, Doctor> for Nurse {}

impl CombineRoles<Doctor> for Nurse {
    type Both = ();
}
impl Covers<Doctor> for Nurse {}

fn widened(ctx: TenantCtx<Nurse>) -> TenantCtx<Doctor> {
    ctx.narrow()
}

fn main() {}
