//! The audit: what the catalog says, held against what was declared.

use tenant_runtime::{
    audit::{Catalog, Report, audit},
    migrate::folder::Folder,
    model::schema::Schema,
};
use tenant_tests::{Database, connect, example_folder, migrate, own_server, run};

fn example() -> Schema {
    Folder::new(example_folder()).schema().expect("the example's snapshot")
}

async fn catalog(database: &Database) -> Catalog {
    Catalog::read(&mut database.admin().await, &example()).await.expect("it can be read")
}

#[tokio::test]
async fn two_databases_of_the_same_migrations_have_the_same_catalog() {
    let (one, other) = (Database::create().await, Database::create().await);
    run(&mut other.admin().await, "CREATE SCHEMA another; CREATE TABLE another.one (id integer)").await.expect("made");
    let (one, other) = (catalog(&one).await, catalog(&other).await);
    // As text, so that a failure can be read.
    assert_eq!(one.to_string(), other.to_string());
    assert!(one == other && one.facts().count() > 250);
}

#[tokio::test]
async fn a_change_shows_as_the_one_fact_that_it_is() {
    let database = Database::create().await;
    let before = catalog(&database).await;
    run(&mut database.admin().await, "ALTER TABLE app.tasks ALTER COLUMN title DROP NOT NULL").await.expect("done");
    let after = catalog(&database).await;
    let changed: Vec<_> = after.facts().filter(|(object, state)| before.get(object) != Some(state)).collect();
    let names: Vec<_> = changed.iter().map(|(object, _)| object.to_string()).collect();
    assert_eq!(names, ["column title of app.tasks"]);
}

async fn report(url: &str) -> Report {
    audit(&mut connect(url).await, &example()).await.expect("an audit")
}

#[tokio::test]
async fn the_example_is_clean() {
    // Of its own, since other tests make members of the roles, which belong to the whole server.
    let server = tokio::task::spawn_blocking(own_server).await.expect("it starts");
    migrate(&server.admin_url()).await;
    let report = report(&server.admin_url()).await;
    assert!(report.is_clean() && report.facts > 250, "{report:#?}");
}
