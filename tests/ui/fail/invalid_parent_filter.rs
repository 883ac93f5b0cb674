//! A filter on a parent row uses the referenced table and requires its `select` roles.
#![allow(unused_imports)]

use tenant_runtime::{
    Repository, TenantTable, TenantTx, TenantView,
    roles::{Admin, Member, Viewer},
};
use uuid::Uuid;

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "member")]
struct Team {
    id: Uuid,
    organization_id: Uuid,
    name: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Employee {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    #[tenant(select = "admin")]
    salary: i64,
}

#[derive(Debug, TenantView)]
#[tenant(of = Team)]
struct TeamCard {
    name: String,
}

#[derive(Debug, TenantTable)]
#[tenant(org = "organization_id", select = "viewer")]
struct Task {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Employee)]
    employee_id: Uuid,
    #[tenant(references = Team)]
    team_id: Option<Uuid>,
    title: String,
}

async fn parents(viewer: &mut TenantTx<Viewer>, member: &mut TenantTx<Member>) {
    let _ = Task::TITLE.where_parent(Employee::NAME.eq("x"));
    let _ = Task::EMPLOYEE_ID.where_parent(Team::NAME.eq("x"));
    let _ = Task::list(&mut *viewer).filter(Task::TEAM_ID.where_parent(Team::NAME.eq("x"))).await;
    let _ = Task::count(&mut *member).filter(Task::EMPLOYEE_ID.where_parent(Employee::SALARY.gt(5))).await;
    let _ = Task::EMPLOYEE_ID.where_parent(Employee::NAME.eq("x")) & Task::TEAM_ID.where_parent(Team::NAME.eq("x"));
    let _ = Task::list(&mut *member).with(Task::EMPLOYEE_ID.view::<TeamCard>()).await;
    let _ = Task::list(&mut *viewer).with(Task::TEAM_ID.view::<TeamCard>()).await;
}

fn main() {}
