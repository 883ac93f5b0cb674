//! Test helpers for apps: a separate database for each test, and assertions that fail on missing isolation.

use futures_util::FutureExt as _;
use tenant_examples::{Organization, Project, Task};
use tenant_runtime::{
    Models, Repository as _, SystemDb, TenantTable, models,
    roles::{Member, Organizations, Viewer},
    tenancy,
    testing::{TestDatabase, assert_all_isolated_with, assert_isolated},
    verify::VerifyOptions,
};
use tenant_tests::{TABLES, connect, run};
use uuid::Uuid;

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
    let system = jobs.begin_access("a test of jobs").await.expect("recorded");
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

tenancy! {
    /// A tenancy with roles of its own, since all test databases are on one server.
    Vaults { key: Uuid, role_prefix: "vault_", roles: { Reader, Writer: Reader } }
}

/// A model with a check for which no value can be generated.
#[derive(TenantTable)]
#[tenant(org = "organization_id", select = "reader", insert = "writer")]
struct Account {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(check = "md5(secret) = '5ebe2294ecd0e0f08eab7690d2a6ee69' AND (level = 3) = (note IS NULL)")]
    secret: String,
    level: i32,
    note: Option<String>,
}

fn accounts() -> Models {
    models![].only([Account::TABLE])
}

#[tokio::test]
async fn each_test_shows_why_no_rows_can_be_generated() {
    // A second test fails for the same reason, not since a database of the first one exists.
    for _ in 0..2 {
        let error = TestDatabase::create(&accounts()).await.expect_err("no secret").to_string();
        assert!(error.contains("accounts_secret_check") && error.contains("`secret`"), "{error}");
    }
    // The migration fails as well.
    let error = TestDatabase::create(&models![].only([Untyped::TABLE])).await.expect_err("no type").to_string();
    assert!(error.contains("verify_no_type"), "{error}");
    let again = TestDatabase::create(&models![].only([Untyped::TABLE])).await.expect_err("no type").to_string();
    assert_eq!(again, error);
}

/// A model with a type that does not exist.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer")]
struct Untyped {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(sql_type = "verify_no_type")]
    value: String,
}

#[tokio::test]
async fn test_databases_use_given_values() {
    let row = [("secret", Some("secret")), ("level", Some("3")), ("note", None)];
    let options = VerifyOptions::default().rows("app.accounts", [row]);
    let database = TestDatabase::create_with(&accounts(), &options).await.expect("a database");
    let [ours, _] = database.tenants();
    let db = database.app().await.expect("the app connects");
    let accounts_of_ours = Account::list(&db.scope(&ours.context::<Reader>())).await.expect("a reader reads");
    let values = accounts_of_ours.iter().map(|a| (a.organization_id.to_string(), a.secret.as_str(), a.level, &a.note));
    assert!(values.clone().count() >= 2 && values.clone().all(|value| value == (ours.key.clone(), "secret", 3, &None)));
    assert!(accounts_of_ours.iter().all(|account| !account.id.is_nil()));
    // The same values, without passing them again.
    assert_isolated::<Account>(&database).await;
    assert_all_isolated_with(accounts(), &options).await;
}
