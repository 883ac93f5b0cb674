//! The parent of a row is a row of the same table.

use tenant_runtime::{
    TenantTable,
    roles::{Member, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(parent = "answers", select = "viewer", insert = "member")]
struct Comment {
    id: Uuid,
    #[tenant(references = Comment)]
    answers: Uuid,
    body: String,
}

fn main() {}
