//! Repository methods on the example's models: reads, writes, and errors with their messages.

use tenant_examples::{
    Document, Employee, MemberRole, NewDocument, NewEmployee, NewProject, NewTask, OrgMember, Organization,
    OrganizationChanges, Project, ProjectChanges, Task, TaskChanges, TaskStatus, Visibility,
};
use tenant_runtime::{Error, Members as _, Repository as _, Role, TenantCtx, TenantDb, TenantTx, roles::Organizations};
use tenant_tests::{Database, run};
use uuid::Uuid;

use super::session::join;

fn project(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), description: None, created_at: None }
}

fn task(project_id: Uuid, assigned_to: Option<Uuid>) -> NewTask {
    let title = "two".to_owned();
    NewTask { project_id, title, description: None, status: None, assigned_to, created_at: None }
}

fn employee(email: &str, salary: i64) -> NewEmployee {
    NewEmployee { name: "Ann".to_owned(), email: email.to_owned(), salary }
}

async fn start() -> (Database, TenantDb) {
    let database = Database::create().await;
    let db = database.app().await;
    (database, db)
}

async fn begin<R: Role<Tenancy = Organizations>>(db: &TenantDb, ctx: &TenantCtx<R>) -> TenantTx<R> {
    db.begin(ctx).await.expect("begins")
}

#[tokio::test]
async fn insert_returns_context_and_database_defaults() {
    let (database, db) = start().await;
    let acme = &database.acme;
    let mut tx = begin(&db, &acme.as_member()).await;
    let inserted = Task::insert(&mut tx, task(acme.project, None)).await.expect("a member can");
    let found = Task::get(&mut tx, inserted.id).await.expect("it is there");
    assert_eq!(
        (found.organization_id, found.project_id, found.title, found.status, found.created_at),
        (acme.id, acme.project, "two".to_owned(), TaskStatus::Todo, inserted.created_at)
    );
}

#[tokio::test]
async fn scope_commits_each_call() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_admin());
    let document =
        NewDocument {
            title: "notes".to_owned(), content: Some("…".to_owned()), visibility: Some(Visibility::Private)
        };
    let document = Document::insert(&scope, document).await.expect("an admin can");
    let read = Document::get(&scope, document.id).await.expect("it was kept");
    Document::delete(&scope, document.id).await.expect("an admin can");
    let gone = Document::find(&scope, document.id).await.expect("reads").is_none();
    assert_eq!((read.visibility, read.content.as_deref(), gone), (Visibility::Private, Some("…"), true));
}

#[tokio::test]
async fn rolled_back_transaction_keeps_nothing() {
    let (database, db) = start().await;
    let mut tx = begin(&db, &database.acme.as_member()).await;
    let lost = Project::insert(&mut tx, project("lost")).await.expect("a member can").id;
    tx.rollback().await.expect("rolls back");
    let mut tx = begin(&db, &database.acme.as_member()).await;
    let kept = Project::insert(&mut tx, project("kept")).await.expect("a member can").id;
    tx.commit().await.expect("commits");
    let scope = db.scope(&database.acme.as_viewer());
    let found = (Project::find(&scope, lost).await.expect("reads"), Project::find(&scope, kept).await.expect("reads"));
    assert_eq!((found.0.map(|p| p.name), found.1.map(|p| p.name)), (None, Some("kept".to_owned())));
}

#[tokio::test]
async fn pagination_follows_the_primary_key() {
    let (database, db) = start().await;
    let mut tx = begin(&db, &database.acme.as_admin()).await;
    for n in 0..6 {
        Project::insert(&mut tx, project(&n.to_string())).await.expect("an admin can");
    }
    let all: Vec<Uuid> = Project::list(&mut tx).await.expect("reads").iter().map(|project| project.id).collect();
    let (mut paged, mut pages) = (Vec::new(), Vec::new());
    let mut next = None;
    loop {
        let list = Project::list(&mut tx).limit(3);
        let list = match next {
            Some(cursor) => list.after(cursor),
            None => list,
        };
        let page = list.page().await.expect("reads");
        pages.push(page.rows.len());
        paged.extend(page.rows.iter().map(|project| project.id));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!((pages, paged, all.is_sorted()), (vec![3, 3, 1], all, true));
}

#[tokio::test]
async fn count_includes_rows_of_the_tenant_only() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_viewer());
    let counts = (
        Organization::count(&scope).await.expect("reads"),
        OrgMember::count(&scope).await.expect("reads"),
        Task::count(&scope).await.expect("reads"),
    );
    assert_eq!(counts, (1, 3, 1));
}

#[tokio::test]
async fn long_filters_are_sent_and_deep_filters_are_an_error() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_viewer());
    let all = Project::count(&scope).await.expect("reads");
    let none = || Project::NAME.eq("no such name");
    let named = (0..2_000).map(|number| Project::NAME.eq(format!("{number}")));
    let left = named.clone().fold(none(), |filter, next| filter | next);
    let right = named.fold(none(), |filter, next| next | filter);
    for filter in [left, right] {
        assert_eq!(Project::count(&scope).filter(!filter).await.expect("reads"), all);
    }
    let nested = |levels| (0..levels).fold(none(), |filter, _| (filter | none()) & !none());
    assert_eq!(Project::count(&scope).filter(nested(49)).await.expect("reads"), 0);
    for levels in [50, 100_000] {
        let filter = nested(levels);
        let deep = Project::count(&scope).filter(filter).await.expect_err("the filter is too deep");
        assert!(matches!(&deep, Error::FilterTooDeep { table, limit: 100 } if table == "app.projects"), "{deep:?}");
    }
    let ctx = database.acme.as_admin();
    let negated = (0..100_000).fold(none(), |filter, _| !filter);
    let deep = Project::delete_where(&db.scope(&ctx), negated).await.expect_err("no row is deleted");
    assert!(matches!(deep, Error::FilterTooDeep { .. }), "{deep:?}");
    assert_eq!(Project::count(&scope).await.expect("reads"), all);
}

#[tokio::test]
async fn update_changes_named_columns_and_sets_null() {
    let (database, db) = start().await;
    let mut tx = begin(&db, &database.acme.as_member()).await;
    let changes = TaskChanges {
        status: Some(TaskStatus::Done),
        description: Some(Some("done it".to_owned())),
        assigned_to: Some(None),
        ..TaskChanges::default()
    };
    let task = Task::update(&mut tx, database.acme.task, changes).await.expect("a member can");
    assert_eq!(
        (task.title.as_str(), task.status, task.description.as_deref(), task.assigned_to),
        ("one", TaskStatus::Done, Some("done it"), None)
    );
}

#[tokio::test]
async fn empty_update_returns_the_row() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_member());
    let same = Project::update(&scope, database.acme.project, ProjectChanges::default()).await.expect("reads");
    let missing = Project::update(&scope, Uuid::new_v4(), ProjectChanges::default()).await;
    assert_eq!((same.name.as_str(), matches!(missing, Err(Error::NotFound { .. }))), ("first", true));
}

#[tokio::test]
async fn tenant_row_can_be_updated_by_its_admin_only() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_admin());
    let renamed = || OrganizationChanges { name: Some("Acme Inc.".to_owned()), ..OrganizationChanges::default() };
    let own = Organization::update(&scope, database.acme.id, renamed()).await.expect("an admin can");
    let other = Organization::update(&scope, database.globex.id, renamed()).await;
    assert_eq!((own.name.as_str(), matches!(other, Err(Error::NotFound { .. }))), ("Acme Inc.", true));
}

#[tokio::test]
async fn membership_is_found_by_user_within_the_tenant() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_admin());
    join(&db, &database.acme.as_admin(), database.globex.admin, "admin@globex.example", MemberRole::Viewer).await;
    let here = OrgMember::get(&scope, database.globex.admin).await.expect("it was added");
    OrgMember::remove_member(&scope, database.globex.admin).await.expect("an admin can");
    let there = OrgMember::get(&db.scope(&database.globex.as_viewer()), database.globex.admin).await;
    let there = there.expect("globex keeps its row");
    assert_eq!((here.organization_id, there.organization_id), (database.acme.id, database.globex.id));
}

#[tokio::test]
async fn another_tenants_row_looks_like_a_missing_row() {
    let (database, db) = start().await;
    let other = database.globex.project;
    let mut tx = begin(&db, &database.acme.as_admin()).await;
    let found = Project::find(&mut tx, other).await.expect("reads").is_some();
    let listed = Project::list(&mut tx).await.expect("reads").iter().any(|project| project.id == other);
    let renamed = || ProjectChanges { name: Some("mine".to_owned()), ..ProjectChanges::default() };
    let refusals = [
        Project::get(&mut tx, other).await.expect_err("it is globex's").to_string(),
        Project::update(&mut tx, other, renamed()).await.expect_err("it is globex's").to_string(),
        Project::update(&mut tx, other, ProjectChanges::default()).await.expect_err("it is globex's").to_string(),
        Project::delete(&mut tx, other).await.expect_err("it is globex's").to_string(),
        Project::get(&mut tx, Uuid::new_v4()).await.expect_err("there is none").to_string(),
    ];
    let words = "no row with this key in `app.projects` is visible to the current tenant and role".to_owned();
    assert_eq!((found, listed, refusals), (false, false, [(); 5].map(|()| words.clone())));
}

#[tokio::test]
async fn unique_violation_is_limited_to_the_tenant() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_admin());
    Employee::insert(&scope, employee("ann@globex.example", 1)).await.expect("the first of acme's");
    let error = Employee::insert(&scope, employee("ann@globex.example", 1)).await.expect_err("the second");
    Employee::insert(&db.scope(&database.globex.as_admin()), employee("ann@globex.example", 1))
        .await
        .expect("the first of globex's");
    assert_eq!(
        error.to_string(),
        "duplicate key in `app.employees` violates unique constraint `employees_organization_id_email_key`"
    );
}

#[tokio::test]
async fn foreign_key_violation_names_the_constraint() {
    let (database, db) = start().await;
    let scope = db.scope(&database.acme.as_member());
    let constraint = |error| match error {
        Error::ForeignKeyViolation { table, constraint } => format!("{table} {constraint}"),
        error => panic!("another error: {error}"),
    };
    let parent = Task::insert(&scope, task(database.globex.project, None)).await.expect_err("globex's project");
    let assignee = Task::insert(&scope, task(database.acme.project, Some(database.globex.member))).await;
    assert_eq!(
        [constraint(parent), constraint(assignee.expect_err("globex's member"))],
        ["app.tasks tasks_organization_id_project_id_fkey", "app.tasks tasks_organization_id_assigned_to_fkey"]
    );
}

#[tokio::test]
async fn referenced_row_cannot_be_deleted() {
    let (database, db) = start().await;
    let deleted = OrgMember::remove_member(&db.scope(&database.acme.as_admin()), database.acme.member).await;
    let error = deleted.expect_err("the member wrote a document");
    assert!(
        matches!(&error, Error::ForeignKeyViolation { table, constraint }
            if table == "app.documents" && constraint == "documents_organization_id_created_by_fkey"),
        "{error}"
    );
}

#[tokio::test]
async fn check_violation_names_the_constraint() {
    let (database, db) = start().await;
    let inserted = Employee::insert(&db.scope(&database.acme.as_admin()), employee("neg@acme.example", -1)).await;
    assert_eq!(
        inserted.expect_err("a negative salary").to_string(),
        "row in `app.employees` violates check constraint `employees_salary_check`"
    );
}

#[tokio::test]
async fn failed_insert_aborts_the_transaction() {
    let (database, db) = start().await;
    let mut tx = begin(&db, &database.acme.as_admin()).await;
    Project::insert(&mut tx, project("before")).await.expect("an admin can");
    Employee::insert(&mut tx, employee("x", -1)).await.expect_err("a negative salary");
    let next = Project::count(&mut tx).await;
    let committed = tx.commit().await;
    assert!(matches!((&next, &committed), (Err(Error::Aborted), Err(Error::Aborted))), "{next:?} {committed:?}");
}

#[tokio::test]
async fn custom_sql_without_privilege_is_forbidden() {
    let (database, db) = start().await;
    let mut tx = begin(&db, &database.acme.as_viewer()).await;
    let error = sqlx::query("DELETE FROM app.projects").execute(&mut tx).await.expect_err("denied to a viewer");
    let code = error.as_database_error().and_then(|error| error.code()).map(|code| code.into_owned());
    let error = Error::from(error);
    let forbidden = matches!(&error, Error::Forbidden { table, .. } if table.ends_with("projects"));
    assert_eq!((code.as_deref(), forbidden), (Some("42501"), true), "{error}");
}

#[tokio::test]
async fn forbidden_error_names_table_command_and_role() {
    let (database, db) = start().await;
    // A privilege is revoked by hand; the declaration still includes it.
    run(&mut database.admin().await, "REVOKE DELETE ON app.projects FROM app_admin").await.expect("a superuser can");
    let deleted = Project::delete(&db.scope(&database.acme.as_admin()), database.acme.project).await;
    let error = deleted.expect_err("the right is gone");
    assert!(
        matches!(&error, Error::Forbidden { table, command: "delete from", role: Some("app_admin"), .. }
            if table == "app.projects"),
        "{error}"
    );
}

#[tokio::test]
async fn custom_queries_run_in_the_transaction_context() {
    let (database, db) = start().await;
    let mut tx = begin(&db, &database.acme.as_viewer()).await;
    let sql = "SELECT t.title, p.name FROM app.tasks t JOIN app.projects p ON p.id = t.project_id WHERE p.name = $1";
    let rows: Vec<(String, String)> = sqlx::query_as(sql).bind("first").fetch_all(&mut tx).await.expect("a viewer can");
    tx.commit().await.expect("commits");
    assert_eq!(rows, [("one".to_owned(), "first".to_owned())]);
}
