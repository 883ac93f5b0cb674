//! Golden tests of the generated SQL: structs in `golden/*.rs`, each with the SQL generated from them.
//!
//! `BLESS=1 cargo test -p tenant-tests golden` updates them. Each case is applied to a server and reverted.

use std::{fs, path::PathBuf};

use sqlx::{Connection as _, Executor as _};
use tenant_runtime::{
    Models, TenantTable as _,
    analyze::check,
    model::{def::TableDef, migration_hints::MigrationHints, schema::Schema},
    plan::plan,
    snapshot::{self, Snapshot},
    sql::{self, Migration},
};

macro_rules! cases {
    ($($case:ident: $($table:ident)*;)*) => {
        $(
            #[expect(dead_code, reason = "the structs exist only for the SQL generated from them")]
            #[allow(clippy::duplicated_attributes, reason = "several indexes have the same column or condition")]
            pub(super) mod $case {
                include!(concat!("../../golden/", stringify!($case), ".rs"));
            }
        )*

        pub(super) fn cases() -> Vec<(&'static str, Vec<&'static TableDef>)> {
            vec![$((stringify!($case), vec![$($case::$table::TABLE),*])),*]
        }
    };
}

cases! {
    minimal: Note;
    column_types: Sample;
    quoted_names: Order;
    foreign_keys: Company Country Department Person;
    role_inheritance: Chart Invoice;
    membership: Club Person ClubMember Letter;
    column_privileges: Employee;
    parent_scope: Order Item;
    hidden_parents: Board Card Note Label Alias Change;
    hash_partitions: Measurement Remark;
    custom_policies: Article Comment Review;
    login_per_role: Guild Craftsman GuildMember Piece;
    sensitive_columns: Patient Reading;
    check_constraints: Booking Agreement;
    unique_and_index_options: Organization Domain;
    exclusion_constraints: Booking;
    extensions: Book;
    native_enums: Shop Person ShopMember Order;
    computed_columns: Language Book Purchase Loan Change;
    counters: Employee Invoice Item Receipt;
    soft_delete: Page Section Picture Comment Change;
    signed_context: Shop Person Employment Offer Change Item Label Supplier;
    composite_keys: Company Region Campaign Ad Click Note Label CampaignLabel AdLabel Change;
}

pub(super) fn models(tables: &[&'static TableDef]) -> Models {
    tenant_runtime::models![].only(tables.iter().copied())
}

pub(super) fn schema(tables: &[&'static TableDef]) -> Schema {
    check(&models(tables)).unwrap_or_else(|findings| panic!("{findings}")).schema
}

pub(super) fn migration(schema: &Schema) -> Migration {
    sql::migrations(&plan(&Schema::default(), schema, &MigrationHints::default()).expect("a plan from nothing"))
        .remove(0)
}

/// Returns what an administrator creates before the migration of a case.
pub(super) fn prerequisites(case: &str) -> &'static str {
    if case == "exclusion_constraints" { "CREATE EXTENSION btree_gist SCHEMA public;\n" } else { "" }
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

#[test]
fn generated_sql_matches_the_golden_files() {
    let mut wrong = Vec::new();
    for (case, tables) in cases() {
        let migration = migration(&schema(&tables));
        for (file, text) in [(format!("{case}.up.sql"), migration.up), (format!("{case}.down.sql"), migration.down)] {
            let path = golden(&file);
            if std::env::var_os("BLESS").is_some() {
                fs::write(&path, &text).expect("written");
            } else if fs::read_to_string(&path).ok().as_ref() != Some(&text) {
                wrong.push(file);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?} differ; `BLESS=1` writes them anew, then look at `git diff`");
}

#[test]
fn table_order_does_not_change_the_sql() {
    for (case, mut tables) in cases() {
        let first = migration(&schema(&tables));
        for _ in 0..tables.len() {
            tables.rotate_left(1);
            assert_eq!(migration(&schema(&tables)), first, "{case}");
        }
    }
}

#[test]
fn snapshot_round_trips_the_schema() {
    for (case, tables) in cases() {
        let schema = schema(&tables);
        let text = snapshot::to_text(&Snapshot { schema: schema.clone(), ..Snapshot::default() }).expect("written");
        let read = snapshot::from_text(&text).unwrap_or_else(|error| panic!("{case}: {error}")).schema;
        assert_eq!(read, schema, "{case}");
        assert!(plan(&read, &schema, &MigrationHints::default()).expect("planned").is_empty(), "{case}");
    }
}

#[tokio::test]
async fn golden_migrations_apply_and_revert_without_leftovers() {
    let server = tokio::task::spawn_blocking(tenant_tests::dedicated_server).await.expect("a server");
    // An administrator as on a hosted server: not a superuser.
    let role = "CREATE ROLE operator LOGIN CREATEROLE CREATEDB";
    tenant_tests::run(&mut tenant_tests::connect(&server.admin_url()).await, role).await.expect("a superuser can");
    for (case, tables) in cases() {
        let mut admin = tenant_tests::connect(&server.url("operator", "postgres")).await;
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE golden_{case}"))).await.expect("a database");
        let mut connection = tenant_tests::connect(&server.url("operator", &format!("golden_{case}"))).await;
        tenant_tests::run(&mut connection, prerequisites(case)).await.expect("a trusted extension");
        let migration = migration(&schema(&tables));
        for (direction, text) in [("up", migration.up), ("down", migration.down)] {
            let mut transaction = connection.begin().await.expect("begun");
            if let Err(error) = transaction.execute(sqlx::AssertSqlSafe(text)).await {
                panic!("{case}.{direction}.sql: {error}");
            }
            transaction.commit().await.expect("committed");
        }
        // The schema of extensions stays, because other software can use it.
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname NOT IN ('postgres', 'operator'))
                  + (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema', 'ext'))
                  + (SELECT count(*) FROM pg_default_acl)",
        )
        .fetch_one(&mut connection)
        .await
        .expect("counted");
        assert_eq!(left, 0, "{case}: roles, schemas or defaults stay behind");
    }
}
