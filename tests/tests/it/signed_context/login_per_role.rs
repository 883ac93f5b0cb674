//! Signed contexts together with one login for each role, and without a membership table.

use tenant_runtime::{Error, Repository as _, SigningKey, TenantCtx, TenantDb, TenantTable as _, model::def::TableDef};
use tenant_tests::{Database, refusal, run};

use crate::golden;

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
    let tables: [&'static TableDef; 2] = [Crate::TABLE, Port::TABLE];
    let database = Database::empty().await;
    let mut admin = database.admin().await;
    run(&mut admin, &golden::migration(&golden::schema(&tables)).up).await.expect("it applies");
    let rows = "INSERT INTO ship.crates (ship_id, packed_by) VALUES (1, 10), (1, 11), (2, 20);
        INSERT INTO ship.ports (name) VALUES ('Hull');
        SET ROLE ship_schema_owner;
        SELECT ship_auth.set_context_key(1::int2, decode(repeat('09', 32), 'hex'), NULL, NULL, NULL)";
    run(&mut admin, rows).await.expect("a superuser can");
    database
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
