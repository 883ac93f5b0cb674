// Columns without planner statistics, one of them in a partitioned table.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
pub struct Patient {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub name: String,
    /// What the patient suffers from.
    #[tenant(sensitive)]
    pub diagnosis: String,
    #[tenant(sensitive, unique, select = "admin", check = "length(insurance_number) = 10")]
    pub insurance_number: Option<String>,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", partition_by_hash = 2)]
pub struct Reading {
    #[tenant(id)]
    pub id: Uuid,
    #[tenant(id)]
    pub organization_id: Uuid,
    #[tenant(sensitive)]
    pub value: i32,
}
