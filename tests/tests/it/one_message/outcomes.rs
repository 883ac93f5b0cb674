//! Errors of single calls: of the context, of the statement, of the commit, and of a lost connection.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tenant_examples::{NewProject, Project, ProjectChanges, Task, TaskChanges, TaskStatus};
use tenant_runtime::{Error, InlineValues, Repository as _, TenantCtx, TenantDb, roles::Member};
use tenant_tests::{Database, ask, run};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
};
use uuid::Uuid;

use super::{App, inline, new_project, new_task};

#[tokio::test]
async fn nothing_is_sent_before_the_first_statement_of_a_transaction() {
    let app = App::direct(1).await;
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    Project::count(&app.db.scope(&ctx)).await.expect("counted");
    let mut admin = app.database.admin().await;
    let last = "SELECT max(query_start)::text FROM pg_stat_activity WHERE usename = 'app_service' AND datname = current_database()";
    let before = ask(&mut admin, last).await;
    let tx = app.db.begin(&ctx).await.expect("opened");
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(ask(&mut admin, last).await, before);
    tx.commit().await.expect("nothing to commit");
    assert_eq!(ask(&mut admin, last).await, before);
}

#[tokio::test]
async fn error_of_the_statement_names_its_command_and_table() {
    let app = App::direct(1).await;
    let mut admin = app.database.admin().await;
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    let scope = app.db.scope(&ctx);
    let columns =
        "SELECT string_agg(attname, ', ') FROM pg_attribute WHERE attrelid = 'app.projects'::regclass AND attnum > 0";
    let columns = ask(&mut admin, columns).await;
    run(&mut admin, &format!("REVOKE SELECT ({columns}) ON app.projects FROM app_viewer")).await.expect("revoked");
    let forbidden = Project::count(&scope).await;
    assert!(matches!(&forbidden, Err(Error::Forbidden { command: "read", .. })), "{forbidden:?}");
}

#[tokio::test]
async fn failed_call_leaves_its_connection_usable() {
    for app in [Some(App::direct(1).await), App::pooled(1).await].into_iter().flatten() {
        let scope = app.db.scope(&app.database.acme.as_member());
        let task = |status| TaskChanges { status, ..TaskChanges::default() };
        for _ in 0..20 {
            let missing = Task::insert(&scope, new_task(app.database.globex.project)).await;
            assert!(matches!(&missing, Err(Error::ForeignKeyViolation { .. })), "{missing:?}");
            assert_eq!(Task::count(&scope).await.expect("counted"), 1);
            let none = Task::update(&scope, Uuid::new_v4(), task(Some(TaskStatus::Done))).await;
            assert!(matches!(none, Err(Error::NotFound { .. })), "{none:?}");
        }
        let opened: Vec<_> = app.db.pools().into_iter().filter(|pool| pool.role == "app_member").collect();
        assert!(opened.iter().all(|pool| pool.open == 1 && pool.idle == 1), "{opened:?}");
    }
}

#[tokio::test]
async fn deferred_constraint_fails_the_call_after_its_row_has_arrived() {
    let app = App::direct(1).await;
    let mut admin = app.database.admin().await;
    run(
        &mut admin,
        "CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            RAISE EXCEPTION 'too late' USING ERRCODE = '23514'; END $$;
         CREATE CONSTRAINT TRIGGER late AFTER INSERT ON app.projects DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.refuse()",
    )
    .await
    .expect("a trigger");
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    let refused = Project::insert(&app.db.scope(&ctx), new_project("late")).await;
    assert!(matches!(refused, Err(Error::CheckViolation { .. })), "{refused:?}");
    let mut tx = app.db.begin(&ctx).await.expect("opened");
    Project::count(&mut tx).await.expect("counted");
    let refused = Project::insert(tx.then_commit(), new_project("late")).await;
    assert!(matches!(refused, Err(Error::CheckViolation { .. })), "{refused:?}");
    assert_eq!(ask(&mut admin, "SELECT count(*)::text FROM app.projects WHERE name = 'late'").await, "0");
    assert_eq!(Project::count(&app.db.scope(&ctx)).await.expect("counted"), 1);
}

#[tokio::test]
async fn last_call_commits_its_transaction() {
    for app in [Some(App::direct(1).await), App::pooled(1).await].into_iter().flatten() {
        let ctx: TenantCtx<Member> = app.database.acme.as_member();
        for inline in [true, false] {
            let mut tx = app.db.begin(&ctx).await.expect("opened");
            Project::insert(&mut tx, new_project("one")).await.expect("inserted");
            if !inline {
                // After SQL of the app, the commit is checked first.
                sqlx::query("SELECT 1").execute(&mut tx).await.expect("a query");
            }
            Project::insert(tx.then_commit(), new_project("two")).await.expect("inserted");
            let scope = app.db.scope(&ctx);
            assert_eq!(Project::count(&scope).await.expect("counted"), 3);
            Project::insert(app.db.begin(&ctx).await.expect("opened").then_commit(), new_project("three"))
                .await
                .expect("inserted");
            let rows =
                [new_project("four"), NewProject { description: Some("other columns".into()), ..new_project("five") }];
            Project::insert_many(app.db.begin(&ctx).await.expect("opened").then_commit(), rows)
                .await
                .expect("inserted");
            assert_eq!(Project::count(&scope).await.expect("counted"), 6);
            run(&mut app.database.admin().await, "DELETE FROM app.projects WHERE name <> 'first'")
                .await
                .expect("deleted");
        }
        // A failure rolls everything back.
        let mut tx = app.db.begin(&ctx).await.expect("opened");
        Project::insert(&mut tx, new_project("one")).await.expect("inserted");
        let missing = Task::insert(tx.then_commit(), new_task(Uuid::new_v4())).await;
        assert!(matches!(missing, Err(Error::ForeignKeyViolation { .. })), "{missing:?}");
        // A savepoint that was dropped is rolled back before the last call.
        let mut tx = app.db.begin(&ctx).await.expect("opened");
        let mut savepoint = tx.savepoint().await.expect("begun");
        Project::insert(&mut savepoint, new_project("undone")).await.expect("inserted");
        drop(savepoint);
        Project::insert(tx.then_commit(), new_project("kept")).await.expect("inserted");
        let names = Project::list(&app.db.scope(&ctx)).order(Project::NAME.asc()).await.expect("listed");
        assert_eq!(names.iter().map(|project| project.name.as_str()).collect::<Vec<_>>(), ["first", "kept"]);
    }
}

#[tokio::test]
async fn unreadable_result_of_a_committed_write_is_its_own_error() {
    let app = App::direct(1).await;
    let mut admin = app.database.admin().await;
    let check = "SELECT conname::text FROM pg_constraint WHERE conrelid = 'app.tasks'::regclass AND contype = 'c'
        AND pg_get_constraintdef(oid) LIKE '%status%'";
    let check = ask(&mut admin, check).await;
    let sql = format!(
        "ALTER TABLE app.tasks DROP CONSTRAINT \"{check}\";
         ALTER TABLE app.tasks ALTER COLUMN status SET DEFAULT 'unknown label'"
    );
    run(&mut admin, &sql).await.expect("changed");
    let ctx: TenantCtx<Member> = app.database.acme.as_member();
    let scope = app.db.scope(&ctx);
    let written = Task::insert(&scope, new_task(app.database.acme.project)).await;
    assert!(matches!(&written, Err(Error::UnreadableResult { table, .. }) if table == "app.tasks"), "{written:?}");
    assert_eq!(ask(&mut admin, "SELECT count(*)::text FROM app.tasks WHERE status = 'unknown label'").await, "1");
    // A read is repeated with bound values, and has the error of that.
    let bound = TenantDb::options()
        .inline_values(InlineValues::None)
        .connect(&app.database.app_url())
        .await
        .expect("connected");
    let (one, two) = (
        Task::list(&scope).await.expect_err("unreadable"),
        Task::list(&bound.scope(&ctx)).await.expect_err("unreadable"),
    );
    assert_eq!(one.to_string(), two.to_string());
    assert!(matches!(one, Error::Database(_)), "{one:?}");
}

/// Forwards connections to the server, and cuts one after it has passed on a message while `cut` is set.
async fn cutting_proxy(database: &Database, path: std::path::PathBuf, cut: Arc<AtomicBool>) {
    let listener = UnixListener::bind(&path).expect("a socket");
    let server = database.socket();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let mut server = UnixStream::connect(&server).await.expect("the server listens");
            let cut = Arc::clone(&cut);
            tokio::spawn(async move {
                let (mut from_client, mut from_server) = (vec![0; 65_536], vec![0; 65_536]);
                loop {
                    tokio::select! {
                        read = client.read(&mut from_client) => match read {
                            Ok(n) if n > 0 => server.write_all(&from_client[..n]).await.expect("the server reads"),
                            _ => return,
                        },
                        read = server.read(&mut from_server) => match read {
                            // The server has answered, so it has committed; the client never sees it.
                            Ok(_) if cut.swap(false, Ordering::Relaxed) => return,
                            Ok(n) if n > 0 => client.write_all(&from_server[..n]).await.expect("the client reads"),
                            _ => return,
                        },
                    }
                }
            });
        }
    });
}

#[tokio::test]
async fn write_on_a_lost_connection_is_not_repeated_and_a_read_is() {
    let database = Database::create().await;
    let folder = tenant_tests::TempDir::new();
    let cut = Arc::new(AtomicBool::new(false));
    cutting_proxy(&database, folder.join(".s.PGSQL.5432"), Arc::clone(&cut)).await;
    let host = folder.path().to_string_lossy().replace('/', "%2F");
    let name = ask(&mut database.admin().await, "SELECT current_database()::text").await;
    let url = format!("postgres://app_service@localhost/{name}?host={host}&port=5432&sslmode=disable");
    let db = inline().max_connections(2).connect(&url).await.expect("connected");
    let ctx: TenantCtx<Member> = database.acme.as_member();
    let scope = db.scope(&ctx);
    Project::count(&scope).await.expect("counted");

    cut.store(true, Ordering::Relaxed);
    assert_eq!(Project::count(&scope).await.expect("repeated"), 1);
    assert!(!cut.load(Ordering::Relaxed), "the connection was not cut");

    cut.store(true, Ordering::Relaxed);
    let lost = Project::insert(&scope, new_project("once")).await;
    assert!(matches!(&lost, Err(Error::OutcomeUnknown { .. })), "{lost:?}");
    let mut admin = database.admin().await;
    assert_eq!(ask(&mut admin, "SELECT count(*)::text FROM app.projects WHERE name = 'once'").await, "1");

    // A commit whose answer is lost.
    let mut tx = db.begin(&ctx).await.expect("opened");
    let project = Project::insert(&mut tx, new_project("twice")).await.expect("inserted");
    Project::get(&mut tx, project.id).await.expect("found");
    cut.store(true, Ordering::Relaxed);
    let lost = tx.commit().await;
    assert!(matches!(&lost, Err(Error::OutcomeUnknown { .. })), "{lost:?}");
    // The first call of a transaction is repeated, because nothing was committed.
    let mut tx = db.begin(&ctx).await.expect("opened");
    cut.store(true, Ordering::Relaxed);
    let project = Project::insert(&mut tx, new_project("three")).await.expect("repeated");
    let changes = ProjectChanges { name: Some("four".into()), ..ProjectChanges::default() };
    cut.store(true, Ordering::Relaxed);
    let lost = Project::update(tx.then_commit(), project.id, changes).await;
    assert!(matches!(&lost, Err(Error::OutcomeUnknown { .. })), "{lost:?}");
    let names = "SELECT string_agg(name, ' ' ORDER BY name) FROM app.projects WHERE name <> 'first'";
    assert_eq!(ask(&mut admin, names).await, "four once twice");
}
