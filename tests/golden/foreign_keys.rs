// Foreign keys: to the tenant table, composite within a tenant, self-referencing, circular, and to a global table.

use tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};
use uuid::Uuid;

#[derive(TenantTable)]
#[tenant(org = "id", select = "viewer", update = "admin")]
pub struct Company {
    pub id: Uuid,
    pub name: String,
}

#[derive(TenantTable)]
#[tenant(global, select = "viewer")]
pub struct Country {
    #[tenant(app_assigned)]
    pub id: String,
    pub name: String,
}

#[derive(TenantTable)]
#[tenant(org = "company_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
pub struct Department {
    pub id: i32,
    #[tenant(references = Company, on_delete = "cascade")]
    pub company_id: Uuid,
    #[tenant(references = Department, on_delete = "cascade")]
    pub part_of: Option<i32>,
    #[tenant(references = Person, on_delete = "set_null")]
    pub head: Option<i32>,
    #[tenant(references = Country)]
    pub country: String,
}

#[derive(TenantTable)]
#[tenant(org = "company_id", select = "viewer", insert = "member", update = "member", delete = "member")]
#[tenant(unique(name, department), index(department, name))]
pub struct Person {
    pub id: i32,
    #[tenant(references = Company, on_delete = "cascade")]
    pub company_id: Uuid,
    #[tenant(references = Department, on_delete = "cascade")]
    pub department: i32,
    pub name: String,
}
