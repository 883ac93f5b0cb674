// A table partitioned by its tenant column, referenced by another table.

use tenant_runtime::{TenantTable, roles::{Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", partition_by_hash = 2)]
pub struct Measurement {
    #[tenant(id)]
    pub organization_id: Uuid,
    #[tenant(id, default = "gen_random_uuid()")]
    pub id: Uuid,
    #[tenant(index)]
    pub value: f64,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
pub struct Remark {
    pub id: i64,
    pub organization_id: Uuid,
    #[tenant(references = Measurement)]
    pub measurement_id: Uuid,
}
