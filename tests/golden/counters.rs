// Columns that number the rows of each tenant: with members and signed contexts, of a child table and of a partitioned table. Jobs
// across tenants insert invoices, too.

use tenant_runtime::{TenantEnum, TenantTable, tenancy};
use uuid::Uuid;

tenancy! {
    pub Mills {
        key: Uuid,
        schema: "mill",
        role_prefix: "mill_",
        signed_context: true,
        roles: { Clerk, Boss: Clerk },
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
pub enum Post {
    Clerk,
    Boss,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "mill_id", select = "clerk", insert = "boss", delete = "boss", membership(user = "person_id", role = "post"))]
pub struct Employee {
    #[tenant(id)]
    pub mill_id: Uuid,
    #[tenant(id, app_assigned)]
    pub person_id: Uuid,
    pub post: Post,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "mill_id", select = "clerk", insert = "clerk", update = "clerk", delete = "boss", system(select, insert))]
pub struct Invoice {
    pub id: Uuid,
    pub mill_id: Uuid,
    /// The number that is printed on the invoice.
    #[tenant(counter)]
    pub number: i64,
    /// Only the boss knows how many invoices there are.
    #[tenant(counter, unique, select = "boss", sensitive)]
    pub place: i32,
    #[tenant(unique)]
    pub subject: String,
}

#[derive(Debug, TenantTable)]
#[tenant(parent = "invoice_id", select = "clerk", insert = "clerk", delete = "clerk")]
pub struct Item {
    pub id: Uuid,
    #[tenant(references = Invoice, on_delete = "cascade")]
    pub invoice_id: Uuid,
    #[tenant(counter, check = "number > 0")]
    pub number: i64,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "mill_id", select = "clerk", insert = "clerk", partition_by_hash = 2)]
pub struct Receipt {
    #[tenant(id)]
    pub id: Uuid,
    #[tenant(id)]
    pub mill_id: Uuid,
    #[tenant(counter)]
    pub number: i32,
}
