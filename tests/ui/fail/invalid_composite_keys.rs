//! A key of several fields contains the tenant column. A foreign key lists at least two fields, without the tenant column.

use tenant_runtime::{TenantTable, roles::{Admin, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Link {
    organization_id: Uuid,
    #[tenant(id)]
    left_id: Uuid,
    #[tenant(id)]
    right_id: Uuid,
}

#[derive(TenantTable)]
#[tenant(global, sign_up)]
struct Account {
    #[tenant(id)]
    country: String,
    #[tenant(id)]
    number: i64,
}

#[derive(TenantTable)]
#[tenant(global, visible_through = Account, select = "viewer")]
struct Nine {
    #[tenant(id)]
    a: i16,
    #[tenant(id)]
    b: i16,
    #[tenant(id)]
    c: i16,
    #[tenant(id)]
    d: i16,
    #[tenant(id)]
    e: i16,
    #[tenant(id)]
    f: i16,
    #[tenant(id)]
    g: i16,
    #[tenant(id)]
    h: i16,
    #[tenant(id)]
    i: i16,
}

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "admin")]
#[tenant(foreign_key(left_id, references = Link))]
#[tenant(foreign_key(left_id, right_id))]
#[tenant(foreign_key(left_id, left_id, rihgt_id, references = Link, on_delete = "cascad"))]
#[tenant(foreign_key(organization_id, changed, references = Link, onn_delete = "cascade"))]
#[tenant(foreign_key(left_id, right_id, references = "no path"))]
#[tenant(foreign_key)]
struct Note {
    id: Uuid,
    organization_id: Uuid,
    left_id: Uuid,
    right_id: Uuid,
    #[tenant(generated = "left_id IS NULL")]
    changed: bool,
}

// The parent is named by one field.
#[derive(TenantTable)]
#[tenant(parent = "left_id", select = "viewer", foreign_key(left_id, right_id, references = Link))]
struct Child {
    id: Uuid,
    left_id: Uuid,
    right_id: Uuid,
}

fn main() {}
