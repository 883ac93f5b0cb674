// The shortest tenant table: nobody may insert or update, and `delete` takes a higher role than `select`.

use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin")]
pub struct Note {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub body: String,
}
