// The minimal tenant table: no role can insert or update, and `delete` requires a higher role than `select`.

use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin")]
pub struct Note {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub body: String,
}
