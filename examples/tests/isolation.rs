//! The example's own tests, as your app could have them: one that verifies all models, and one of the app's own
//! behavior.

use tenant_examples::{NewProject, Project};
use tenant_runtime::{
    models,
    prelude::*,
    roles::{Member, Viewer},
    testing::{TestDatabase, assert_all_isolated, assert_isolated},
};

#[tokio::test]
async fn every_model_is_isolated() {
    assert_all_isolated(models![tenant_examples]).await;
}

#[tokio::test]
async fn project_is_invisible_to_another_tenant() {
    let database = TestDatabase::create(&models![tenant_examples]).await.expect("a database");
    let db = database.app().await.expect("the app connects");
    let [ours, theirs] = database.tenants();
    let new = NewProject { name: "ours".into(), description: None, created_at: None };
    let project = Project::insert(&db.scope(&ours.context::<Member>()), new).await.expect("a member may");
    let seen = Project::find(&db.scope(&theirs.context::<Viewer>()), project.id).await.expect("a viewer may look");
    assert!(seen.is_none());
    assert_isolated::<Project>(&database).await;
}
