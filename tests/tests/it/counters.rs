//! Columns that number the rows of each tenant, in a running app, in a migration of rows, and in the audit and the verification.

use std::time::Duration;

use sqlx::PgConnection;
use tenant_runtime::{
    Error, Models, Repository as _, SystemDb, TenantCtx, TenantDb, TenantTable as _,
    audit::audit,
    testing::TestDatabase,
    verify::{VerifyError, VerifyOptions, verify},
};
use tenant_tests::{ask, connect, dedicated_server, refusal, run};
use uuid::Uuid;

use super::{
    audit::assert_reported_and_fixed,
    golden::{
        self,
        counters::{Boss, Employee, Invoice, Item, Mills, NewInvoice, NewItem, NewReceipt, Receipt},
    },
    migration_golden::start_case,
    mutants::{assert_detected, verified_server},
};

fn models() -> Models {
    golden::models(&[Employee::TABLE, Invoice::TABLE, Item::TABLE, Receipt::TABLE])
}

/// A test database with its app and an administrator.
async fn database() -> (TestDatabase, TenantDb, PgConnection) {
    let database = TestDatabase::create(&models()).await.expect("a database");
    let db = database.app().await.expect("the app connects");
    let admin = connect(&database.admin_url()).await;
    (database, db, admin)
}

fn invoice() -> NewInvoice {
    NewInvoice { subject: Uuid::new_v4().to_string() }
}

/// Returns the numbers of a tenant's invoices, sorted.
async fn numbers(db: &TenantDb, ctx: &TenantCtx<Boss>) -> Vec<(i64, i64)> {
    let invoices = Invoice::list(&db.scope(ctx)).await.expect("the boss reads");
    let mut numbers: Vec<_> = invoices.iter().map(|invoice| (invoice.number, i64::from(invoice.place))).collect();
    numbers.sort_unstable();
    numbers
}

/// Returns the numbers from 1 to the number of rows, twice each.
fn without_gaps(count: usize) -> Vec<(i64, i64)> {
    (1..).map(|number| (number, number)).take(count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_inserts_and_rollbacks_leave_no_gap_and_no_duplicate() {
    let (database, _, _) = database().await;
    let options = tenant_tests::app_options().max_connections(8).signing_key(database.signing_key().expect("signed"));
    let db = options.connect(&database.app_url()).await.expect("the app connects");
    let [ours, theirs] = database.tenants();
    let before = numbers(&db, &ours.context::<Boss>()).await;
    assert_eq!(before, without_gaps(before.len()));
    let mut clients = tokio::task::JoinSet::new();
    for client in 0..8 {
        let (db, ours, theirs) = (db.clone(), ours.context::<Boss>(), theirs.context::<Boss>());
        clients.spawn(async move {
            let mut kept = 0;
            for attempt in 0..12 {
                let mut tx = db.begin(&ours).await.expect("begun");
                Invoice::insert(&mut tx, invoice()).await.expect("the boss inserts");
                match (client + attempt) % 4 {
                    0 => tx.rollback().await.expect("rolled back"),
                    1 => {
                        let mut savepoint = tx.savepoint().await.expect("a savepoint");
                        Invoice::insert(&mut savepoint, invoice()).await.expect("the boss inserts");
                        savepoint.rollback().await.expect("rolled back");
                        tx.commit().await.expect("committed");
                        kept += 1;
                    }
                    2 => {
                        Invoice::insert(&mut tx, invoice()).await.expect("the boss inserts");
                        tx.commit().await.expect("committed");
                        kept += 2;
                    }
                    // Dropped.
                    _ => drop(tx),
                }
                Invoice::insert(&db.scope(&theirs), invoice()).await.expect("another tenant's numbers");
            }
            kept
        });
    }
    let kept: usize = clients.join_all().await.into_iter().sum();
    assert_eq!(numbers(&db, &ours.context::<Boss>()).await, without_gaps(before.len() + kept));
    let others = numbers(&db, &theirs.context::<Boss>()).await;
    assert!(others.len() >= 96 && others == without_gaps(others.len()), "{others:?}");
}

#[tokio::test]
async fn bulk_inserts_children_and_partitions_are_numbered() {
    let (database, db, _) = database().await;
    let scope = db.scope(&database.tenants()[0].context::<Boss>());
    let made = Invoice::insert(&scope, invoice()).await.expect("the boss inserts");
    let many = Invoice::insert_many(&scope, (0..100).map(|_| invoice())).await.expect("the boss inserts");
    let given: Vec<_> = many.iter().map(|invoice| invoice.number).collect();
    assert_eq!(given, (made.number + 1..=made.number + 100).collect::<Vec<_>>(), "in the order of the rows");
    let next = Invoice::insert(&scope, invoice()).await.expect("the boss inserts");
    assert_eq!((next.number, i64::from(next.place)), (made.number + 101, made.number + 101));
    // A deleted row's number is not given again.
    Invoice::delete(&scope, next.id).await.expect("the boss deletes");
    let after = Invoice::insert(&scope, invoice()).await.expect("the boss inserts");
    assert_eq!(after.number, next.number + 1);
    // A statement that fails gives its number back.
    let taken = NewInvoice { subject: after.subject.clone() };
    let refused = Invoice::insert(&scope, taken).await;
    assert!(matches!(refused, Err(Error::UniqueViolation { .. })), "{refused:?}");
    assert_eq!(Invoice::insert(&scope, invoice()).await.expect("the boss inserts").number, after.number + 1);
    let item = |invoice_id| NewItem { invoice_id };
    let first = Item::insert(&scope, item(after.id)).await.expect("the boss inserts");
    let second = Item::insert(&scope, item(made.id)).await.expect("the boss inserts");
    assert_eq!(second.number, first.number + 1, "numbers of the tenant, not of the parent");
    let receipt = || NewReceipt { id: Uuid::new_v4() };
    let first = Receipt::insert(&scope, receipt()).await.expect("the boss inserts");
    let second = Receipt::insert(&scope, receipt()).await.expect("the boss inserts");
    assert_eq!(second.number, first.number + 1);
}

#[tokio::test]
async fn row_of_another_tenant_neither_waits_for_nor_advances_its_counter() {
    let (database, db, _) = database().await;
    let [ours, theirs] = database.tenants();
    // Holds the counters of the other tenant.
    let mut holder = db.begin(&theirs.context::<Boss>()).await.expect("begun");
    let held = Invoice::insert(&mut holder, invoice()).await.expect("the boss inserts");
    for table in ["invoices", "items", "receipts"] {
        let sql = match table {
            "invoices" => "INSERT INTO mill.invoices (mill_id, subject) VALUES ($1, 'stolen')",
            "items" => "INSERT INTO mill.items (mill_id, invoice_id) VALUES ($1, gen_random_uuid())",
            _ => "INSERT INTO mill.receipts (mill_id, id) VALUES ($1, gen_random_uuid())",
        };
        let mut tx = db.begin(&ours.context::<Boss>()).await.expect("begun");
        sqlx::query("SET LOCAL lock_timeout = '1s'").execute(&mut tx).await.expect("set");
        let tenant = *theirs.context::<Boss>().tenant_id();
        let refused = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(tenant).execute(&mut tx).await;
        // A child row's tenant column is in no grant; a row that waited would fail with 55P03.
        assert_eq!(refused.map_err(refusal).expect_err(table).0, "42501", "{table}");
    }
    let scope = db.scope(&theirs.context::<Boss>());
    let waits = tokio::time::timeout(Duration::from_millis(300), Invoice::insert(&scope, invoice())).await;
    assert!(waits.is_err(), "an insert of the same tenant waits until the transaction ends");
    holder.rollback().await.expect("rolled back");
    let again = Invoice::insert(&db.scope(&theirs.context::<Boss>()), invoice()).await.expect("the boss inserts");
    assert!(again.number == held.number || again.number == held.number + 1, "{held:?} {again:?}");
    // Without a signed context, the login cannot insert for any tenant.
    let mut login = connect(&database.app_url()).await;
    for tenant in [ours, theirs] {
        let sql = format!(
            "BEGIN; SET LOCAL ROLE mill_clerk; SET LOCAL app.organization_id = '{0}'; SET LOCAL lock_timeout = '1s';
             INSERT INTO mill.invoices (mill_id, subject) VALUES ('{0}', 'unsigned')",
            tenant.context::<Boss>().tenant_id()
        );
        let refused = run(&mut login, &sql).await.expect_err("refused");
        assert_eq!(refusal(refused).0, "TT006");
        run(&mut login, "ROLLBACK").await.expect("rolled back");
    }
}

#[tokio::test]
async fn jobs_number_the_rows_of_each_tenant() {
    let (database, db, _) = database().await;
    let [ours, theirs] = database.tenants();
    let options = tenant_tests::app_options().signing_key(database.signing_key().expect("signed"));
    let jobs =
        SystemDb::<Mills>::connect_with(&database.jobs_url(), options).await.expect("the login of jobs connects");
    let access = jobs.begin_access("ticket 12: import of invoices").await.expect("a reason");
    let keys = [ours, theirs].map(|tenant| *tenant.context::<Boss>().tenant_id());
    let last = numbers(&db, &ours.context::<Boss>()).await.len();
    let other = numbers(&db, &theirs.context::<Boss>()).await.len();
    let sql = "INSERT INTO mill.invoices (mill_id, subject) VALUES ($1, $2)";
    let mut tx = access.begin().await.expect("begins");
    for key in [keys[0], keys[1], keys[0]] {
        let subject = Uuid::new_v4().to_string();
        sqlx::query(sql).bind(key).bind(subject).execute(&mut tx).await.expect("a job inserts");
    }
    tx.commit().await.expect("committed");
    assert_eq!(numbers(&db, &ours.context::<Boss>()).await, without_gaps(last + 2));
    assert_eq!(numbers(&db, &theirs.context::<Boss>()).await, without_gaps(other + 1));
    let mut tx = access.begin_for(&keys[0]).await.expect("begins");
    sqlx::query(sql).bind(keys[0]).bind("own").execute(&mut tx).await.expect("a job inserts");
    let refused = sqlx::query(sql).bind(keys[1]).bind("stolen").execute(&mut tx).await;
    assert_eq!(refused.map_err(refusal).expect_err("of another tenant").0, "42501");
}

#[tokio::test]
async fn no_role_sets_a_number_or_uses_the_last_numbers() {
    let (database, db, mut admin) = database().await;
    let boss = database.tenants()[0].context::<Boss>();
    Invoice::insert(&db.scope(&boss), invoice()).await.expect("the boss inserts");
    for role in ["mill_clerk", "mill_boss", "mill_system"] {
        for sql in [
            "INSERT INTO mill.invoices (mill_id, subject, number) VALUES (gen_random_uuid(), 'x', 7)",
            "INSERT INTO mill.receipts (mill_id, id, number) VALUES (gen_random_uuid(), gen_random_uuid(), DEFAULT)",
            "UPDATE mill.invoices SET number = 7",
            "UPDATE mill.invoices SET place = 7",
            "SELECT last FROM mill.invoices_number_counter",
            "INSERT INTO mill.invoices_number_counter (tenant_id, last) VALUES (gen_random_uuid(), 7)",
            "UPDATE mill.invoices_number_counter SET last = 7",
            "DELETE FROM mill.invoices_number_counter",
            "TRUNCATE mill.invoices_number_counter",
            "SELECT mill_auth.next_invoices_number()",
            "ALTER TABLE mill.invoices DISABLE TRIGGER next_number",
        ] {
            run(&mut admin, &format!("BEGIN; SET LOCAL ROLE {role}")).await.expect("a superuser");
            let refused = run(&mut admin, sql).await.expect_err(sql);
            run(&mut admin, "ROLLBACK").await.expect("rolled back");
            assert_eq!(refusal(refused).0, "42501", "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn administrators_insert_rows_of_any_tenant() {
    let (database, db, mut admin) = database().await;
    let boss = database.tenants()[0].context::<Boss>();
    let insert = format!("INSERT INTO mill.receipts (mill_id, id) VALUES ('{}', gen_random_uuid())", boss.tenant_id());
    let last = async |admin: &mut PgConnection| -> i64 {
        let sql = format!("SELECT max(number)::text FROM mill.receipts WHERE mill_id = '{}'", boss.tenant_id());
        ask(admin, &sql).await.parse().expect("a number")
    };
    let made = Receipt::insert(&db.scope(&boss), NewReceipt { id: Uuid::new_v4() }).await.expect("the boss inserts");
    run(&mut admin, &insert).await.expect("a superuser");
    assert_eq!(last(&mut admin).await, i64::from(made.number) + 1);
    // As a hand-written migration does it.
    let as_owner = format!(
        "BEGIN; SET LOCAL ROLE mill_schema_owner; ALTER TABLE mill.receipts NO FORCE ROW LEVEL SECURITY; {insert};
         ALTER TABLE mill.receipts FORCE ROW LEVEL SECURITY; COMMIT"
    );
    run(&mut admin, &as_owner).await.expect("the owner of the table");
    assert_eq!(last(&mut admin).await, i64::from(made.number) + 2);
    // A role with privileges, but without a context, is no administrator, and gets no number.
    let ordinary =
        "CREATE ROLE ordinary; GRANT USAGE ON SCHEMA mill TO ordinary; GRANT INSERT ON mill.receipts TO ordinary;
                    CREATE POLICY ordinary ON mill.receipts FOR INSERT TO ordinary WITH CHECK (true)";
    run(&mut admin, ordinary).await.expect("a superuser");
    let refused = run(&mut admin, &format!("BEGIN; SET LOCAL ROLE ordinary; {insert}")).await.expect_err("refused");
    run(&mut admin, "ROLLBACK; DROP OWNED BY ordinary; DROP ROLE ordinary").await.expect("a superuser");
    assert_eq!(refusal(refused).0, "42501");
    assert_eq!(last(&mut admin).await, i64::from(made.number) + 2);
}

#[tokio::test]
async fn numbers_go_on_after_renames_and_existing_rows_are_numbered() {
    let mut begun = start_case("counters").await;
    let [a, b] = ["00000000-0000-4000-8000-00000000000a", "00000000-0000-4000-8000-00000000000b"];
    let insert = |table: &str, columns: &str, values: &[&str]| {
        let rows = values.iter().map(|value| format!("({value})")).collect::<Vec<_>>().join(", ");
        format!(
            "INSERT INTO app.{table} ({columns}) VALUES {}",
            rows.replace("A", &format!("'{a}'")).replace("B", &format!("'{b}'"))
        )
    };
    for sql in [
        insert("bills", "org", &["A", "A", "B", "A"]),
        insert("tickets", "org, title", &["A, 'x'", "B, 'x'", "A, 'x'", "A, 'x'"]),
        insert(
            "orders",
            "org, text, number",
            &["A, 'x', 7", "A, 'y', NULL", "B, 'x', -4", "B, 'y', NULL", "A, 'z', NULL"],
        ),
        insert("notes", "org, body", &["A, 'x'", "A, 'x'"]),
        insert("pairs", "org", &["A"]),
        "UPDATE app.pairs_second_counter SET last = 40".to_owned(),
        insert("pairs", "org", &["A"]),
        insert("drafts", "org", &["A"]),
    ] {
        run(&mut begun.superuser, &sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
    assert_eq!(begun.migrate(0).await, None);
    for sql in [
        insert("invoices", "org", &["A", "B"]),
        insert("tickets", "org, title", &["A, 'x'", "B, 'x'"]),
        insert("orders", "org, text", &["A, 'new'", "B, 'new'"]),
        insert("notes", "org, body", &["A, 'new'"]),
        insert("pairs", "org", &["A"]),
    ] {
        run(&mut begun.superuser, &sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
    let seen = |table: &str, column: &str| {
        format!("SELECT string_agg(right(org::text, 1) || {column}, ' ' ORDER BY org, {column}) FROM app.{table}")
    };
    for (table, column, expected) in [
        ("invoices", "number", "a1 a2 a3 a4 b1 b2"),
        ("tickets", "number", "a1 a2 a3 a4 b1 b2"),
        // The missing numbers follow the highest one.
        ("orders", "number", "a7 a8 a9 a10 b-4 b1 b2"),
        ("notes", "place", "a0 a1 a2"),
        ("pairs", "first", "a1 a41 a42"),
        ("pairs", "second", "a1 a2 a3"),
    ] {
        assert_eq!(ask(&mut begun.superuser, &seen(table, column)).await, expected, "{table}.{column}");
    }
    let in_order = "SELECT (array_agg(number ORDER BY id) = array_agg(number ORDER BY number))::text FROM app.tickets WHERE org = ";
    assert_eq!(ask(&mut begun.superuser, &format!("{in_order}'{a}'")).await, "true", "in the order of the key");
    begun.revert().await;
    for sql in [
        insert("bills", "org", &["A"]),
        insert("notes", "org, body", &["A, 'y'"]),
        insert("pairs", "org", &["A"]),
        insert("drafts", "org", &["A"]),
    ] {
        run(&mut begun.superuser, &sql).await.unwrap_or_else(|error| panic!("{error}: {sql}"));
    }
    for (table, column, expected) in [
        ("bills", "no", "a1 a2 a3 a4 a5 b1 b2"),
        ("notes", "place", "a0 a1 a2 a3"),
        ("pairs", "first", "a1 a2 a3 a4"),
        ("pairs", "second", "a1 a41 a42 a43"),
        ("pairs", "third", "a1 a2 a3 a4"),
        ("drafts", "number", "a1"),
    ] {
        assert_eq!(ask(&mut begun.superuser, &seen(table, column)).await, expected, "{table}.{column}");
    }
}

/// The start of a function that replaces the one of a counter.
const REPLACED: &str =
    "CREATE OR REPLACE FUNCTION mill_auth.next_receipts_number() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp SET row_security = on AS";

#[tokio::test]
async fn verify_numbers_rows_and_detects_mutants_of_counters() {
    let server = verified_server(&models()).await;
    let mutants = [
        "GRANT INSERT (number) ON mill.invoices TO mill_clerk",
        "GRANT UPDATE (place) ON mill.invoices TO mill_boss",
        "GRANT SELECT (last) ON mill.items_number_counter TO mill_boss",
        "GRANT DELETE ON mill.receipts_number_counter TO mill_clerk; GRANT SELECT (last) ON mill.receipts_number_counter TO mill_clerk",
        "GRANT INSERT ON mill.receipts_number_counter TO mill_system",
        "ALTER TABLE mill.receipts_number_counter NO FORCE ROW LEVEL SECURITY",
        "GRANT EXECUTE ON FUNCTION mill_auth.next_items_number() TO mill_clerk",
        // Leaves a gap after a rollback.
        &format!(
            "CREATE SEQUENCE mill_auth.numbers; GRANT USAGE ON SEQUENCE mill_auth.numbers TO mill_function_owner;
             {REPLACED} $$BEGIN NEW.number := nextval('mill_auth.numbers') + 1000; RETURN NEW; END$$"
        ),
        // Gives every other number.
        &format!(
            "{REPLACED} $$BEGIN
                 INSERT INTO mill.receipts_number_counter AS c (tenant_id, last) VALUES (NEW.mill_id, 1)
                     ON CONFLICT (tenant_id) DO UPDATE SET last = c.last + 2 RETURNING c.last INTO NEW.number;
                 RETURN NEW;
             END$$"
        ),
    ];
    assert_detected(&server, &models(), mutants).await;
    // No row can be inserted.
    for sql in [
        "DROP TRIGGER next_number ON mill.invoices",
        "ALTER TABLE mill.items DISABLE TRIGGER next_number",
        "REVOKE UPDATE (last) ON mill.invoices_place_counter FROM mill_function_owner",
        "DROP POLICY update_function_owner ON mill.invoices_place_counter",
        &format!("{REPLACED} $$BEGIN NEW.number := 1; RETURN NEW; END$$"),
    ] {
        let options = VerifyOptions::default().until_first_violation().after(sql);
        let failed = verify(&server.admin_url(), &models(), &options).await;
        assert!(matches!(failed, Err(VerifyError::Data { .. })), "{sql}: {failed:?}");
    }
}

#[tokio::test]
async fn drift_of_counters_is_reported_and_fixed() {
    let schema = golden::schema(models().tables());
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("applied");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    for (sql, expected) in [
        ("DROP TRIGGER next_number ON mill.invoices", vec!["TA115"]),
        ("ALTER TABLE mill.items DISABLE TRIGGER next_number", vec!["TA115"]),
        (
            "DROP TRIGGER next_number ON mill.receipts; CREATE TRIGGER next_number BEFORE INSERT ON mill.receipts
                 FOR EACH ROW WHEN (NEW.number IS NULL) EXECUTE FUNCTION mill_auth.next_receipts_number()",
            vec!["TA115"],
        ),
        (&format!("{REPLACED} $$BEGIN NEW.number := 1; RETURN NEW; END$$"), vec!["TA113"]),
        ("ALTER FUNCTION mill_auth.next_items_number() SECURITY INVOKER", vec!["TA113"]),
        ("GRANT SELECT (last) ON mill.invoices_number_counter TO mill_boss", vec!["TA111"]),
        ("GRANT INSERT (number) ON mill.invoices TO mill_clerk", vec!["TA111"]),
        ("REVOKE UPDATE (last) ON mill.receipts_number_counter FROM mill_function_owner", vec!["TA112"]),
        ("ALTER TABLE mill.invoices DROP CONSTRAINT invoices_mill_id_number_key", vec!["TA108"]),
        ("ALTER TABLE mill.receipts_number_counter NO FORCE ROW LEVEL SECURITY", vec!["TA105"]),
        ("DROP POLICY tenant_isolation ON mill.items_number_counter", vec!["TA110"]),
        ("ALTER TABLE mill.invoices ALTER COLUMN number SET DEFAULT 1", vec!["TA107"]),
        ("ALTER TABLE mill.invoices ALTER COLUMN number DROP NOT NULL", vec!["TA107"]),
    ] {
        assert_reported_and_fixed(&mut admin, &schema, sql, &expected).await;
    }
}
