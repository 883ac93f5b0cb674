//! The repository calls whose plans are checked: each method, on each table of the example that has it.

use std::time::Duration;

use futures_util::TryStreamExt as _;
use tenant_examples::{
    Change, Comment, CommentChanges, Document, DocumentChanges, Employee, EmployeeCard, EmployeeChanges, Event,
    Invitation, MemberRole, NewComment, NewDocument, NewEmployee, NewEvent, NewProject, NewTask, OrgMember,
    Organization, OrganizationChanges, Project, ProjectChanges, Task, TaskChanges, TaskStatus, User,
};
use tenant_runtime::{
    Invitations as _, Members as _, Repository as _, SystemCtx, TenantDb, UserCtx, ViewRepository as _,
    roles::Organizations,
};

use super::{fixture::Tenant, log::Recorder};

/// Runs a call if it is wanted, and records its plans.
macro_rules! call {
    ($log:expr, $name:literal, $call:expr) => {
        if $log.wants($name) {
            $log.call($name, async { $call.await }).await;
        }
    };
}

/// Runs all calls for a tenant.
pub(super) async fn run_all(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    run_reads(db, tenant, log).await;
    tasks_and_projects(db, tenant, log).await;
    other_writes(db, tenant, log).await;
    members(db, tenant, log).await;
}

/// Runs the calls that read.
pub(super) async fn run_reads(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    log.of(tenant.size());
    read_by_key(db, tenant, log).await;
    list(db, tenant, log).await;
    filter(db, tenant, log).await;
}

async fn read_by_key(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    let scope = db.scope(&tenant.as_admin());
    let numbers = 1..4_i64;
    call!(log, "Organization::find", Organization::find(&scope, tenant.org));
    call!(log, "User::find", User::find(&scope, tenant.member));
    call!(log, "OrgMember::get", OrgMember::get(&scope, tenant.member));
    call!(log, "Invitation::find", Invitation::find(&scope, tenant.project));
    call!(log, "Project::get", Project::get(&scope, tenant.project));
    call!(log, "Task::find", Task::find(&scope, tenant.tasks[0]));
    call!(log, "Task::get", Task::get(&scope, tenant.tasks[0]));
    call!(log, "Task::find_many", Task::find_many(&scope, tenant.tasks.clone()));
    call!(log, "Document::find", Document::find(&scope, 7));
    call!(log, "Document::find_many", Document::find_many(&scope, numbers.clone()));
    call!(log, "Employee::find", Employee::find(&scope, 7));
    call!(log, "EmployeeCard::find", EmployeeCard::find(&scope, 7));
    call!(log, "EmployeeCard::find_many", EmployeeCard::find_many(&scope, numbers.clone()));
    call!(log, "Comment::find", Comment::find(&scope, tenant.project));
    call!(log, "Event::get", Event::get(&scope, tenant.events[0]));
    call!(log, "Event::find_many", Event::find_many(&scope, tenant.events.clone()));
    call!(log, "Change::find", Change::find(&scope, 7));
}

async fn list(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    let scope = db.scope(&tenant.as_admin());
    call!(log, "Organization::list", Organization::list(&scope));
    call!(log, "User::list", User::list(&scope).limit(20));
    call!(log, "OrgMember::list", OrgMember::list(&scope).limit(20));
    call!(log, "Invitation::list", Invitation::list(&scope).limit(20));
    call!(log, "Project::list by time", Project::list(&scope).order(Project::CREATED_AT.desc()).limit(20));
    call!(log, "Task::list", Task::list(&scope).limit(50));
    call!(log, "Task::list by title", Task::list(&scope).order(Task::TITLE.asc()).limit(20));
    call!(log, "Task::list with", Task::list(&scope).limit(20).with(Task::PROJECT_ID));
    call!(log, "Task::list with a member", Task::list(&scope).limit(20).with(Task::ASSIGNED_TO));
    call!(log, "Task::stream", Task::list(&scope).limit(20).stream().try_collect::<Vec<_>>());
    call!(log, "Document::list", Document::list(&scope).limit(20));
    call!(log, "Document::list with", Document::list(&scope).limit(20).with(Document::CREATED_BY));
    call!(log, "Employee::list", Employee::list(&scope).limit(20));
    call!(log, "EmployeeCard::list", EmployeeCard::list(&scope).order(Employee::EMAIL.asc()).limit(20));
    call!(log, "Comment::list", Comment::list(&scope).limit(20));
    call!(log, "Comment::list with", Comment::list(&scope).limit(20).with(Comment::TASK_ID));
    call!(log, "Event::list", Event::list(&scope).limit(20));
    call!(log, "Change::list", Change::list(&scope).limit(20));
    if log.wants("Task::page") {
        let page = log.call("Task::page", Task::list(&scope).limit(5).page()).await;
        let next = page.next.expect("a tenant has more than five tasks");
        log.call("Task::page after", Task::list(&scope).limit(5).after(next).page()).await;
    }
    if log.wants("Project::page") {
        let by_time = || Project::list(&scope).order(Project::CREATED_AT.desc()).limit(2);
        let next = log.call("Project::page", by_time().page()).await.next.expect("a tenant has more than two projects");
        log.call("Project::page after", by_time().after(next).page()).await;
    }
}

async fn filter(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    let scope = db.scope(&tenant.as_admin());
    let todo = || Task::STATUS.eq(TaskStatus::Todo);
    let first = || Task::PROJECT_ID.where_parent(Project::NAME.eq("project 1"));
    call!(log, "User::count", User::count(&scope));
    call!(log, "OrgMember::count", OrgMember::count(&scope));
    call!(log, "Invitation::count", Invitation::count(&scope));
    call!(log, "Project::count", Project::count(&scope));
    call!(log, "Task::count", Task::count(&scope));
    call!(log, "Task::count filtered", Task::count(&scope).filter(!todo() & Task::TITLE.starts_with("task 1")));
    call!(log, "Task::list filtered", Task::list(&scope).filter(todo()).limit(20));
    call!(log, "Task::list where_parent", Task::list(&scope).filter(first()).limit(20));
    call!(log, "Task::list not where_parent", Task::list(&scope).filter(!first()).limit(20));
    call!(log, "Task::exists", Task::exists(&scope, todo()));
    call!(log, "Task::exists where_parent", Task::exists(&scope, first()));
    call!(log, "Document::count", Document::count(&scope));
    call!(log, "Employee::exists", Employee::exists(&scope, Employee::EMAIL.eq("3@example")));
    call!(log, "Employee::count", Employee::count(&scope).filter(Employee::SALARY.gt(1)));
    call!(log, "Comment::count", Comment::count(&scope));
    call!(log, "Comment::exists", Comment::exists(&scope, Comment::TASK_ID.eq(tenant.tasks[0])));
    call!(log, "Event::count", Event::count(&scope));
    call!(log, "Event::exists", Event::exists(&scope, Event::WHAT.eq("event 2900")));
    call!(log, "Change::count", Change::count(&scope).filter(Change::TABLE_NAME.eq("app.projects")));
}

async fn tasks_and_projects(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    let scope = db.scope(&tenant.as_admin());
    let changes = |title: &str| TaskChanges { title: Some(title.to_owned()), ..TaskChanges::default() };
    let renamed = |name: &str| ProjectChanges { name: Some(name.to_owned()), ..ProjectChanges::default() };
    let project = || NewProject { name: "new".to_owned(), description: None, created_at: None };
    let new = || NewTask {
        project_id: tenant.project,
        title: "new".to_owned(),
        description: None,
        status: None,
        assigned_to: Some(tenant.member),
        created_at: None,
    };
    if log.wants("Task::insert") {
        let inserted = log.call("Task::insert", async { Task::insert(&scope, new()).await }).await.id;
        log.call("Task::insert_many", Task::insert_many(&scope, (0..50).map(|_| new()))).await;
        log.call("Task::update", async { Task::update(&scope, inserted, changes("new")).await }).await;
        log.call("Task::delete", Task::delete(&scope, inserted)).await;
    }
    let filter = || Task::TITLE.eq("new");
    call!(log, "Task::update_where", Task::update_where(&scope, filter(), changes("old")));
    call!(log, "Task::delete_where", Task::delete_where(&scope, Task::TITLE.eq("old")));
    let first = || Task::PROJECT_ID.where_parent(Project::NAME.eq("project 1"));
    call!(log, "Task::update_where where_parent", Task::update_where(&scope, first(), changes("one")));
    if log.wants("Project::insert") {
        let inserted = log.call("Project::insert", async { Project::insert(&scope, project()).await }).await.id;
        log.call("Project::insert_many", Project::insert_many(&scope, (0..50).map(|_| project()))).await;
        log.call("Project::update", async { Project::update(&scope, inserted, renamed("new")).await }).await;
        log.call("Project::delete", Project::delete(&scope, inserted)).await;
        let filter = Project::NAME.eq("new");
        log.call("Project::delete_where", Project::delete_where(&scope, filter)).await;
    }
}

async fn other_writes(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    let scope = db.scope(&tenant.as_admin());
    let named = OrganizationChanges { name: Some("renamed".to_owned()), ..OrganizationChanges::default() };
    call!(log, "Organization::update", Organization::update(&scope, tenant.org, named));
    let document = || NewDocument { title: "new".to_owned(), content: None, visibility: None };
    if log.wants("Document::insert") {
        let inserted = log.call("Document::insert", async { Document::insert(&scope, document()).await }).await.id;
        log.call("Document::insert_many", Document::insert_many(&scope, (0..50).map(|_| document()))).await;
        let changes = DocumentChanges { title: Some("new".to_owned()), ..DocumentChanges::default() };
        log.call("Document::update", async { Document::update(&scope, inserted, changes).await }).await;
        log.call("Document::delete", Document::delete(&scope, inserted)).await;
        log.call("Document::delete_where", Document::delete_where(&scope, Document::TITLE.eq("new"))).await;
    }
    let employee = |n: u32| NewEmployee { name: "new".to_owned(), email: format!("new.{n}@example"), salary: 1 };
    if log.wants("Employee::insert") {
        let inserted = log.call("Employee::insert", async { Employee::insert(&scope, employee(0)).await }).await.id;
        log.call("Employee::insert_many", Employee::insert_many(&scope, (1..50).map(employee))).await;
        log.call("Employee::upsert", Employee::upsert(&scope, employee(0), Employee::BY_EMAIL)).await;
        let changes = EmployeeChanges { name: Some("new".to_owned()), ..EmployeeChanges::default() };
        log.call("Employee::update", async { Employee::update(&scope, inserted, changes).await }).await;
        let changes = EmployeeChanges { name: Some("card".to_owned()), ..EmployeeChanges::default() };
        log.call("EmployeeCard::update", async { EmployeeCard::update(&scope, inserted, changes).await }).await;
        log.call("Employee::delete", Employee::delete(&scope, inserted)).await;
        log.call("Employee::delete_where", Employee::delete_where(&scope, Employee::NAME.eq("new"))).await;
    }
    let comment = || NewComment { task_id: tenant.tasks[0], body: "new".to_owned() };
    if log.wants("Comment::insert") {
        let inserted = log.call("Comment::insert", async { Comment::insert(&scope, comment()).await }).await.id;
        log.call("Comment::insert_many", Comment::insert_many(&scope, (0..50).map(|_| comment()))).await;
        let changes = CommentChanges { body: Some("new".to_owned()) };
        log.call("Comment::update", async { Comment::update(&scope, inserted, changes).await }).await;
        log.call("Comment::delete", Comment::delete(&scope, inserted)).await;
        let filter = Comment::TASK_ID.eq(tenant.tasks[0]) & Comment::BODY.eq("new");
        log.call("Comment::delete_where", Comment::delete_where(&scope, filter)).await;
    }
    let event = || NewEvent { what: "new".to_owned(), id: None, at: None };
    call!(log, "Event::insert", Event::insert(&scope, event()));
    call!(log, "Event::insert_many", Event::insert_many(&scope, (0..50).map(|_| event())));
}

async fn members(db: &TenantDb, tenant: &Tenant, log: &mut Recorder<'_>) {
    let scope = db.scope(&tenant.as_admin());
    let user = db.user_scope(&UserCtx::assume_authenticated(tenant.member));
    let role = MemberRole::Viewer;
    call!(log, "OrgMember::change_role", OrgMember::change_role(&scope, tenant.member, role));
    call!(log, "OrgMember::change_role back", OrgMember::change_role(&scope, tenant.member, MemberRole::Member));
    call!(log, "UserScope::tenants", user.tenants::<OrgMember>());
    call!(log, "UserScope::session", user.session::<OrgMember>(tenant.org));
    let day = Duration::from_secs(86_400);
    call!(log, "Invitation::invite", Invitation::invite(&scope, "new@example", role, day));
    let filter = Invitation::EMAIL.eq("new@example");
    call!(log, "Invitation::delete_where", Invitation::delete_where(&scope, filter));
}

/// Runs the calls of a cross-tenant job that is limited to a tenant.
pub(super) async fn run_jobs(jobs: &SystemCtx<Organizations>, tenant: &Tenant, log: &mut Recorder<'_>) {
    let mut tx = jobs.begin_for(&tenant.org).await.expect("begins");
    let changes = TaskChanges { title: Some("job".to_owned()), ..TaskChanges::default() };
    call!(log, "job Organization::find", Organization::find(&mut tx, tenant.org));
    call!(log, "job Task::find", Task::find(&mut tx, tenant.tasks[0]));
    call!(log, "job Task::list", Task::list(&mut tx).limit(20));
    call!(log, "job Task::count", Task::count(&mut tx).filter(Task::STATUS.eq(TaskStatus::Todo)));
    call!(log, "job Task::update_where", Task::update_where(&mut tx, Task::STATUS.eq(TaskStatus::Todo), changes));
    call!(log, "job Comment::find", Comment::find(&mut tx, tenant.project));
    call!(log, "job Event::count", Event::count(&mut tx));
    let event = NewEvent { what: "new".to_owned(), id: None, at: None };
    call!(log, "job Event::insert", Event::insert(&mut tx, event));
    tx.commit().await.expect("commits");
}
