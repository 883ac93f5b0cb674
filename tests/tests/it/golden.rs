//! Golden files: structs in `golden/*.rs`, and beside each the SQL that comes out, for a person to read.
//!
//! `BLESS=1 cargo test -p tenant-tests golden` writes them anew. Each one is applied to a server, and undone.

use std::{fs, path::PathBuf};

use sqlx::{Connection as _, Executor as _};
use tenant_runtime::{
    Models, TenantTable as _,
    check::check,
    model::{def::TableDef, schema::Schema, transition::Transition},
    plan::plan,
    snapshot::{self, Snapshot},
    sql::{self, Migration},
};

macro_rules! cases {
    ($($case:ident: $($table:ident)*;)*) => {
        $(
            #[expect(dead_code, reason = "the structs are there for what is generated from them")]
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
    types: Sample;
    names: Order;
    references: Company Country Department Person;
    lattice: Chart Invoice;
    membership: Club Person ClubMember Letter;
    columns: Employee;
    parent: Order Item;
    partitions: Measurement Remark;
    rules: Article Comment;
    logins: Guild Craftsman GuildMember Piece;
}

pub(super) fn models(tables: &[&'static TableDef]) -> Models {
    tenant_runtime::models![].only(tables.iter().copied())
}

pub(super) fn schema(tables: &[&'static TableDef]) -> Schema {
    check(&models(tables)).unwrap_or_else(|findings| panic!("{findings}")).schema
}

pub(super) fn migration(schema: &Schema) -> Migration {
    sql::migrations(&plan(&Schema::default(), schema, &Transition::default()).expect("a plan from nothing")).remove(0)
}

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

#[test]
fn the_sql_is_what_the_golden_files_say() {
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
fn the_order_in_which_tables_are_found_does_not_reach_the_sql() {
    for (case, mut tables) in cases() {
        let first = migration(&schema(&tables));
        for _ in 0..tables.len() {
            tables.rotate_left(1);
            assert_eq!(migration(&schema(&tables)), first, "{case}");
        }
    }
}

#[test]
fn a_snapshot_reads_back_as_the_schema_that_it_was_written_from() {
    for (case, tables) in cases() {
        let schema = schema(&tables);
        let text = snapshot::to_text(&Snapshot { schema: schema.clone(), ..Snapshot::default() }).expect("written");
        let read = snapshot::from_text(&text).unwrap_or_else(|error| panic!("{case}: {error}")).schema;
        assert_eq!(read, schema, "{case}");
        assert!(plan(&read, &schema, &Transition::default()).expect("planned").is_empty(), "{case}");
    }
}

#[tokio::test]
async fn every_golden_file_applies_and_undoes_itself_without_a_trace() {
    let server = tokio::task::spawn_blocking(tenant_tests::own_server).await.expect("a server");
    for (case, tables) in cases() {
        let mut admin = tenant_tests::connect(&server.admin_url()).await;
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE golden_{case}"))).await.expect("a database");
        let mut connection = tenant_tests::connect(&server.url("postgres", &format!("golden_{case}"))).await;
        let migration = migration(&schema(&tables));
        for (direction, text) in [("up", migration.up), ("down", migration.down)] {
            let mut transaction = connection.begin().await.expect("begun");
            if let Err(error) = transaction.execute(sqlx::AssertSqlSafe(text)).await {
                panic!("{case}.{direction}.sql: {error}");
            }
            transaction.commit().await.expect("committed");
        }
        let left: i64 = sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM pg_roles WHERE rolname !~ '^pg_' AND rolname <> 'postgres')
                  + (SELECT count(*) FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname NOT IN ('public', 'information_schema'))
                  + (SELECT count(*) FROM pg_default_acl)",
        )
        .fetch_one(&mut connection)
        .await
        .expect("counted");
        assert_eq!(left, 0, "{case}: roles, schemas or defaults stay behind");
    }
}
