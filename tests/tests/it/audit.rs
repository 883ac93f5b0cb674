//! The audit: what the catalog says, held against what was declared.

use tenant_runtime::{audit::Catalog, migrate::folder::Folder, model::schema::Schema};
use tenant_tests::{Database, example_folder, run};

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
