//! Test helpers for apps: a separate database for each test, and assertions that fail on missing isolation.

use futures_util::FutureExt as _;
use tenant_examples::{Organization, Project, Task};
use tenant_runtime::{
    Repository as _, SystemDb, models,
    roles::{Member, Organizations, Viewer},
    testing::{TestDatabase, assert_isolated},
};
use tenant_tests::{TABLES, connect, run};

#[tokio::test]
async fn test_database_is_separate_and_has_two_tenants() {
    let models = models![tenant_examples].only(TABLES);
    let first = TestDatabase::create(&models).await.expect("a database");
    let second = TestDatabase::create(&models).await.expect("another");
    let [ours, theirs] = first.tenants();
    let db = first.app().await.expect("the app connects");
    let seen = Project::list(&db.scope(&ours.context::<Viewer>())).await.expect("a viewer reads");
    let others = Project::list(&db.scope(&theirs.context::<Viewer>())).await.expect("a viewer reads");
    assert!(!seen.is_empty() && seen.iter().all(|project| others.iter().all(|other| other.id != project.id)));
    run(&mut connect(&first.admin_url()).await, "TRUNCATE app.projects CASCADE").await.expect("emptied");
    let db = second.app().await.expect("the app connects");
    assert!(!Project::list(&db.scope(&ours.context::<Member>())).await.expect("a member reads").is_empty());
}

#[tokio::test]
async fn test_database_runs_jobs() {
    let database = TestDatabase::create(&models![tenant_examples].only(TABLES)).await.expect("a database");
    let jobs = SystemDb::<Organizations>::connect(&database.jobs_url()).await.expect("the job connects");
    let system = jobs.begin_access("a test").await.expect("recorded");
    let counted =
        system.for_each_tenant::<Organization, _, _>(|mut tx| async move { Task::count(&mut tx).await }).await;
    let counted = counted.expect("the tenants are read");
    assert!(counted.len() >= 2 && counted.iter().all(|(_, tasks)| matches!(tasks, Ok(1..))), "{counted:?}");
}

#[tokio::test]
async fn assert_isolated_panics_on_an_undeclared_grant() {
    let database = TestDatabase::create(&models![tenant_examples].only(TABLES)).await.expect("a database");
    let opened = "GRANT DELETE ON app.projects TO app_member";
    run(&mut connect(&database.admin_url()).await, opened).await.expect("opened");
    let isolated = std::panic::AssertUnwindSafe(assert_isolated::<Project>(&database)).catch_unwind().await;
    let message = isolated.expect_err("it is open").downcast::<String>().expect("a text");
    assert!(message.contains("app.projects, delete, by app_member: undeclared privilege"), "{message}");
}
