//! The app's key: an app without one, with another one, limited and ended keys, and their replacement.

use tenant_runtime::{Error, Repository as _, SigningKey, SystemDb, TenantDb};
use tenant_tests::run;

use super::fixture::{Fixture, key};
use crate::golden::signed_context::{Clerk, Item, Shops};

/// Returns whether the database did not accept the app's signature.
fn is_not_accepted<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::ContextNotSigned { .. }))
}

#[tokio::test]
async fn app_without_an_accepted_key_is_refused_when_it_connects() {
    let fixture = Fixture::without_key().await;
    let (url, jobs) = (fixture.database.url_of("shop_service"), fixture.database.url_of("shop_jobs"));
    let without = TenantDb::connect(&url).await.map(drop);
    assert!(matches!(without, Err(Error::SigningKeyRequired { schema: "shop" })), "{without:?}");
    let without = SystemDb::<Shops>::connect(&jobs).await.map(drop);
    assert!(matches!(without, Err(Error::SigningKeyRequired { schema: "shop" })), "{without:?}");
    let not_installed = fixture.options().connect(&url).await.map(drop);
    assert!(is_not_accepted(&not_installed), "{not_installed:?}");
    fixture.install(1, "NULL", "NULL", "NULL").await;
    fixture.app().await.close().await;
    let other = SigningKey::new(1, &[8; 32]).expect("a key");
    for wrong in [other, key(2)] {
        let refused = TenantDb::options().signing_key(wrong.clone()).connect(&url).await.map(drop);
        assert!(is_not_accepted(&refused), "{wrong:?}: {refused:?}");
        let refused =
            SystemDb::<Shops>::connect_with(&jobs, TenantDb::options().signing_key(wrong.clone())).await.map(drop);
        assert!(is_not_accepted(&refused), "{wrong:?}: {refused:?}");
    }
}

#[tokio::test]
async fn key_for_a_tenancy_without_signed_contexts_is_an_error() {
    let database = tenant_tests::Database::create().await;
    let unused = TenantDb::options().signing_key(key(1)).connect(&database.url_of("app_service")).await.map(drop);
    assert!(matches!(unused, Err(Error::SigningKeyUnused)), "{unused:?}");
}

#[tokio::test]
async fn key_is_valid_only_for_its_login_and_its_roles_until_its_end() {
    let fixture = Fixture::without_key().await;
    let url = fixture.database.url_of("shop_service");
    let connect = async || fixture.options().connect(&url).await;
    fixture.install(1, "'shop_jobs'", "NULL", "NULL").await;
    assert!(is_not_accepted(&connect().await), "the key of another login is accepted");
    fixture.install(1, "'shop_service'", "'{shop_keeper}'", "NULL").await;
    assert!(is_not_accepted(&connect().await), "the key for another role is accepted");
    fixture.install(1, "'shop_service'", "'{shop_clerk}'", "now() - interval '1 second'").await;
    assert!(is_not_accepted(&connect().await), "an ended key is accepted");
    fixture.install(1, "'shop_service'", "'{shop_clerk}'", "now() + interval '1 hour'").await;
    let db = connect().await.expect("the key is valid");
    let clerk = fixture.ours.context::<Clerk>();
    assert_eq!(Item::count(&db.scope(&clerk)).await.expect("counts"), 4);
    let keeper = fixture.ours.context::<crate::golden::signed_context::Keeper>();
    assert!(is_not_accepted(&Item::count(&db.scope(&keeper)).await));
    // A running app notices the end of its key at its next call.
    let end = "SET ROLE shop_schema_owner; SELECT shop_auth.end_context_key(1::int2, now())";
    run(&mut fixture.database.admin().await, end).await.expect("an administrator can");
    assert!(is_not_accepted(&Item::count(&db.scope(&clerk)).await));
    db.close().await;
}

#[tokio::test]
async fn keys_are_replaced_without_an_interruption() {
    let fixture = Fixture::create().await;
    let clerk = fixture.ours.context::<Clerk>();
    let count = async |db: &TenantDb| Item::count(&db.scope(&clerk)).await;
    let old = fixture.app().await;
    fixture.install(2, "NULL", "NULL", "NULL").await;
    let new = fixture.options().signing_key(key(2)).connect(&fixture.database.url_of("shop_service")).await;
    let new = new.expect("both keys are valid");
    assert_eq!([count(&old).await.expect("counts"), count(&new).await.expect("counts")], [4, 4]);
    let mut admin = fixture.database.admin().await;
    run(&mut admin, "SET ROLE shop_schema_owner; SELECT shop_auth.end_context_key(1::int2, now())")
        .await
        .expect("ends");
    assert!(is_not_accepted(&count(&old).await));
    assert_eq!(count(&new).await.expect("counts"), 4);
    // A new key for seals invalidates the contexts that are open, and no later ones.
    let mut open = new.begin(&clerk).await.expect("begins");
    assert_eq!(Item::count(&mut open).await.expect("counts"), 4);
    run(&mut admin, "SELECT shop_auth.set_context_key(0::int2, NULL, NULL, NULL, NULL)").await.expect("replaces");
    let refused = Item::count(&mut open).await;
    assert!(is_not_accepted(&refused), "{refused:?}");
    drop(open);
    assert_eq!(count(&new).await.expect("counts"), 4);
    for db in [old, new] {
        db.close().await;
    }
}

#[tokio::test]
async fn invalid_keys_are_refused_by_the_function_that_installs_them() {
    let fixture = Fixture::create().await;
    let mut admin = fixture.database.admin().await;
    for arguments in [
        "0::int2, decode(repeat('07', 32), 'hex'), NULL, NULL, NULL",
        "0::int2, NULL, 'shop_service', NULL, NULL",
        "-1::int2, decode(repeat('07', 32), 'hex'), NULL, NULL, NULL",
        "NULL, decode(repeat('07', 32), 'hex'), NULL, NULL, NULL",
        "3::int2, decode(repeat('07', 31), 'hex'), NULL, NULL, NULL",
        "3::int2, decode(repeat('07', 65), 'hex'), NULL, NULL, NULL",
        "3::int2, NULL, NULL, NULL, NULL",
    ] {
        let sql = format!("SET ROLE shop_schema_owner; SELECT shop_auth.set_context_key({arguments})");
        let (code, _) = tenant_tests::refusal(run(&mut admin, &sql).await.expect_err(arguments));
        assert_eq!(code, "22023", "{arguments}");
    }
    assert_eq!(fixture.ask("SELECT string_agg(id::text, ' ' ORDER BY id) FROM shop.context_keys").await, "0 1");
}
