//! The app in a signed context: the repository, custom SQL, users without a tenant, members and jobs.

use std::time::Duration;

use tenant_runtime::{Error, Invitations as _, Isolation, Members as _, Repository as _, TenantDb, TxOptions, UserCtx};
use tenant_tests::{pgbouncer::PgBouncer, proxy::Proxy, run};
use uuid::Uuid;

use super::fixture::{Fixture, TestShop, key, person};
use crate::golden::signed_context::{
    Clerk, Employment, Item, Job, NewItem, NewPerson, NewShop, Offer, Owner, Person, Shelf, Shop,
};

/// Calls the repository and custom SQL for both shops, in every kind of transaction.
async fn use_the_app(db: &TenantDb, fixture: &Fixture, read_only: bool) {
    for shop in [fixture.ours, fixture.theirs] {
        let clerk = shop.context::<Clerk>();
        let scope = db.scope(&clerk);
        assert_eq!(Item::count(&scope).await.expect("counts"), 4);
        assert_eq!(Shop::get(&scope, shop.id).await.expect("reads").id, shop.id);
        let mut tx = db.begin(&clerk).await.expect("begins");
        assert_eq!(names(&mut tx).await.len(), 4);
        tx.commit().await.expect("commits");
        for options in [
            TxOptions { read_only: true, ..TxOptions::default() },
            TxOptions { isolation: Some(Isolation::Serializable), ..TxOptions::default() },
            TxOptions { isolation: Some(Isolation::Serializable), read_only: true, deferrable: true },
            TxOptions { isolation: Some(Isolation::RepeatableRead), read_only: true, deferrable: false },
        ] {
            let mut tx = db.begin_with(&clerk, options).await.expect("begins");
            assert_eq!(Item::count(&mut tx).await.expect("counts"), 4, "{options:?}");
            let modes =
                "SELECT current_setting('transaction_isolation') || ' ' || current_setting('transaction_read_only')
                         || ' ' || current_setting('transaction_deferrable')";
            let found: String = sqlx::query_scalar(modes).fetch_one(&mut tx).await.expect("reads");
            let isolation = match options.isolation {
                Some(Isolation::Serializable) => "serializable",
                Some(Isolation::RepeatableRead) => "repeatable read",
                _ => "read committed",
            };
            let on = |set: bool| if set { "on" } else { "off" };
            assert_eq!(found, format!("{isolation} {} {}", on(options.read_only || read_only), on(options.deferrable)));
            tx.commit().await.expect("commits");
        }
    }
}

async fn names(tx: &mut tenant_runtime::TenantTx<Clerk>) -> Vec<String> {
    sqlx::query_scalar("SELECT name FROM shop.items ORDER BY name").fetch_all(tx).await.expect("reads")
}

fn item(name: &str) -> NewItem {
    NewItem { name: name.to_owned(), shelf: Some(Shelf::Private), cost: None }
}

#[tokio::test]
async fn repository_and_custom_sql_work_in_a_signed_context() {
    let fixture = Fixture::create().await;
    let db = fixture.app().await;
    // More calls than connections, so that each connection signs several contexts.
    for _ in 0..5 {
        use_the_app(&db, &fixture, false).await;
    }
    let scope = db.scope(&fixture.ours.context::<Clerk>());
    assert!(matches!(Shop::get(&scope, fixture.theirs.id).await, Err(Error::NotFound { .. })));
    let owner = fixture.ours.context::<Owner>();
    let new = Item::insert(&db.scope(&owner), item("new")).await.expect("inserts");
    assert_eq!(new.placed_by, fixture.ours.owner);
    let mut tx = db.begin(&owner).await.expect("begins");
    Item::delete(&mut tx, new.id).await.expect("deletes");
    tx.commit().await.expect("commits");
    let recorded = "SELECT string_agg(concat_ws(' ', command, role, user_id), ', ' ORDER BY id) FROM shop.changes
                    WHERE table_name = 'shop.items' AND user_id IS NOT NULL";
    let by = fixture.ours.owner;
    assert_eq!(fixture.ask(recorded).await, format!("insert shop_owner {by}, delete shop_owner {by}"));
    db.close().await;
}

#[tokio::test]
async fn users_members_and_invitations_work_in_a_signed_context() {
    let fixture = Fixture::create().await;
    let db = fixture.app().await;
    let new = NewPerson { email: "new@example".to_owned() };
    let user = db.user_scope(&UserCtx::anonymous()).sign_up::<Person>(new).await.expect("signs up");
    let scope = db.user_scope(&person(user));
    let shop: Uuid = scope.create_tenant::<Shop>(NewShop { name: "third".to_owned() }).await.expect("creates");
    assert_eq!(scope.tenants::<Employment>().await.expect("lists").len(), 1);
    let owner = tenant_runtime::TenantCtx::<Owner>::assume_authorized(shop, user);
    let token = Offer::invite(&db.scope(&owner), "keeper@ours.example", Job::Keeper, Duration::from_secs(60)).await;
    let keeper = db.user_scope(&person(fixture.ours.keeper));
    assert_eq!(keeper.accept::<Offer>(&token.expect("invites")).await.expect("accepts"), shop);
    let session = keeper.session::<Employment>(shop).await.expect("a member");
    assert_eq!(session.role(), "keeper");
    Employment::change_role(&db.scope(&owner), fixture.ours.keeper, Job::Clerk).await.expect("changes");
    Employment::remove_member(&db.scope(&owner), fixture.ours.keeper).await.expect("removes");
    assert!(matches!(keeper.session::<Employment>(shop).await, Err(Error::NotAMember)));
    db.close().await;
}

#[tokio::test]
async fn jobs_work_in_a_signed_context() {
    let fixture = Fixture::create().await;
    let jobs = fixture.jobs().await;
    let system = jobs.begin_access("a test of signed jobs").await.expect("records");
    let mut tx = system.begin().await.expect("begins");
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM shop.items").fetch_one(&mut tx).await.expect("reads");
    assert_eq!(count, 12);
    tx.commit().await.expect("commits");
    for shop in [fixture.ours, fixture.theirs] {
        let mut tx = system.begin_for(&shop.id).await.expect("begins");
        assert_eq!(Item::count(&mut tx).await.expect("counts"), 6);
        tx.commit().await.expect("commits");
    }
    let counts = system.for_each_tenant::<Shop, _, _>(|mut tx| async move { Item::count(&mut tx).await }).await;
    let counts: Vec<_> = counts.expect("runs").into_iter().map(|(_, count)| count.expect("counts")).collect();
    assert_eq!(counts, [6, 6]);
    let mut tx = system.begin().await.expect("begins");
    let inserted = sqlx::query("INSERT INTO shop.suppliers (name) VALUES ('west')").execute(&mut tx).await;
    assert_eq!(inserted.expect("a job can").rows_affected(), 1);
    tx.commit().await.expect("commits");
    jobs.close().await;
}

#[tokio::test]
async fn numbers_that_are_taken_by_others_are_asked_for_again() {
    let fixture = Fixture::create().await;
    let db = fixture.options().max_connections(1).connect(&fixture.database.url_of("shop_service")).await;
    let db = db.expect("connects");
    let mut admin = fixture.database.admin().await;
    let helper = "CREATE FUNCTION shop.burn() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            PERFORM shop_auth.context_challenge(); EXECUTE 'DISCARD SEQUENCES'; END $$;
        CREATE FUNCTION shop.take() RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            BEGIN PERFORM shop_auth.set_context(1::int2, 'x', '{}', true); EXCEPTION WHEN OTHERS THEN NULL; END; END $$;
        GRANT EXECUTE ON FUNCTION shop.burn, shop.take TO shop_clerk";
    run(&mut admin, helper).await.expect("a superuser can");
    let clerk = fixture.ours.context::<Clerk>();
    for round in 0..6 {
        let mut tx = db.begin(&clerk).await.expect("begins");
        let function = if round % 2 == 0 { "SELECT shop.burn()" } else { "SELECT shop.take()" };
        sqlx::query(function).execute(&mut tx).await.expect("runs");
        tx.commit().await.expect("commits");
        assert_eq!(Item::count(&db.scope(&clerk)).await.expect("counts"), 4);
        // A transaction that is dropped does not leave a number that is used twice.
        let mut tx = db.begin(&clerk).await.expect("begins");
        assert_eq!(names(&mut tx).await.len(), 4);
        drop(tx);
        assert_eq!(Item::count(&db.scope(&clerk)).await.expect("counts"), 4);
    }
    db.close().await;
}

#[tokio::test]
async fn read_only_servers_and_poolers_take_a_signature_for_the_transaction() {
    let fixture = Fixture::create().await;
    let mut admin = fixture.database.admin().await;
    let name = fixture.database.name();
    run(&mut admin, &format!("ALTER DATABASE {name} SET default_transaction_read_only = on")).await.expect("set");
    let db = fixture.app().await;
    use_the_app(&db, &fixture, true).await;
    // A statement that fails leaves the connection in order.
    let refused = Item::insert(&db.scope(&fixture.ours.context::<Owner>()), item("new")).await;
    assert!(refused.is_err(), "{refused:?}");
    use_the_app(&db, &fixture, true).await;
    db.close().await;
    run(&mut admin, &format!("ALTER DATABASE {name} RESET default_transaction_read_only")).await.expect("reset");
    let Some(bouncer) = PgBouncer::start(&fixture.database).await else {
        return eprintln!("SKIPPED: no PgBouncer is installed, and TENANT_TEST_PGBOUNCER names none");
    };
    let options = bouncer.options().max_connections(3).signing_key(key(1));
    let db = options.connect(&bouncer.url_of("shop_service", &fixture.database)).await.expect("connects");
    let together = (0..8).map(|_| async {
        use_the_app(&db, &fixture, false).await;
    });
    futures_util::future::join_all(together).await;
    db.close().await;
}

#[tokio::test]
async fn dropped_calls_never_run_in_another_context() {
    let fixture = Fixture::create().await;
    let db = fixture.app().await;
    let shops: [TestShop; 2] = [fixture.ours, fixture.theirs];
    for polls in 1..60_u64 {
        let at = usize::from(polls % 2 == 0);
        let (shop, other) = (shops[at], shops[1 - at]);
        let clerk = shop.context::<Clerk>();
        let scope = db.scope(&clerk);
        crate::context::cancel_after_polls(polls, async { Item::count(&scope).await.map(drop) }).await;
        let mut tx = db.begin(&other.context::<Clerk>()).await.expect("begins");
        let found: Vec<Uuid> =
            sqlx::query_scalar("SELECT DISTINCT shop_id FROM shop.items").fetch_all(&mut tx).await.expect("reads");
        assert_eq!(found, [other.id], "after {polls} polls");
        tx.commit().await.expect("commits");
    }
    db.close().await;
}

#[tokio::test]
async fn changed_context_is_an_error_that_is_counted_as_denied() {
    let fixture = Fixture::create().await;
    let db = fixture.app().await;
    let function = "CREATE FUNCTION shop.become(tenant text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
            EXECUTE format('SET LOCAL shop.tenant_id = %L', tenant); END $$;
        GRANT EXECUTE ON FUNCTION shop.become TO shop_clerk";
    run(&mut fixture.database.admin().await, function).await.expect("a superuser can");
    let mut tx = db.begin(&fixture.ours.context::<Clerk>()).await.expect("begins");
    sqlx::query("SELECT shop.become($1)").bind(fixture.theirs.id.to_string()).execute(&mut tx).await.expect("it runs");
    let refused = sqlx::query("SELECT name FROM shop.items").execute(&mut tx).await.map_err(Error::from);
    assert!(matches!(refused, Err(Error::ContextNotSigned { .. })), "{refused:?}");
    assert_eq!(db.pools().iter().map(|pool| pool.denied).sum::<u64>(), 1);
    drop(tx);
    db.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signed_contexts_take_no_further_round_trip() {
    let fixture = Fixture::create().await;
    let proxy = Proxy::start(&fixture.database, Duration::ZERO);
    let options = fixture.options().max_connections(1);
    let db = options.connect(&proxy.url("shop_service", &fixture.database)).await.expect("connects");
    let (clerk, owner) = (fixture.ours.context::<Clerk>(), fixture.ours.context::<Owner>());
    // The first call of a connection asks for its next number.
    Item::count(&db.scope(&clerk)).await.expect("counts");
    Item::count(&db.scope(&owner)).await.expect("counts");
    proxy.reset().await;
    Item::count(&db.scope(&clerk)).await.expect("counts");
    assert_eq!(proxy.trips().await, 1);
    Item::list(&db.scope(&owner)).limit(2).await.expect("lists");
    assert_eq!(proxy.trips().await, 2);
    let custom = async || {
        let mut tx = db.begin(&clerk).await.expect("begins");
        assert_eq!(names(&mut tx).await.len(), 4);
        tx.commit().await.expect("commits");
    };
    // Prepares the statement.
    custom().await;
    Item::count(&db.scope(&clerk)).await.expect("counts");
    proxy.reset().await;
    custom().await;
    // The message that begins the transaction, the statement, the commit, and the reset, which no request waits for; builds with
    // debug assertions also check the context.
    Item::count(&db.scope(&clerk)).await.expect("counts");
    assert_eq!(proxy.trips().await, 5 + u64::from(cfg!(debug_assertions)));
    db.close().await;
}
