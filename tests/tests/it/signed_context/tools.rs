//! `why`, and the test helpers for apps, with signed contexts.

use tenant_runtime::{
    Repository as _, SystemDb, TenantDb,
    model::schema::Command,
    testing::{TestDatabase, assert_all_isolated, assert_isolated},
    why::{Question, Row, why_row},
};

use super::fixture::{Fixture, tables};
use crate::golden::{
    self,
    signed_context::{Clerk, Item, Owner, Shops},
};

#[tokio::test]
async fn why_evaluates_the_policies_in_a_sealed_context() {
    let models = golden::models(&tables());
    // With a key, and without one: the administrator then makes a key for seals, which is rolled back.
    for fixture in [Fixture::create().await, Fixture::without_key().await] {
        let (url, ours, theirs) = (fixture.database.admin_url(), fixture.ours, fixture.theirs);
        let key = |name: &str| format!("SELECT id::text FROM shop.items WHERE name = '{name}'");
        let (team, private) =
            (fixture.ask(&key("ours keeper team")).await, fixture.ask(&key("ours keeper private")).await);
        let keys = fixture.ask("SELECT count(*)::text FROM shop.context_keys").await;
        for (role, command, item, tenant, user, allowed) in [
            ("clerk", Command::Select, &team, ours.id, ours.clerk, true),
            ("clerk", Command::Select, &private, ours.id, ours.clerk, false),
            ("keeper", Command::Select, &private, ours.id, ours.keeper, true),
            ("keeper", Command::Update, &team, ours.id, ours.keeper, true),
            ("keeper", Command::Update, &team, ours.id, ours.clerk, false),
            ("clerk", Command::Select, &team, theirs.id, theirs.clerk, false),
            ("clerk", Command::Select, &team, ours.id, theirs.clerk, false),
        ] {
            let row = Row::new(item.as_str(), tenant.to_string(), Some(user.to_string()));
            let why =
                why_row(&models, &Question::new(role, "shop.items", command), &row, &url).await.expect("an answer");
            assert_eq!(why.is_allowed(), Some(allowed), "{role} {command:?} {user}: {why}");
        }
        let supplier = fixture.ask("SELECT id::text FROM shop.suppliers LIMIT 1").await;
        let row = Row::new(supplier, ours.id.to_string(), Some(ours.keeper.to_string()));
        let why = why_row(&models, &Question::new("keeper", "shop.suppliers", Command::Select), &row, &url).await;
        let why = why.expect("an answer");
        assert!(why.is_allowed() == Some(true) && why.to_string().contains("the app has signed the context"), "{why}");
        assert_eq!(fixture.ask("SELECT count(*)::text FROM shop.context_keys").await, keys);
    }
}

#[tokio::test]
async fn test_database_has_a_key_that_signs_contexts() {
    let models = golden::models(&tables());
    let database = TestDatabase::create(&models).await.expect("a database");
    let [ours, theirs] = database.tenants();
    let db = database.app().await.expect("the app connects");
    let items = Item::list(&db.scope(&ours.context::<Owner>())).await.expect("an owner reads");
    assert!(!items.is_empty() && items.iter().all(|item| item.shop_id.to_string() == ours.key));
    assert!(Item::count(&db.scope(&theirs.context::<Clerk>())).await.expect("a clerk counts") > 0);
    let key = database.signing_key().expect("contexts are signed");
    let options = TenantDb::options().signing_key(key);
    let jobs = SystemDb::<Shops>::connect_with(&database.jobs_url(), options).await.expect("the job connects");
    let system = jobs.begin_access("a test of jobs").await.expect("recorded");
    let mut tx = system.begin().await.expect("begins");
    let suppliers: i64 =
        sqlx::query_scalar("SELECT count(*) FROM shop.suppliers").fetch_one(&mut tx).await.expect("counts");
    assert!(suppliers > 0);
    tx.rollback().await.expect("rolled back");
    assert_isolated::<Item>(&database).await;
    assert_all_isolated(models).await;
}

#[tokio::test]
async fn test_database_of_contexts_that_are_not_signed_has_no_key() {
    let tables = golden::cases().into_iter().find(|(case, _)| *case == "minimal").expect("the case").1;
    let database = TestDatabase::create(&golden::models(&tables)).await.expect("a database");
    assert!(database.signing_key().is_none());
}
