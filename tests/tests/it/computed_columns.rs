//! Columns that the database sets, collations, and foreign keys with ON UPDATE CASCADE and deferred checks, in a running app and in
//! the audit and the verification.

use std::time::Duration;

use sqlx::PgConnection;
use tenant_runtime::{Error, Models, Repository as _, TenantDb, TenantTable as _, audit::audit, testing::TestDatabase};
use tenant_tests::{ask, connect, dedicated_server, run};
use uuid::Uuid;

use super::{
    audit::assert_reported_and_fixed,
    golden::{
        self,
        computed_columns::{
            Book, BookChanges, Change, Language, Librarian, Loan, LoanChanges, NewBook, NewLoan, Purchase, Reader,
            Writer,
        },
    },
    mutants::{assert_detected, verified_server},
};

fn models() -> Models {
    golden::models(&[Language::TABLE, Book::TABLE, Purchase::TABLE, Loan::TABLE, Change::TABLE])
}

/// A test database with its app and an administrator.
async fn database() -> (TestDatabase, TenantDb, PgConnection) {
    let database = TestDatabase::create(&models()).await.expect("a database");
    let db = database.app().await.expect("the app connects");
    let admin = connect(&database.admin_url()).await;
    (database, db, admin)
}

fn book(title: &str) -> NewBook {
    NewBook { title: title.into(), shelf: Some("A1".into()), language: None, sequel_of: None }
}

#[tokio::test]
async fn updated_at_is_set_on_insert_and_on_every_update() {
    let (database, db, _) = database().await;
    let [ours, theirs] = database.tenants();
    let scope = db.scope(&ours.context::<Writer>());
    let made = Book::insert(&scope, book("Dune")).await.expect("a writer inserts");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let title = |title: &str| BookChanges { title: Some(title.into()), ..BookChanges::default() };
    let changed = Book::update(&scope, made.id, title("Emma")).await.expect("a writer updates");
    assert!(changed.updated_at > made.updated_at, "{made:?} {changed:?}");
    let mut tx = db.begin(&ours.context::<Writer>()).await.expect("begun");
    let again = Book::update(&mut tx, made.id, title("Emma")).await.expect("a writer updates");
    tx.commit().await.expect("committed");
    assert!(again.updated_at > changed.updated_at, "an update that changes nothing else");
    let counted = Book::update_where(&scope, Book::ID.eq(made.id), title("Ulysses")).await.expect("a writer updates");
    let seen = Book::find(&db.scope(&ours.context::<Reader>()), made.id).await.expect("a reader reads");
    assert_eq!((counted, seen.is_some_and(|seen| seen.updated_at > again.updated_at)), (1, true));
    // A row of another tenant stays as it is.
    let others = db.scope(&theirs.context::<Writer>());
    let refused = Book::update(&others, made.id, title("Stolen")).await;
    assert!(matches!(refused, Err(Error::NotFound { .. })), "{refused:?}");
    // The change log records the time with the other columns.
    let log = Change::list(&db.scope(&ours.context::<Librarian>())).await.expect("a librarian reads");
    let of_book = log.iter().filter(|change| change.row_key == made.id.to_string() && change.command == "update");
    let times: Vec<_> = of_book.map(|change| change.after.as_ref().map(|row| row["updated_at"].clone())).collect();
    assert!(times.len() == 3 && times[0] != times[1] && times[1] != times[2], "{times:?}");
}

#[tokio::test]
async fn updated_at_without_a_time_zone_is_utc_on_a_partitioned_table() {
    let (database, db, mut admin) = database().await;
    let ctx = database.tenants()[0].context::<Writer>();
    let scope = db.scope(&ctx);
    let book = Book::insert(&scope, book("Dune")).await.expect("a writer inserts").id;
    let new = NewLoan { id: Uuid::new_v4(), book, reader: "ann".into(), weeks: 2 };
    let made = Loan::insert(&scope, new).await.expect("a writer inserts");
    assert_eq!(made.label, "ann/2");
    run(&mut admin, "ALTER ROLE library_service SET TimeZone = 'Asia/Tokyo'").await.expect("a superuser");
    let elsewhere = database.app().await.expect("the app connects");
    let changes = LoanChanges { weeks: Some(3), ..LoanChanges::default() };
    let changed = Loan::update(&elsewhere.scope(&ctx), made.id, changes).await.expect("a writer updates");
    run(&mut admin, "ALTER ROLE library_service RESET TimeZone").await.expect("a superuser");
    let passed = changed.updated_at - made.updated_at;
    assert!(passed.num_seconds() >= 0 && passed.num_minutes() < 5, "{passed}");
    assert_eq!(changed.label, "ann/3");
    let again = NewLoan { id: made.id, book, reader: "eve".into(), weeks: 4 };
    let upserted = Loan::upsert(&scope, again, Loan::BY_ID).await.expect("a writer upserts");
    assert_eq!((upserted.label.as_str(), upserted.updated_at > changed.updated_at), ("eve/4", true));
}

#[tokio::test]
async fn no_role_sets_a_column_that_the_database_sets() {
    let (database, db, mut admin) = database().await;
    let ours = &database.tenants()[0];
    Book::insert(&db.scope(&ours.context::<Writer>()), book("Dune")).await.expect("a writer inserts");
    for role in ["library_reader", "library_writer", "library_librarian"] {
        for (sql, code) in [
            ("UPDATE library.books SET updated_at = 'infinity'", "42501"),
            ("UPDATE library.loans SET updated_at = 'infinity'", "42501"),
            ("UPDATE library.books SET slug = 'x'", "428C9"),
            ("INSERT INTO library.books (org, title, updated_at) VALUES (gen_random_uuid(), 'x', now())", "42501"),
            ("INSERT INTO library.books (org, title, slug) VALUES (gen_random_uuid(), 'x', 'x')", "428C9"),
            ("UPDATE library.languages SET code = 'x'", "42501"),
            ("SELECT library_auth.touch_updated_at()", "42501"),
            ("ALTER TABLE library.books DISABLE TRIGGER touch_updated_at", "42501"),
        ] {
            run(&mut admin, &format!("BEGIN; SET LOCAL ROLE {role}")).await.expect("a superuser");
            let refused = run(&mut admin, sql).await.expect_err(sql);
            run(&mut admin, "ROLLBACK").await.expect("rolled back");
            assert_eq!(tenant_tests::refusal(refused).0, code, "{role}: {sql}");
        }
    }
}

#[tokio::test]
async fn generated_columns_are_filtered_sorted_and_unique_within_the_tenant() {
    let (database, db, _) = database().await;
    let [ours, theirs] = database.tenants();
    let scope = db.scope(&ours.context::<Writer>());
    let made = Book::insert(&scope, book("Dune")).await.expect("a writer inserts");
    assert_eq!(made.slug, "dune");
    let refused = Book::insert(&scope, book("DUNE")).await;
    assert!(matches!(&refused, Err(Error::UniqueViolation { constraint, .. }) if constraint == "books_org_slug_key"));
    Book::insert(&db.scope(&theirs.context::<Writer>()), book("DUNE")).await.expect("another tenant's slug");
    let changes = BookChanges { title: Some("Emma".into()), ..BookChanges::default() };
    let changed = Book::update(&scope, made.id, changes).await.expect("a writer updates");
    assert_eq!(changed.slug, "emma");
    let found = Book::list(&scope).filter(Book::SLUG.eq("emma")).await.expect("a writer reads");
    assert_eq!(found.iter().map(|book| book.id).collect::<Vec<_>>(), [made.id]);
}

#[tokio::test]
async fn a_collation_decides_the_order() {
    let (database, db, mut admin) = database().await;
    let scope = db.scope(&database.tenants()[0].context::<Writer>());
    let before = Book::list(&scope).await.expect("a writer reads").len();
    for title in ["b", "A", "B", "a", "é"] {
        // The slugs differ.
        let title = format!("{title} {}", Uuid::new_v4());
        Book::insert(&scope, book(&title)).await.expect("a writer inserts");
    }
    let sorted = Book::list(&scope).order(Book::TITLE.asc()).await.expect("a writer reads");
    let titles: Vec<_> = sorted.iter().map(|book| book.title.clone()).collect();
    let mut by_bytes = titles.clone();
    by_bytes.sort();
    assert_eq!((titles.len(), &titles), (before + 5, &by_bytes));
    let collated = "SELECT collation_name FROM information_schema.columns WHERE table_name = 'books' AND column_name =";
    assert_eq!(ask(&mut admin, &format!("{collated} 'shelf'")).await, "ucs_basic");
}

#[tokio::test]
async fn on_update_cascade_changes_references_of_all_tenants_under_forced_rls() {
    let (database, db, mut admin) = database().await;
    run(&mut admin, "INSERT INTO library.languages (code) VALUES ('xx')").await.expect("a superuser");
    let mut books = Vec::new();
    for tenant in database.tenants() {
        let scope = db.scope(&tenant.context::<Writer>());
        books.push(
            Book::insert(&scope, NewBook { language: Some("xx".into()), ..book("Dune") })
                .await
                .expect("a writer inserts"),
        );
    }
    // As the owner of the tables, to which the policies apply; it sees the rows of a global table.
    let rename = "BEGIN; SET LOCAL ROLE library_schema_owner; ALTER TABLE library.languages NO FORCE ROW LEVEL SECURITY;
        UPDATE library.languages SET code = 'yy' WHERE code = 'xx'; ALTER TABLE library.languages FORCE ROW LEVEL SECURITY; COMMIT";
    run(&mut admin, rename).await.expect("the owner renames");
    for (tenant, made) in database.tenants().iter().zip(books) {
        let seen = Book::find(&db.scope(&tenant.context::<Writer>()), made.id).await.expect("a writer reads");
        let seen = seen.expect("the book is there");
        assert_eq!(seen.language.as_deref(), Some("yy"));
        assert!(seen.updated_at > made.updated_at, "the cascade is an update of the row");
    }
}

#[tokio::test]
async fn on_update_cascade_changes_composite_keys_with_the_tenant_column() {
    let (database, db, mut admin) = database().await;
    let [ours, theirs] = database.tenants();
    let scope = db.scope(&ours.context::<Writer>());
    let old = Book::insert(&scope, book("Dune")).await.expect("a writer inserts").id;
    let new = NewLoan { id: Uuid::new_v4(), book: old, reader: "ann".into(), weeks: 2 };
    let loan = Loan::insert(&scope, new).await.expect("a writer inserts").id;
    let id = Uuid::new_v4();
    let change = |sql: String| {
        format!(
            "BEGIN; SET LOCAL ROLE library_schema_owner; ALTER TABLE library.books NO FORCE ROW LEVEL SECURITY;
             {sql}; SET CONSTRAINTS ALL IMMEDIATE; ALTER TABLE library.books FORCE ROW LEVEL SECURITY; COMMIT"
        )
    };
    // The loans keep FORCE: PostgreSQL changes them as their owner, which FORCE does not bind there.
    run(&mut admin, &change(format!("UPDATE library.books SET id = '{id}' WHERE id = '{old}'")))
        .await
        .expect("renamed");
    let seen = Loan::find(&scope, loan).await.expect("a writer reads").map(|loan| loan.book);
    assert_eq!(seen, Some(id));
    // An administrator who moves a book to another tenant moves its loans, between partitions too.
    let tenant = "(SELECT org FROM library.books WHERE org <> b.org LIMIT 1)";
    let moved = format!("UPDATE library.books AS b SET org = {tenant}, title = 'Moved' WHERE id = '{id}'");
    run(&mut admin, &change(moved)).await.expect("moved");
    let others = db.scope(&theirs.context::<Writer>());
    let places = [Loan::find(&scope, loan).await, Loan::find(&others, loan).await];
    assert_eq!(places.map(|found| found.expect("a writer reads").is_some()), [false, true]);
}

#[tokio::test]
async fn a_deferred_foreign_key_is_checked_at_commit() {
    let (database, db, _) = database().await;
    let ctx = database.tenants()[0].context::<Writer>();
    let missing = || NewLoan { id: Uuid::new_v4(), book: Uuid::new_v4(), reader: "ann".into(), weeks: 1 };
    let is_refused = |error: &Error| matches!(error, Error::ForeignKeyViolation { constraint, .. } if constraint == "loans_org_book_fkey");
    let mut tx = db.begin(&ctx).await.expect("begun");
    Loan::insert(&mut tx, missing()).await.expect("the check is deferred");
    let refused = tx.commit().await.expect_err("the book is missing");
    assert!(is_refused(&refused), "{refused:?}");
    let refused = Loan::insert(&db.scope(&ctx), missing()).await.expect_err("the call commits");
    assert!(is_refused(&refused), "{refused:?}");
    // The row may reference one that the same transaction inserts later, but none of another tenant.
    let others = &database.tenants()[1];
    let theirs = Book::insert(&db.scope(&others.context::<Writer>()), book("Dune")).await.expect("a writer inserts");
    let refused = Loan::insert(&db.scope(&ctx), NewLoan { book: theirs.id, ..missing() }).await.expect_err("theirs");
    assert!(is_refused(&refused), "{refused:?}");
}

#[tokio::test]
async fn verify_generates_rows_and_detects_mutants_of_computed_columns() {
    let server = verified_server(&models()).await;
    let mutants = [
        "GRANT UPDATE (updated_at) ON library.books TO library_writer",
        "GRANT INSERT (updated_at) ON library.loans TO library_writer",
        "ALTER TABLE library.books ALTER COLUMN slug DROP EXPRESSION, ALTER COLUMN slug DROP NOT NULL; GRANT UPDATE (slug) ON library.books TO library_writer",
        "GRANT EXECUTE ON FUNCTION library_auth.touch_updated_at TO library_reader",
        "GRANT INSERT (slug) ON library.books TO library_reader",
        "GRANT UPDATE (label) ON library.loans TO library_writer",
        "GRANT UPDATE (code) ON library.languages TO library_writer",
        "GRANT SELECT (is_expensive) ON library.purchases TO library_reader",
        "ALTER TABLE library.loans DROP CONSTRAINT loans_org_book_fkey",
        "ALTER TABLE library.books DROP CONSTRAINT books_language_fkey",
    ];
    assert_detected(&server, &models(), mutants).await;
}

#[tokio::test]
async fn drift_of_computed_columns_and_foreign_keys_is_reported_and_fixed() {
    let schema = golden::schema(models().tables());
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, &format!("BEGIN; {}; COMMIT", golden::migration(&schema).up)).await.expect("applied");
    let report = audit(&mut admin, &schema).await.expect("an audit");
    assert!(report.is_clean(), "{report}");
    let book = "loans_org_book_fkey FOREIGN KEY (org, book) REFERENCES library.books (org, id) ON DELETE CASCADE";
    let language = "books_language_fkey FOREIGN KEY (language) REFERENCES library.languages (code)";
    let drop = "ALTER TABLE library.books DROP COLUMN";
    for (sql, expected) in [
        ("DROP TRIGGER touch_updated_at ON library.books".to_owned(), vec!["TA115"]),
        ("ALTER TABLE library.books DISABLE TRIGGER touch_updated_at".into(), vec!["TA115"]),
        (
            "DROP TRIGGER touch_updated_at ON library.books; CREATE TRIGGER touch_updated_at BEFORE INSERT OR UPDATE ON library.books
                 FOR EACH ROW EXECUTE FUNCTION library_auth.touch_updated_at()"
                .into(),
            vec!["TA115"],
        ),
        (
            "DROP TRIGGER touch_updated_at ON library.books; CREATE TRIGGER touch_updated_at BEFORE UPDATE ON library.books
                 FOR EACH ROW WHEN (OLD.title <> NEW.title) EXECUTE FUNCTION library_auth.touch_updated_at()"
                .into(),
            vec!["TA115"],
        ),
        ("ALTER FUNCTION library_auth.touch_updated_at() SECURITY DEFINER".into(), vec!["TA113"]),
        ("ALTER FUNCTION library_auth.touch_updated_at() SET search_path = public".into(), vec!["TA113"]),
        (
            "CREATE OR REPLACE FUNCTION library_auth.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN RETURN NEW; END'"
                .into(),
            vec!["TA113"],
        ),
        ("ALTER TABLE library.books ALTER COLUMN updated_at DROP DEFAULT".into(), vec!["TA107"]),
        ("ALTER TABLE library.purchases ALTER COLUMN is_expensive DROP EXPRESSION".into(), vec!["TA107"]),
        (
            String::from(
                "ALTER TABLE library.purchases DROP COLUMN is_expensive;
                 ALTER TABLE library.purchases ADD COLUMN is_expensive boolean GENERATED ALWAYS AS (price > 1000) STORED;
                 ALTER TABLE library.purchases ALTER COLUMN is_expensive SET STATISTICS 0;
                 GRANT SELECT (is_expensive) ON library.purchases TO library_librarian"
            ),
            vec!["TA107"],
        ),
        (
            format!(
                "{drop} shelf; ALTER TABLE library.books ADD COLUMN shelf varchar(40) GENERATED ALWAYS AS (lower(title)) STORED;
                 GRANT SELECT (shelf) ON library.books TO library_reader;
                 GRANT INSERT (shelf), UPDATE (shelf) ON library.books TO library_writer"
            ),
            vec!["TA107"],
        ),
        ("ALTER TABLE library.books ALTER COLUMN shelf TYPE varchar(40)".into(), vec!["TA107"]),
        ("ALTER TABLE library.loans ALTER CONSTRAINT loans_org_book_fkey NOT DEFERRABLE".into(), vec!["TA108"]),
        ("ALTER TABLE library.loans ALTER CONSTRAINT loans_org_book_fkey DEFERRABLE INITIALLY IMMEDIATE".into(), vec!["TA108"]),
        (
            format!(
                "ALTER TABLE library.loans DROP CONSTRAINT loans_org_book_fkey, ADD CONSTRAINT {book}
                 DEFERRABLE INITIALLY DEFERRED"
            ),
            vec!["TA108"],
        ),
        (
            format!("ALTER TABLE library.books DROP CONSTRAINT books_language_fkey, ADD CONSTRAINT {language}"),
            vec!["TA108"],
        ),
    ] {
        assert_reported_and_fixed(&mut admin, &schema, &sql, &expected).await;
    }
}
