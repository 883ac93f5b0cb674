//! Round trips of calls and transactions, with the release of the connection, counted by a proxy.

use std::time::Duration;

use tenant_examples::{Employee, MemberRole, OrgMember, Project, ProjectChanges, Task, TaskChanges, TaskStatus};
use tenant_runtime::{
    InlineValues, Members as _, Repository as _, Result, TenantDb, UserCtx,
    roles::{Admin, Member, Organizations, Viewer},
};
use tenant_tests::{Database, proxy::Proxy};
use uuid::Uuid;

use super::{new_project, new_task};

/// The app behind a proxy, with one connection for each role.
struct Counted {
    database: Database,
    proxy: Proxy,
    db: TenantDb,
}

impl Counted {
    async fn open(values: InlineValues) -> Self {
        let database = Database::create().await;
        let proxy = Proxy::start(&database, Duration::ZERO);
        let options = TenantDb::options().inline_values(values).max_connections(1);
        let db = options.connect(&proxy.url("app_service", &database)).await.expect("connects");
        Self { database, proxy, db }
    }

    /// Returns the round trips of an operation on a connection that has run it before.
    async fn trips<T>(&self, operation: impl AsyncFn() -> Result<T>) -> u64 {
        // Opens the connection, and prepares the statements if their values are bound.
        operation().await.expect("it runs");
        self.proxy.reset().await;
        operation().await.expect("it runs again");
        self.proxy.trips().await
    }
}

fn renamed(name: &str) -> ProjectChanges {
    ProjectChanges { name: Some(name.to_owned()), ..ProjectChanges::default() }
}

fn status(status: TaskStatus) -> TaskChanges {
    TaskChanges { status: Some(status), ..TaskChanges::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_by_key_lists_counts_and_writes_without_text_take_one_round_trip_by_default() {
    let app = Counted::open(InlineValues::default()).await;
    let acme = app.database.acme;
    let (viewer, member) = (app.db.scope(&acme.as_viewer()), app.db.scope(&acme.as_member()));
    assert_eq!(app.trips(async || Project::get(&viewer, acme.project).await).await, 1);
    assert_eq!(app.trips(async || Project::find_many(&viewer, [acme.project, Uuid::new_v4()]).await).await, 1);
    assert_eq!(app.trips(async || Project::list(&viewer).order(Project::NAME.asc()).limit(5).await).await, 1);
    assert_eq!(app.trips(async || Project::list(&viewer).order(Project::CREATED_AT.desc()).page().await).await, 1);
    assert_eq!(app.trips(async || Task::list(&viewer).with(Task::PROJECT_ID).await).await, 1);
    assert_eq!(app.trips(async || Project::count(&viewer).await).await, 1);
    assert_eq!(app.trips(async || Task::exists(&viewer, Task::STATUS.eq(TaskStatus::Done)).await).await, 1);
    assert_eq!(app.trips(async || Task::update(&member, acme.task, status(TaskStatus::Done)).await).await, 1);
    assert_eq!(
        app.trips(async || Task::update_where(&member, Task::ID.eq(acme.task), status(TaskStatus::Todo)).await).await,
        1
    );
    assert_eq!(app.trips(async || Task::delete_where(&member, Task::ID.eq(Uuid::new_v4())).await).await, 1);
    let user = app.db.user_scope::<Organizations>(&UserCtx::assume_authenticated(acme.viewer));
    assert_eq!(app.trips(async || user.session::<OrgMember>(acme.id).await).await, 1);
    assert_eq!(app.trips(async || user.tenants::<OrgMember>().await).await, 1);
    let admin = app.db.scope::<Admin>(&acme.as_admin());
    let change = async || OrgMember::change_role(&admin, acme.viewer, MemberRole::Viewer).await;
    assert_eq!(app.trips(change).await, 1);
    // Texts are bound: two round trips for a read, three for a write.
    let by_name = async || Project::count(&viewer).filter(Project::NAME.eq("first")).await;
    assert_eq!(app.trips(by_name).await, 3, "the rollback of the read is one of them, off the path of the request");
    assert_eq!(app.trips(async || Project::insert(&member, new_project("x")).await).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_single_call_takes_one_round_trip_with_all_values_in_the_text() {
    let app = Counted::open(InlineValues::All).await;
    let acme = app.database.acme;
    let (viewer, member) = (app.db.scope::<Viewer>(&acme.as_viewer()), app.db.scope::<Member>(&acme.as_member()));
    let by_name = async || Project::count(&viewer).filter(Project::NAME.eq("first")).await;
    assert_eq!(app.trips(by_name).await, 1);
    assert_eq!(app.trips(async || Project::insert(&member, new_project("x")).await).await, 1);
    assert_eq!(app.trips(async || Project::insert_many(&member, [new_project("x"), new_project("y")]).await).await, 1);
    assert_eq!(app.trips(async || Project::update(&member, acme.project, renamed("z")).await).await, 1);
    assert_eq!(app.trips(async || Task::insert(&member, new_task(acme.project)).await).await, 1);
    // The salary has a role of its own, so its value is bound.
    let admin = app.db.scope::<Admin>(&acme.as_admin());
    let paid = async || Employee::count(&admin).filter(Employee::SALARY.gt(1)).await;
    assert_eq!(app.trips(paid).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn transactions_begin_with_their_first_call_and_end_with_their_last() {
    let app = Counted::open(InlineValues::All).await;
    let acme = app.database.acme;
    let ctx = acme.as_member();
    let two_calls = async || {
        let mut tx = app.db.begin::<Member>(&ctx).await?;
        Project::get(&mut tx, acme.project).await?;
        Project::update(&mut tx, acme.project, renamed("a")).await?;
        tx.commit().await
    };
    assert_eq!(app.trips(two_calls).await, 3);
    let last_commits = async || {
        let mut tx = app.db.begin::<Member>(&ctx).await?;
        Project::get(&mut tx, acme.project).await?;
        Project::update(tx.then_commit(), acme.project, renamed("b")).await
    };
    assert_eq!(app.trips(last_commits).await, 2);
    let empty = async || app.db.begin::<Member>(&ctx).await?.commit().await;
    assert_eq!(app.trips(empty).await, 0);
}
