//! Signed contexts: what the app can do, and what SQL that is injected into its transactions cannot.

mod fixture;

use tenant_runtime::{Error, Isolation, Repository as _, TxOptions};

use self::fixture::Fixture;
use crate::golden::signed_context::{Clerk, Item, NewItem, Owner, Shelf, Shop};

#[tokio::test]
async fn repository_and_custom_sql_work_in_a_signed_context() {
    let fixture = Fixture::create().await;
    let db = fixture.app().await;
    let ours = fixture.ours.context::<Clerk>();
    let scope = db.scope(&ours);
    // More calls than connections, so that each connection signs several contexts.
    for _ in 0..20 {
        assert_eq!(Item::count(&scope).await.expect("counts"), 4);
    }
    let shop = Shop::get(&scope, fixture.ours.id).await.expect("reads");
    assert_eq!(shop.name, "ours");
    assert!(matches!(Shop::get(&scope, fixture.theirs.id).await, Err(Error::NotFound { .. })));
    let new = NewItem { name: "new".to_owned(), shelf: Some(Shelf::Private), cost: None };
    let item = Item::insert(&db.scope(&fixture.ours.context::<Owner>()), new).await.expect("inserts");
    assert_eq!(item.placed_by, fixture.ours.owner);
    let mut tx = db.begin(&ours).await.expect("begins");
    let names: Vec<String> =
        sqlx::query_scalar("SELECT name FROM shop.items ORDER BY name").fetch_all(&mut tx).await.expect("reads");
    assert_eq!(names, ["ours clerk private", "ours clerk team", "ours keeper team", "ours owner team"]);
    tx.commit().await.expect("commits");
    let listed = Item::list(&db.scope(&fixture.ours.context::<Owner>())).limit(5).await.expect("lists");
    assert_eq!(listed.len(), 5);
    for options in [
        TxOptions { read_only: true, ..TxOptions::default() },
        TxOptions { isolation: Some(Isolation::Serializable), ..TxOptions::default() },
        TxOptions { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true },
        TxOptions { isolation: Some(Isolation::RepeatableRead), read_only: true, deferrable: false },
    ] {
        let mut tx = db.begin_with(&ours, options).await.expect("begins");
        assert_eq!(Item::count(&mut tx).await.expect("counts"), 4, "{options:?}");
        let modes = "SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')
                     || ' ' || current_setting('transaction_deferrable')";
        let found: String = sqlx::query_scalar(modes).fetch_one(&mut tx).await.expect("reads");
        let isolation = match options.isolation {
            Some(Isolation::Serializable) => "serializable",
            Some(Isolation::RepeatableRead) => "repeatable read",
            _ => "read committed",
        };
        let on = |set: bool| if set { "on" } else { "off" };
        assert_eq!(found, format!("{isolation} {} {}", on(options.read_only), on(options.deferrable)));
        tx.commit().await.expect("commits");
    }
    db.close().await;
}
