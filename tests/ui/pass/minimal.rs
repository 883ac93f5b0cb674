//! The minimal declaration.
#![deny(warnings)]

use tenant_runtime::{
    TenantTable,
    repo::table::{Delete, Select},
    roles::{Admin, Viewer},
};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "viewer", delete = "admin")]
struct Project {
    id: Uuid,
    organization_id: Uuid,
}

fn deleted_by<T: Delete<SelectRole = Viewer, DeleteRole = Admin, Id = Uuid>>() -> String {
    T::TABLE_NAME.to_string()
}

fn main() {
    fn selected<T: Select>() {}
    selected::<Project>();
    assert_eq!(deleted_by::<Project>(), "app.projects");
    let Project { id: _, organization_id: _ } = Project { id: Uuid::nil(), organization_id: Uuid::nil() };
}
