//! Roles without SELECT on every column read the remaining columns through a view.
#![deny(warnings)]

use tenant_runtime::{
    Repository, TenantTable, TenantTx, TenantView, ViewRepository,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer", insert = "member")]
pub struct Employee {
    pub id: Uuid,
    pub organization_id: Uuid,
    pub name: String,
    #[tenant(select = "admin")]
    pub salary: Option<i64>,
    #[tenant(select = Member, sql_type = "citext")]
    pub phone: Option<String>,
}

#[derive(Debug, TenantView)]
#[tenant(of = Employee)]
pub struct Colleague {
    pub id: Uuid,
    #[tenant(column = "name")]
    pub called: String,
}

#[derive(Debug, TenantView)]
#[tenant(of = Employee)]
pub struct Contact {
    pub id: Uuid,
    pub phone: Option<String>,
}

pub async fn read(
    viewer: &mut TenantTx<Viewer>,
    member: &mut TenantTx<Member>,
    admin: &mut TenantTx<Admin>,
) -> tenant_runtime::Result<()> {
    let _ = Colleague::find(&mut *viewer, Uuid::nil()).await?;
    let _ = Colleague::list(&mut *viewer).limit(3).filter(Employee::ID.gt(Uuid::nil())).await?;
    let _ = Contact::get(member, Uuid::nil()).await?;
    let _ = Employee::get(admin, Uuid::nil()).await?;
    Ok(())
}

fn main() {
    let roles = Employee::TABLE.columns.iter().map(|column| column.select);
    assert_eq!(roles.collect::<Vec<_>>(), [None, None, None, Some("admin"), Some("member")]);
    assert_eq!((Colleague::columns(), Contact::columns()), (vec!["id", "name"], vec!["id", "phone"]));
}
