//! Signed contexts together with one login for each role, and without a membership table.

use sqlx::PgConnection;
use tenant_runtime::{Error, Repository as _, SigningKey, TenantCtx, TenantDb, TenantTable as _, model::def::TableDef};
use tenant_tests::{Database, connect, dedicated_server, refusal, run};

use crate::{golden, migration_session::Standby};

mod models {
    use tenant_runtime::{TenantTable, tenancy};

    tenancy! {
        pub Ships {
            key: i64,
            user: i64,
            schema: "ship",
            role_prefix: "ship_",
            login_per_role: true,
            signed_context: true,
            roles: { Sailor, Mate: Sailor },
        }
    }

    #[derive(Debug, TenantTable)]
    #[tenant(org = "ship_id", select = "sailor", insert = "mate", owner = "packed_by")]
    pub struct Crate {
        pub id: i64,
        pub ship_id: i64,
        pub packed_by: i64,
    }

    #[derive(Debug, TenantTable)]
    #[tenant(global, select = "sailor")]
    pub struct Port {
        pub id: i64,
        pub name: String,
    }
}

use self::models::{Crate, Mate, NewCrate, Port, Sailor, Ships};

fn key() -> SigningKey {
    SigningKey::new(1, &[9; 32]).expect("a key")
}

async fn database() -> Database {
    let database = Database::empty().await;
    fill(&mut database.admin().await).await;
    database
}

async fn fill(admin: &mut PgConnection) {
    let tables: [&'static TableDef; 2] = [Crate::TABLE, Port::TABLE];
    run(admin, &golden::migration(&golden::schema(&tables)).up).await.expect("it applies");
    let rows = "INSERT INTO ship.crates (ship_id, packed_by) VALUES (1, 10), (1, 11), (2, 20);
        INSERT INTO ship.ports (name) VALUES ('Hull');
        SET ROLE ship_schema_owner;
        SELECT ship_auth.set_context_key(1::int2, decode(repeat('09', 32), 'hex'), NULL, NULL, NULL)";
    run(admin, rows).await.expect("a superuser can");
}

#[tokio::test]
async fn each_login_signs_for_its_role() {
    let database = database().await;
    let url_of = |role: &str| Some(database.url_of(&format!("ship_{role}_service")));
    let options = || TenantDb::options().max_connections(2).login_per_role::<Ships>(url_of);
    let url = database.url_of("ship_service");
    let without = options().connect(&url).await.map(drop);
    assert!(matches!(without, Err(Error::SigningKeyRequired { .. })), "{without:?}");
    let db = options().signing_key(key()).connect(&url).await.expect("connects");
    let sailor = TenantCtx::<Sailor>::assume_authorized(1, 10);
    let mate = TenantCtx::<Mate>::assume_authorized(2, 20);
    for _ in 0..3 {
        assert_eq!(Crate::count(&db.scope(&sailor)).await.expect("counts"), 2);
        let ports = Port::list(&db.scope(&sailor)).await.expect("lists");
        assert_eq!(ports.iter().map(|port| (port.id, port.name.as_str())).collect::<Vec<_>>(), [(1, "Hull")]);
        assert_eq!(Crate::count(&db.scope(&mate)).await.expect("counts"), 1);
    }
    let inserted = Crate::insert(&db.scope(&mate), NewCrate {}).await.expect("inserts");
    assert_eq!((inserted.id > 0, inserted.ship_id, inserted.packed_by), (true, 2, 20));
    db.close().await;
}

#[tokio::test]
async fn logins_without_a_signature_read_nothing_without_a_membership_table_either() {
    let database = database().await;
    let mut raw = tenant_tests::connect(&database.url_of("ship_sailor_service")).await;
    for (setting, sql) in [
        ("1", "SELECT * FROM ship.crates"),
        ("2", "SELECT * FROM ship.crates"),
        ("1", "SELECT * FROM ship.ports"),
        ("", "SELECT * FROM ship.ports"),
        ("1", "SELECT ship_auth.context_user_id()"),
    ] {
        let sql = format!("BEGIN; SET LOCAL ROLE ship_sailor; SET LOCAL app.organization_id = '{setting}'; {sql}");
        let (code, _) = refusal(run(&mut raw, &sql).await.expect_err(&sql));
        assert_eq!(code, "TT006", "{sql}");
        run(&mut raw, "ROLLBACK").await.expect("ends");
    }
}

#[tokio::test]
async fn standby_servers_take_a_signature_for_the_transaction() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    fill(&mut admin).await;
    let standby = Standby::start(&server).await;
    let url = |login: &str| standby.url(&server.url(login, "postgres"), &server);
    let options = TenantDb::options()
        .max_connections(2)
        .login_per_role::<Ships>(|role| Some(url(&format!("ship_{role}_service"))));
    let db = options.signing_key(key()).connect(&url("ship_service")).await.expect("connects");
    for (ship, count) in [(1, 2), (2, 1), (1, 2)] {
        let sailor = TenantCtx::<Sailor>::assume_authorized(ship, 10);
        assert_eq!(Crate::count(&db.scope(&sailor)).await.expect("counts"), count);
        let mut tx = db.begin(&sailor).await.expect("begins");
        let crates: i64 =
            sqlx::query_scalar("SELECT count(*) FROM ship.crates").fetch_one(&mut tx).await.expect("reads");
        assert_eq!(u64::try_from(crates), Ok(count));
        tx.commit().await.expect("commits");
    }
    let refused = Crate::insert(&db.scope(&TenantCtx::<Mate>::assume_authorized(1, 10)), NewCrate {}).await;
    assert!(refused.is_err(), "{refused:?}");
    assert_eq!(Crate::count(&db.scope(&TenantCtx::<Mate>::assume_authorized(1, 10))).await.expect("counts"), 2);
    db.close().await;
}
