//! An app that reads and writes while migrations change the tables under it: calls fail only where a warning said so.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use tenant_examples::{NewProject, Project, ProjectChanges};
use tenant_runtime::{
    Error, Migrations, Models, Repository as _, TenantCtx, TenantDb, TenantTable as _, TxOptions,
    migrate::{Revert, folder::Folder, generate::generate},
    model::def::TableDef,
    roles::Member,
    server::Server,
};
use tenant_tests::{Database, TempDir, ask, connect, run};
use uuid::Uuid;

fn project(name: &str) -> NewProject {
    NewProject { name: name.to_owned(), description: None, created_at: None }
}

async fn one_connection(database: &Database) -> TenantDb {
    TenantDb::options().max_connections(1).connect(&database.app_url()).await.expect("connects")
}

const RETYPE: &str = "ALTER TABLE app.projects ALTER COLUMN name TYPE varchar(200)";
const RETYPE_AGAIN: &str = "ALTER TABLE app.projects ALTER COLUMN name TYPE varchar(100)";

#[tokio::test]
async fn repository_calls_go_on_after_a_type_change() {
    let database = Database::create().await;
    let (db, ctx) = (one_connection(&database).await, database.acme.as_member());
    let scope = db.scope(&ctx);
    for alter in ["SELECT", RETYPE, RETYPE_AGAIN] {
        run(&mut database.admin().await, alter).await.expect("altered");
        Project::get(&scope, database.acme.project).await.expect("reads by key");
        Project::list(&scope).await.expect("lists");
        let inserted = Project::insert(&scope, project("another")).await.expect("inserts");
        let changes = ProjectChanges { name: Some("renamed".to_owned()), ..ProjectChanges::default() };
        Project::update(&scope, inserted.id, changes).await.expect("updates");
        let mut tx = db.begin(&ctx).await.expect("begins");
        Project::get(&mut tx, database.acme.project).await.expect("the first statement of a transaction");
        Project::insert(&mut tx, project("one more")).await.expect("the second");
        tx.commit().await.expect("commits");
    }
    assert_eq!(Project::count(&scope).await.expect("counts"), 7);
    assert_eq!(Project::count(&db.scope(&database.globex.as_member())).await.expect("counts"), 1);
}

#[tokio::test]
async fn later_statement_of_a_transaction_fails_once_after_a_type_change() {
    let database = Database::create().await;
    let (db, ctx) = (one_connection(&database).await, database.acme.as_member());
    let id = database.acme.project;
    let read = async || {
        let mut tx = db.begin(&ctx).await?;
        Project::count(&mut tx).await?;
        let found = Project::get(&mut tx, id).await;
        if found.is_err() {
            assert!(matches!(tx.commit().await, Err(Error::Aborted | Error::Database(_))));
        }
        found.map(drop)
    };
    read().await.expect("reads");
    run(&mut database.admin().await, RETYPE).await.expect("altered");
    let failed = read().await;
    assert!(matches!(&failed, Err(Error::Database(error)) if code(error) == "0A000"), "{failed:?}");
    for _ in 0..3 {
        read().await.expect("the connection was replaced");
    }
}

#[tokio::test]
async fn retry_repeats_a_transaction_with_a_stale_statement() {
    let database = Database::create().await;
    let (db, ctx) = (one_connection(&database).await, database.acme.as_member());
    let id = database.acme.project;
    let attempts = AtomicU32::new(0);
    let read = || {
        db.retry(&ctx, TxOptions::default(), |mut tx| {
            attempts.fetch_add(1, Ordering::Relaxed);
            async move {
                Project::count(&mut tx).await?;
                Project::get(&mut tx, id).await?;
                tx.commit().await
            }
        })
    };
    read().await.expect("reads");
    run(&mut database.admin().await, RETYPE).await.expect("altered");
    read().await.expect("the second attempt reads");
    assert_eq!(attempts.load(Ordering::Relaxed), 3);
}

fn code(error: &sqlx::Error) -> String {
    error.as_database_error().and_then(|server| server.code()).unwrap_or_default().into_owned()
}

#[tokio::test]
async fn custom_sql_fails_at_most_once_for_all_connections_of_a_role() {
    let database = Database::create().await;
    let db = TenantDb::options().max_connections(4).connect(&database.app_url()).await.expect("connects");
    let ctx = database.acme.as_member();
    let read = async || {
        let mut tx = db.begin(&ctx).await?;
        let names: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM app.projects ORDER BY 1").fetch_all(&mut tx).await?;
        tx.commit().await?;
        Ok::<_, Error>(names.len())
    };
    // Each of the four connections prepares the statement.
    let mut open = Vec::new();
    for _ in 0..4 {
        let mut tx = db.begin(&ctx).await.expect("begins");
        let _: Vec<(String,)> =
            sqlx::query_as("SELECT name FROM app.projects ORDER BY 1").fetch_all(&mut tx).await.expect("reads");
        open.push(tx);
    }
    for tx in open {
        tx.commit().await.expect("commits");
    }
    run(&mut database.admin().await, RETYPE).await.expect("altered");
    let mut failures = 0;
    for _ in 0..20 {
        failures += u32::from(read().await.is_err());
    }
    assert_eq!(failures, 1);
}

#[tokio::test]
async fn retried_call_has_the_same_context() {
    let database = Database::create().await;
    let db = one_connection(&database).await;
    let (acme, globex) = (database.acme.as_member(), database.globex.as_member());
    let names = async |ctx: &TenantCtx<Member>| {
        let found = Project::list(&db.scope(ctx)).await.expect("lists");
        found.into_iter().map(|project| project.organization_id).collect::<Vec<_>>()
    };
    names(&acme).await;
    run(&mut database.admin().await, RETYPE).await.expect("altered");
    assert_eq!(names(&globex).await, [database.globex.id]);
    run(&mut database.admin().await, RETYPE_AGAIN).await.expect("altered");
    assert_eq!(names(&acme).await, [database.acme.id]);
}

pub(super) mod v1 {
    use tenant_runtime::{
        TenantEnum, TenantTable,
        roles::{Member, Viewer},
    };
    use uuid::Uuid;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
    pub enum State {
        Open,
        Done,
    }

    #[derive(Debug, TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(sql_type = "varchar(50)")]
        pub title: String,
        pub topic: Option<String>,
        pub state: State,
        pub amount: i32,
    }
}

mod v2 {
    use tenant_runtime::{
        TenantEnum, TenantTable,
        roles::{Member, Viewer},
    };
    use uuid::Uuid;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
    pub enum State {
        Open,
        Done,
        Void,
    }

    #[expect(dead_code, reason = "only the migration to it is used")]
    #[derive(Debug, TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "member")]
    pub struct Folder {
        pub id: Uuid,
        pub org: Uuid,
        pub name: String,
    }

    #[expect(dead_code, reason = "only the migration to it is used")]
    #[derive(Debug, TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(unique, check = "length(title) > 0")]
        pub title: String,
        #[tenant(default = "'none'")]
        pub topic: String,
        pub state: State,
        #[tenant(check = "amount >= 0", index)]
        pub amount: i32,
        #[tenant(references = Folder)]
        pub folder: Option<Uuid>,
        #[tenant(default = "now()")]
        pub at: sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc>,
    }
}

mod v3 {
    use tenant_runtime::{
        TenantEnum, TenantTable,
        roles::{Member, Viewer},
    };
    use uuid::Uuid;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, TenantEnum)]
    pub enum State {
        Open,
        #[tenant(renamed_from = "done")]
        Closed,
    }

    #[expect(dead_code, reason = "only the migration to it is used")]
    #[derive(Debug, TenantTable)]
    #[tenant(org = "org", select = "viewer", insert = "member", update = "member", delete = "member")]
    pub struct Note {
        pub id: Uuid,
        pub org: Uuid,
        #[tenant(sql_type = "varchar(50)", renamed_from = "topic")]
        pub title: String,
        #[tenant(renamed_from = "title")]
        pub topic: Option<String>,
        pub state: State,
        pub amount: i32,
    }
}

pub(super) fn models(tables: Vec<&'static TableDef>) -> Models {
    Models::linked("tenant-tests", env!("CARGO_MANIFEST_DIR"), &["tenant_tests"]).only(tables)
}

/// A server of its own with an administrator that is not a superuser, since the models have their own roles.
pub(super) struct RunningApp {
    pub(super) server: Server,
    pub(super) folder: TempDir,
}

impl RunningApp {
    pub(super) async fn start() -> Self {
        let server = tokio::task::spawn_blocking(tenant_tests::dedicated_server).await.expect("a server");
        let mut admin = connect(&server.admin_url()).await;
        run(&mut admin, "CREATE ROLE operator LOGIN CREATEROLE CREATEDB").await.expect("an administrator");
        let mut operator = connect(&server.url("operator", "postgres")).await;
        run(&mut operator, "CREATE DATABASE acme").await.expect("a database");
        Self { server, folder: TempDir::new() }
    }

    pub(super) async fn migrate(&self, tables: Vec<&'static TableDef>) -> Vec<String> {
        let folder = Folder::new(self.folder.path());
        let generated = generate(&models(tables), &folder).expect("planned");
        // The type of a column changes to a shorter one.
        let lossy = generated.notes().iter().any(|note| note.code == "TM103");
        let drops = lossy.then(|| "app.notes.title".to_owned()).into_iter().collect();
        generated.write(&folder, &drops).expect("written");
        let migrations = Migrations::from_dir(self.folder.path()).await.expect("read");
        migrations.apply(&self.server.url("operator", "acme"), &mut |_| {}).await.expect("applied");
        generated.notes().into_iter().map(|note| note.code.to_owned()).collect()
    }

    async fn revert(&self, to: i64) {
        let migrations = Migrations::from_dir(self.folder.path()).await.expect("read");
        let url = self.server.url("operator", "acme");
        let revert = Revert { to: Some(to), allow_data_loss: true };
        migrations.revert(&url, revert, &mut |_| {}).await.expect("reverted");
    }
}

/// Reads, inserts, updates and deletes until `stop` is set; returns the failures.
pub(super) async fn use_notes(db: TenantDb, org: Uuid, stop: Arc<AtomicBool>, runs: Arc<AtomicU32>) -> Vec<String> {
    use v1::{NewNote, Note, NoteChanges, State};
    let ctx = TenantCtx::<Member>::assume_authorized(org, Uuid::new_v4());
    let mut failures = Vec::new();
    let note = async |number: u32| -> Result<(), Error> {
        let scope = db.scope(&ctx);
        let (title, topic) = (format!("{org}-{number}"), Some("topic".to_owned()));
        let new = NewNote { title: title.clone(), topic, state: State::Open, amount: 1 };
        let note = Note::insert(&scope, new).await?;
        let changes = NoteChanges { amount: Some(2), state: Some(State::Done), ..NoteChanges::default() };
        Note::update(&scope, note.id, changes).await?;
        let mut tx = db.begin(&ctx).await?;
        let read = Note::get(&mut tx, note.id).await?;
        assert_eq!((read.title, read.topic, read.state), (title, Some("topic".to_owned()), State::Done));
        assert_eq!((read.amount, read.org), (2, org));
        tx.commit().await?;
        if number.is_multiple_of(2) {
            Note::delete(&scope, note.id).await?;
        }
        Ok(())
    };
    for number in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        if let Err(error) = note(number).await {
            failures.push(error.to_string());
        }
        runs.fetch_add(1, Ordering::Relaxed);
    }
    failures
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_app_goes_on_through_a_migration_that_warns_only_of_locks() {
    let app = RunningApp::start().await;
    app.migrate(vec![v1::Note::TABLE]).await;
    let orgs = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let db = TenantDb::options()
        .max_connections(4)
        .connect(&app.server.url("app_service", "acme"))
        .await
        .expect("the app connects");
    let (stop, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let tasks: Vec<_> =
        orgs.map(|org| tokio::spawn(use_notes(db.clone(), org, Arc::clone(&stop), Arc::clone(&runs)))).into();
    let until = async |more: u32| {
        let wanted = runs.load(Ordering::Relaxed) + more;
        while runs.load(Ordering::Relaxed) < wanted {
            tokio::task::yield_now().await;
        }
    };
    until(30).await;
    let mut codes = app.migrate(vec![v2::Note::TABLE, v2::Folder::TABLE]).await;
    until(30).await;
    stop.store(true, Ordering::Relaxed);
    let mut failures = Vec::new();
    for task in tasks {
        failures.extend(task.await.expect("the task ends"));
    }
    codes.sort();
    codes.dedup();
    // No code says that single calls of the running app fail.
    assert_eq!(codes, ["TM203", "TM204", "TM211"]);
    assert_eq!(failures, Vec::<String>::new());
    let mut admin = connect(&app.server.url("postgres", "acme")).await;
    let odd = "SELECT count(*)::text FROM app.notes WHERE title NOT LIKE org || '-%' OR amount <> 2 OR state <> 'done'";
    assert_eq!(ask(&mut admin, odd).await, "0");
    let forced = "SELECT bool_and(relforcerowsecurity)::text FROM pg_class
                  WHERE relnamespace = 'app'::regnamespace AND relkind = 'r'";
    assert_eq!(ask(&mut admin, forced).await, "true");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_fail_while_a_rename_that_warns_of_it_is_applied_and_succeed_after_its_revert() {
    let app = RunningApp::start().await;
    app.migrate(vec![v1::Note::TABLE]).await;
    let db = TenantDb::options()
        .max_connections(4)
        .connect(&app.server.url("app_service", "acme"))
        .await
        .expect("the app connects");
    let ran = async |rounds: u32| {
        let (stop, runs) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let task = tokio::spawn(use_notes(db.clone(), Uuid::new_v4(), Arc::clone(&stop), Arc::clone(&runs)));
        while runs.load(Ordering::Relaxed) < rounds {
            tokio::task::yield_now().await;
        }
        stop.store(true, Ordering::Relaxed);
        task.await.expect("the task ends")
    };
    assert_eq!(ran(5).await, Vec::<String>::new());
    let codes = app.migrate(vec![v3::Note::TABLE]).await;
    assert!(["TM205", "TM209"].iter().all(|code| codes.iter().any(|found| found == code)), "{codes:?}");
    // The exchanged columns have each other's types, and the check no longer knows the old label.
    assert!(ran(5).await.len() >= 5, "a call went on with the wrong column");
    app.revert(1).await;
    assert_eq!(ran(5).await, Vec::<String>::new());
}
