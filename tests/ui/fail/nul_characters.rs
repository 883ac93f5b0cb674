//! PostgreSQL cannot store a NUL character in text, so no attribute and no doc comment can contain one.

use tenant_runtime::{TenantTable, roles::Viewer};
use uuid::Uuid;

#[doc = "a\0b"]
#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", using(select = "name <> '\0'"))]
struct Project {
    id: Uuid,
    organization_id: Uuid,
    #[doc = "\0"]
    #[tenant(column = "na\0me", default = "'\0'", check = "name <> '\u{0}'")]
    name: String,
    #[tenant(sql_type = "te\0xt", renamed_from = "\x00")]
    other: String,
}

fn main() {}
