//! `verify`: test rows for any model: checks over several columns, types of PostgreSQL and of extensions, and given values.

use tenant_runtime::{
    TenantTable,
    model::def::{ColumnDef, ScopeDef, SqlType, TableDef, TableName, UniqueScope},
    roles::{Admin, Member, Viewer},
    verify::{VerifyError, VerifyOptions, verify},
};
use tenant_tests::dedicated_server;
use uuid::Uuid;

use super::golden;

/// Verifies declarations on a server of their own, after some statements.
async fn verified(tables: &[&'static TableDef], first: &str, options: VerifyOptions) -> Result<String, VerifyError> {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let options = options.after(format!("{first}; {}", golden::migration(&golden::schema(tables)).up));
    let report = verify(&server.admin_url(), &golden::models(tables), &options).await?;
    Ok(if report.is_clean() { format!("clean, {} rows", report.rows) } else { report.to_string() })
}

async fn assert_clean(tables: &[&'static TableDef], first: &str, options: VerifyOptions) {
    match verified(tables, first, options).await {
        Ok(report) => assert!(report.starts_with("clean"), "{report}"),
        Err(error) => panic!("{error}"),
    }
}

/// A check that needs a nullable column for one value of another column only.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Fee {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(check = "kind IN ('legacy', 'modern')")]
    kind: String,
    #[tenant(check = "kind <> 'legacy' OR cents IS NOT NULL")]
    cents: Option<i64>,
}

#[tokio::test]
async fn nullable_columns_that_a_conditional_check_needs_are_inserted() {
    assert_clean(&[Fee::TABLE], "", VerifyOptions::default()).await;
}

/// The same for each kind, and with a default that the check rejects.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Invoice {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(check = "kind IN ('modern', 'legacy')")]
    kind: String,
    #[tenant(check = "kind <> 'modern' OR cents IS NOT NULL")]
    cents: Option<i64>,
    #[tenant(check = "kind <> 'legacy' OR cents IS NOT NULL")]
    note: Option<String>,
    /// A default that the check rejects for every kind.
    #[tenant(default = "'open'", check = "kind = 'draft' OR state = 'paid'")]
    state: String,
}

#[tokio::test]
async fn nullable_and_default_columns_that_a_check_needs_are_inserted() {
    assert_clean(&[Invoice::TABLE], "", VerifyOptions::default()).await;
}

#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Post {
    id: Uuid,
    organization_id: Uuid,
    title: String,
}

#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Photo {
    id: Uuid,
    organization_id: Uuid,
    caption: Option<String>,
}

/// An exclusive arc: exactly one of two references.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Remark {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(references = Post, on_delete = "cascade", check = "(post_id IS NULL) <> (photo_id IS NULL)")]
    post_id: Option<Uuid>,
    #[tenant(references = Photo, on_delete = "cascade")]
    photo_id: Option<Uuid>,
}

#[tokio::test]
async fn exclusive_arcs_are_generated_with_each_reference() {
    assert_clean(&[Post::TABLE, Photo::TABLE, Remark::TABLE], "", VerifyOptions::default()).await;
}

#[tokio::test]
async fn a_missing_tenant_in_the_foreign_key_of_an_exclusive_arc_is_a_violation() {
    let tables = [Post::TABLE, Photo::TABLE, Remark::TABLE];
    for (column, table) in [("post_id", "posts"), ("photo_id", "photos")] {
        let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
        let defect = format!(
            "ALTER TABLE app.remarks DROP CONSTRAINT remarks_organization_id_{column}_fkey, \
             ADD FOREIGN KEY ({column}) REFERENCES app.{table} (id) ON DELETE CASCADE"
        );
        let options = VerifyOptions::default()
            .until_first_violation()
            .after(format!("{}; {defect}", golden::migration(&golden::schema(&tables)).up));
        let report = verify(&server.admin_url(), &golden::models(&tables), &options).await.expect("a report");
        let first = report.violations.first().map(ToString::to_string).unwrap_or_default();
        assert!(first.contains("reference to a row of the other tenant"), "{column}: {first}");
    }
}

/// Checks over three and four columns, and a unique constraint over some of them.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(unique(kind, low, high))]
struct Band {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(check = "kind IN ('percent', 'amount')")]
    kind: String,
    #[tenant(check = "low >= 5 AND low < high AND high - low IN (7, 12)")]
    low: i32,
    #[tenant(check = "high <= 9000 AND (kind = 'amount' OR high <= 100)")]
    high: i32,
    #[tenant(
        check = "CASE kind WHEN 'percent' THEN share = low * 3 AND cap IS NULL ELSE cap > high AND share IS NULL END"
    )]
    share: Option<i32>,
    #[tenant(check = "cap IS NULL OR cap > 500")]
    cap: Option<i64>,
    #[tenant(check = "num_nonnulls(share, cap, comment, starts) = 3")]
    comment: Option<String>,
    #[tenant(check = "ends > starts AND ends - starts > interval '365 days'")]
    starts: Option<sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>>,
    ends: sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>,
}

#[tokio::test]
async fn checks_over_four_columns_are_solved() {
    assert_clean(&[Band::TABLE], "", VerifyOptions::default()).await;
}

/// Formats: patterns, lengths and prefixes.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
struct Contact {
    id: Uuid,
    organization_id: Uuid,
    #[tenant(unique, check = "code ~ '^[A-Z]{3}-[0-9]{4}$'")]
    code: String,
    #[tenant(unique, check = r"phone ~ '^\+[1-9]\d{6,14}$'")]
    phone: String,
    #[tenant(check = "email LIKE '%_@_%._%'")]
    email: String,
    #[tenant(check = "colour ~* '^#([0-9a-f]{3}|[0-9a-f]{6})$'")]
    colour: Option<String>,
    #[tenant(unique, check = "char_length(serial) = 17 AND serial = upper(serial)")]
    serial: String,
}

#[tokio::test]
async fn patterns_and_lengths_of_checks_are_satisfied() {
    assert_clean(&[Contact::TABLE], "", VerifyOptions::default()).await;
}

/// The types without a Rust type here, each NOT NULL.
const TYPES: &[&str] = &[
    "int4range",
    "int8range",
    "numrange",
    "daterange",
    "tsrange",
    "tstzrange",
    "int4multirange",
    "datemultirange",
    "tstzmultirange",
    "interval",
    "inet",
    "cidr",
    "macaddr",
    "macaddr8",
    "bit(5)",
    "bit",
    "bit varying(7)",
    "varbit",
    "money",
    "xml",
    "tsvector",
    "tsquery",
    "point",
    "line",
    "lseg",
    "box",
    "path",
    "polygon",
    "circle",
    "json",
    "timetz",
    "pg_lsn",
    "jsonpath",
    "oid",
    "\"char\"",
    "name",
    "public.verify_email",
    "public.verify_percent",
    "public.verify_code",
    "public.verify_mood",
    "public.verify_mood[]",
    "inet[]",
    "tstzrange[]",
    "interval[]",
    "public.verify_email[]",
    "public.citext[]",
    "text[]",
    "char(3)",
    "varchar(4)",
    "varchar(200)",
    "numeric(3,2)",
    "numeric(5,0)",
    "numeric(12,2)",
    "numeric",
    "public.citext",
    "public.hstore",
    "public.ltree",
    "public.cube",
    "public.seg",
    "public.isbn13",
    "public.verify_pair",
    "numeric(4,2)[]",
    "varchar(3)[]",
    "public.verify_span",
];

const TYPE_SQL: &str = "CREATE EXTENSION citext SCHEMA public; CREATE EXTENSION hstore SCHEMA public;
    CREATE EXTENSION ltree SCHEMA public; CREATE EXTENSION cube SCHEMA public; CREATE EXTENSION seg SCHEMA public;
    CREATE EXTENSION isn SCHEMA public;
    CREATE DOMAIN public.verify_email AS public.citext CHECK (VALUE ~ '^[a-z0-9.-]+@[a-z.]+$');
    CREATE DOMAIN public.verify_percent AS numeric(5,2) NOT NULL CHECK (VALUE BETWEEN 40 AND 60);
    CREATE DOMAIN public.verify_text AS varchar(8);
    CREATE DOMAIN public.verify_code AS public.verify_text CHECK (VALUE ~ '^[A-Z]{2}[0-9]{6}$');
    CREATE TYPE public.verify_mood AS ENUM ('sad', 'it''s ok', 'happy');
    CREATE TYPE public.verify_pair AS (a integer, b text);
    CREATE TYPE public.verify_span AS RANGE (subtype = float8)";

/// A table with one column of each type.
fn every_type() -> &'static TableDef {
    let mut columns: Vec<_> = [("id", true), ("organization_id", false)]
        .map(|(name, id)| ColumnDef {
            id,
            app_assigned: !id && name == "id",
            ..ColumnDef::blank(name, SqlType::Uuid, false)
        })
        .into();
    for (at, ty) in TYPES.iter().enumerate() {
        let name: &str = Box::leak(format!("column_{at}").into_boxed_str());
        columns.push(ColumnDef::blank(name, SqlType::Custom(ty), false));
    }
    table("kinds", columns)
}

fn table(name: &'static str, columns: Vec<ColumnDef>) -> &'static TableDef {
    let blank = TableDef::blank(Post::TABLE.tenancy);
    Box::leak(Box::new(TableDef {
        rust_name: name,
        file: file!(),
        line: line!(),
        name: TableName { schema: "app", table: name },
        scope: ScopeDef::Tenant { column: "organization_id" },
        select: Some("viewer"),
        insert: Some("member"),
        update: Some("member"),
        delete: Some("admin"),
        columns: Vec::leak(columns),
        ..blank
    }))
}

#[tokio::test]
async fn values_are_generated_for_every_type() {
    assert_clean(&[every_type()], TYPE_SQL, VerifyOptions::default()).await;
}

/// Unique columns of types with many values.
#[tokio::test]
async fn unique_columns_of_other_types_have_distinct_values() {
    let many = TYPES.iter().enumerate().filter(|(_, ty)| {
        let without_equality = ["xml", "json", "point", "line", "lseg", "box", "path", "polygon", "circle", "jsonpath"];
        !without_equality.contains(ty) && !["bit", "\"char\"", "public.verify_mood", "public.isbn13"].contains(ty)
    });
    let mut columns: Vec<_> = ["id", "organization_id"]
        .map(|name| ColumnDef { id: name == "id", app_assigned: false, ..ColumnDef::blank(name, SqlType::Uuid, false) })
        .into();
    for (at, ty) in many {
        let name: &str = Box::leak(format!("column_{at}").into_boxed_str());
        columns.push(ColumnDef {
            unique: Some(UniqueScope::Tenant),
            ..ColumnDef::blank(name, SqlType::Custom(ty), false)
        });
    }
    assert_clean(&[table("singles", columns)], TYPE_SQL, VerifyOptions::default()).await;
}

#[tokio::test]
async fn a_type_without_values_is_named_with_its_column() {
    let sql = "CREATE DOMAIN public.verify_never AS text CHECK (VALUE = md5(VALUE))";
    let mut columns: Vec<_> = ["id", "organization_id"]
        .map(|name| ColumnDef { id: name == "id", app_assigned: false, ..ColumnDef::blank(name, SqlType::Uuid, false) })
        .into();
    columns.push(ColumnDef::blank("riddle", SqlType::Custom("public.verify_never"), false));
    let error = verified(&[table("riddles", columns)], sql, VerifyOptions::default()).await.expect_err("no value");
    let text = error.to_string();
    for words in ["app.riddles", "`riddle`", "`verify_never`", "\"riddle\"", "--data"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[tokio::test]
async fn whole_rows_keep_their_values_together_and_null_is_null() {
    // Only these pairs satisfy both checks; mixed pairs do not.
    let rows = r#"{"app.accounts": [
        {"iban": null, "bank": "bank-01", "level": 3},
        {"bank": "bank-02", "iban": null, "level": 7}]}"#;
    let options = VerifyOptions::default().values_from_json(rows).expect("rows");
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("a server");
    let trigger = "CREATE FUNCTION public.verify_pairs() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF NEW.iban IS NOT NULL OR (NEW.bank, NEW.level) NOT IN (('bank-01', 3), ('bank-02', 7)) THEN
                RAISE 'mixed: % %', NEW.bank, NEW.level;
            END IF;
            RETURN NEW;
        END $$; CREATE TRIGGER pairs BEFORE INSERT ON app.accounts FOR EACH ROW EXECUTE FUNCTION public.verify_pairs()";
    let tables = [Account::TABLE];
    let options = options.after(format!("{}; {trigger}", golden::migration(&golden::schema(&tables)).up));
    let report = verify(&server.admin_url(), &golden::models(&tables), &options).await.expect("a report");
    assert!(report.is_clean(), "{report}");
}

/// Columns whose values belong together, by a trigger of the app.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", table = "accounts", select = "viewer", insert = "member", update = "member")]
struct Account {
    id: Uuid,
    organization_id: Uuid,
    iban: Option<String>,
    bank: String,
    level: i32,
}

#[test]
fn given_values_of_another_shape_are_errors_with_their_place() {
    let error = |text: &str| VerifyOptions::default().values_from_json(text).expect_err(text).to_string();
    for (text, words) in [
        ("[]", "expected an object of tables, found an array"),
        (r#"{"app.accounts": 1}"#, "`app.accounts`: expected an object of columns or an array of rows, found a number"),
        (r#"{"app.accounts": {"iban": "DE"}}"#, "`app.accounts`.`iban`: expected an array of values, found a string"),
        (
            r#"{"app.accounts": {"iban": [[]]}}"#,
            "`app.accounts`.`iban`[0]: expected a string, a number, a boolean or null, found an array",
        ),
        (
            r#"{"app.accounts": [{"iban": 1}, 2]}"#,
            "`app.accounts`[1]: expected an object with the values of a row, found a number",
        ),
        (
            r#"{"app.accounts": [{"iban": {}}]}"#,
            "`app.accounts`[0].`iban`: expected a string, a number, a boolean or null, found an object",
        ),
        (r#"{"app.accounts": {"iban": []}}"#, "`app.accounts`.`iban`: the array is empty"),
        ("{", "EOF while parsing"),
    ] {
        let told = error(text);
        assert!(told.contains(words) && told.contains("help: "), "{text}: {told}");
    }
}

#[tokio::test]
async fn given_values_for_unknown_tables_and_columns_are_errors_with_the_nearest_name() {
    let tables = [Post::TABLE, Photo::TABLE];
    for (text, words) in [
        (r#"{"app.post": [{"title": "x"}]}"#, "there is no table `app.post`\n  help: did you mean `app.posts`?"),
        (r#"{"posts": {"title": ["x"]}}"#, "did you mean `app.posts`?"),
        (r#"{"app.posts": {"titel": ["x"]}}"#, "`app.posts` has no column `titel`\n  help: did you mean `title`?"),
        (r#"{"app.posts": [{"zzzzzzzz": "x"}]}"#, "help: its columns are `id`, `organization_id`, `title`"),
    ] {
        let options = VerifyOptions::default().values_from_json(text).expect(text);
        let error = verified(&tables, "", options).await.expect_err(text).to_string();
        assert!(error.contains(words), "{text}: {error}");
    }
}

/// A table of tenants, of which a role sees one.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "id", select = "viewer")]
struct Firm {
    id: Uuid,
    name: String,
}

/// A condition with a sub-query that returns one row to a role, and several to a superuser.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", update = "member", delete = "admin")]
#[tenant(using(delete = "title <> (SELECT f.name FROM app.firms AS f)"))]
struct Chapter {
    id: Uuid,
    organization_id: Uuid,
    title: String,
}

#[tokio::test]
async fn conditions_that_read_other_tables_are_not_evaluated() {
    assert_clean(&[Firm::TABLE, Chapter::TABLE], "", VerifyOptions::default()).await;
}

/// A condition that fails for the generated rows.
#[derive(TenantTable)]
#[expect(dead_code, reason = "it exists only for the SQL generated from it")]
#[tenant(org = "organization_id", select = "viewer", insert = "member", delete = "admin")]
#[tenant(using(select = "published", delete = "10 / (length(title) - length(title)) > 1"))]
struct Page {
    id: Uuid,
    organization_id: Uuid,
    title: String,
    published: bool,
}

#[tokio::test]
async fn a_condition_that_fails_is_named_with_its_table() {
    let error =
        verified(&[Page::TABLE], "", VerifyOptions::default()).await.expect_err("it divides by zero").to_string();
    for words in ["app.pages", "10 / (length(title) - length(title)) > 1", "division by zero", "help: "] {
        assert!(error.contains(words), "{words}: {error}");
    }
}
