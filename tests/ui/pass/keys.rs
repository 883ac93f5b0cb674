//! The kinds of keys: made by the database, supplied, composite, borrowed from another table, and the tenant's own.
#![deny(warnings)]

use tenant_runtime::{
    TenantTable,
    model::def::ColumnDef,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "id", select = "viewer", insert = "admin", update = "admin")]
pub struct Organization {
    pub id: Uuid,
    pub name: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
pub struct Membership {
    #[tenant(id, references = Organization, on_delete = "cascade")]
    pub organization_id: Uuid,
    #[tenant(id)]
    pub user_id: Uuid,
    pub role: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
pub struct Setting {
    #[tenant(id)]
    pub organization_id: Uuid,
    pub value: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
pub struct Task {
    pub id: i64,
    pub organization_id: Uuid,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member")]
pub struct TaskDetail {
    #[tenant(id, references = Task, on_delete = "cascade")]
    pub task_id: i64,
    pub organization_id: Uuid,
    pub text: String,
}

#[derive(Debug, TenantTable)]
#[tenant(global, select = Viewer, insert = Admin)]
pub struct Currency {
    #[tenant(id, supplied, check = "length(code) = 3")]
    pub code: String,
}

#[derive(Debug, TenantTable)]
#[tenant(global, select = Viewer, insert = Admin)]
pub struct Ticket {
    #[tenant(default = "'T' || nextval('tickets')")]
    pub id: String,
}

fn supplied(columns: &[ColumnDef]) -> Vec<&str> {
    columns.iter().filter(|column| column.supplied).map(|column| column.name).collect()
}

fn ids(columns: &[ColumnDef]) -> Vec<&str> {
    columns.iter().filter(|column| column.id).map(|column| column.name).collect()
}

fn main() {
    fn key<T: TenantTable<Id = Id>, Id>() -> (Vec<&'static str>, Vec<&'static str>) {
        (ids(T::TABLE.columns), supplied(T::TABLE.columns))
    }
    assert_eq!(key::<Organization, Uuid>(), (vec!["id"], vec!["name"]));
    assert_eq!(key::<Membership, Uuid>(), (vec!["organization_id", "user_id"], vec!["user_id", "role"]));
    assert_eq!(key::<Setting, Uuid>(), (vec!["organization_id"], vec!["value"]));
    assert_eq!(key::<Task, i64>(), (vec!["id"], vec![]));
    assert_eq!(key::<TaskDetail, i64>(), (vec!["task_id"], vec!["task_id", "text"]));
    assert_eq!(key::<Currency, String>(), (vec!["code"], vec!["code"]));
    assert_eq!(key::<Ticket, String>(), (vec!["id"], vec![]));

    let _ = NewOrganization { name: String::new() };
    let _ = NewMembership { user_id: Uuid::nil(), role: String::new() };
    let _ = NewSetting { value: String::new() };
    let _ = NewTask {};
    let _ = NewTaskDetail { task_id: 1, text: String::new() };
    let _ = TaskDetailChanges { text: Some(String::new()) };
    let _ = NewCurrency { code: String::new() };
    let _ = NewTicket {};
}
