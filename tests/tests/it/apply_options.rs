//! Options of apply and revert: target versions, dry run, error output, lock retries and invalid indexes.

use std::sync::mpsc;

use sqlx::migrate::Migrator;
use tenant_runtime::{
    Error, MigrationError, Migrations,
    migrate::{Progress, Revert, State},
};
use tenant_tests::{Database, TempDir, ask, run};

use super::command_line::{CommandOutput, command};

/// A folder of hand-written migrations with their down files.
fn notes() -> TempDir {
    let folder = TempDir::new();
    folder.write("0001_notes.up.sql", "CREATE TABLE public.notes (a int);\nINSERT INTO public.notes VALUES (1), (1);");
    folder.write("0001_notes.down.sql", "-- tenant: loses data: all notes\nDROP TABLE public.notes;");
    folder.write("0002_index.up.sql", "-- no-transaction\nCREATE INDEX CONCURRENTLY notes_a ON public.notes (a);");
    folder.write("0002_index.down.sql", "-- no-transaction\nDROP INDEX CONCURRENTLY public.notes_a;");
    folder.write("0003_b.up.sql", "ALTER TABLE public.notes ADD b int;");
    folder.write("0003_b.down.sql", "ALTER TABLE public.notes DROP b;");
    folder
}

async fn read(folder: &TempDir) -> Migrations {
    Migrations::from_dir(folder.path()).await.expect("the migrations of the test")
}

async fn apply(folder: &TempDir, database: &Database) -> Result<Vec<i64>, Error> {
    apply_with_progress(folder, database, |_| {}).await
}

async fn apply_with_progress(
    folder: &TempDir,
    database: &Database,
    mut watch: impl FnMut(Progress<'_>) + Send,
) -> Result<Vec<i64>, Error> {
    Ok(read(folder).await.apply(&database.admin_url(), &mut watch).await?.versions)
}

async fn apply_error(folder: &TempDir, database: &Database) -> String {
    apply(folder, database).await.expect_err("it should have failed").to_string()
}

/// The table's columns and indexes, and the recorded migrations.
async fn state(database: &Database) -> String {
    let state = "SELECT concat_ws('; ',
        (SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = to_regclass('public.notes') AND attnum > 0 AND NOT attisdropped),
        (SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ' ') FROM pg_index
            WHERE indrelid = to_regclass('public.notes')),
        (SELECT string_agg(version || ' ' || success, ' ' ORDER BY version) FROM _sqlx_migrations))";
    ask(&mut database.admin().await, state).await
}

#[tokio::test]
async fn apply_and_revert_stop_at_the_requested_version() {
    let (folder, database) = (notes(), Database::empty().await);
    let (migrations, url) = (read(&folder).await, database.admin_url());
    let mut seen = Vec::new();
    for to in [Some(1), Some(2), None] {
        migrations.apply_to(&url, to, &mut |_| {}).await.expect("it applies");
        seen.push(state(&database).await);
    }
    for revert in
        [Revert::default(), Revert { to: Some(1), ..Revert::default() }, Revert { to: Some(0), allow_data_loss: true }]
    {
        migrations.revert(&url, revert, &mut |_| {}).await.expect("it reverts");
        seen.push(state(&database).await);
    }
    assert_eq!(
        seen,
        [
            "a; 1 true",
            "a; notes_a true; 1 true 2 true",
            "a b; notes_a true; 1 true 2 true 3 true",
            "a; notes_a true; 1 true 2 true",
            "a; 1 true",
            "",
        ]
    );
}

#[tokio::test]
async fn apply_interoperates_with_the_sqlx_migrator() {
    let (folder, database) = (notes(), Database::empty().await);
    let sqlxs_own = Migrator::new(folder.path()).await.expect("sqlx accepts the folder");
    let mut admin = database.admin().await;
    read(&folder).await.apply_to(&database.admin_url(), Some(1), &mut |_| {}).await.expect("it applies");
    sqlxs_own.run_to(2, &mut admin).await.expect("sqlx goes on");
    let rest = apply(&folder, &database).await.expect("it goes on");
    sqlxs_own.run(&mut admin).await.expect("sqlx finds nothing wrong");
    sqlxs_own.undo(&mut admin, 2).await.expect("sqlx reverts our migrations");
    assert_eq!((rest, state(&database).await.as_str()), (vec![3], "a; notes_a true; 1 true 2 true"));
}

#[tokio::test]
async fn embedded_migrations_match_the_migrations_directory() {
    let database = Database::create().await;
    let embedded = Migrations::embedded(&sqlx::migrate!("../examples/migrations")).expect("distinct numbers");
    let standings = embedded.status(&database.admin_url()).await.expect("it is asked");
    let reverted =
        embedded.revert(&database.admin_url(), Revert { to: Some(0), allow_data_loss: true }, &mut |_| {}).await;
    let all = standings.iter().all(|standing| standing.state == State::Applied && standing.took.is_some());
    assert_eq!((all, reverted.expect("it reverts").len()), (true, standings.len()));
}

#[tokio::test]
async fn irreversible_or_destructive_revert_is_rejected_before_it_runs() {
    let (folder, database) = (notes(), Database::empty().await);
    folder.write("0004_plain.sql", "SELECT 1;");
    folder.write("0005_gone.up.sql", "SELECT 1;");
    folder.write("0005_gone.down.sql", "-- tenant: cannot be undone: the old values are gone\n");
    apply(&folder, &database).await.expect("it applies");
    let mut said = Vec::new();
    for (to, newest) in [(4, 5), (3, 4), (0, 3), (9, 3)] {
        let revert = |to, allow_data_loss| Revert { to: Some(to), allow_data_loss };
        run(&mut database.admin().await, &format!("DELETE FROM _sqlx_migrations WHERE version > {newest}"))
            .await
            .expect("a superuser can");
        let refused = read(&folder).await.revert(&database.admin_url(), revert(to, false), &mut |_| {}).await;
        said.push(refused.expect_err("it is refused").to_string());
    }
    assert_eq!(
        (said, state(&database).await.as_str()),
        (
            vec![
                "`0005_gone.up.sql` cannot be reverted: the old values are gone\n  help: undo it in a new migration".to_owned(),
                "`0004_plain.sql` cannot be reverted: `0004_plain.down.sql` does not exist\n  help: undo it in a new migration"
                    .to_owned(),
                "reverting `0001_notes.up.sql` loses data: all notes\n  help: to confirm, re-run with `--allow-data-loss`"
                    .to_owned(),
                "migration 9 does not exist\n  help: list the migrations with `gen-migrations status`".to_owned(),
            ],
            "a b; notes_a true; 1 true 2 true 3 true"
        )
    );
}

#[tokio::test]
async fn failed_migration_shows_the_line_and_column() {
    let (folder, database) = (notes(), Database::empty().await);
    folder.write("0004_wrong.sql", "SELECT 1;\n\n-- ü\nSELECT a,\n    nope\nFROM public.notes;\n");
    let pointed = apply_error(&folder, &database).await;
    folder.write("0004_wrong.sql", "SELECT 1;\nDO $$ BEGIN\n  RAISE 'no' USING HINT = 'try';\nEND $$;\n");
    let raised = apply_error(&folder, &database).await;
    assert_eq!(
        (pointed.as_str(), raised.as_str()),
        (
            "`0004_wrong.sql`, line 5, failed: column \"nope\" does not exist (SQLSTATE 42703)\n  |\n5 |     nope\n  |     ^",
            "`0004_wrong.sql`, line 2, failed: no (SQLSTATE P0001)\n  |\n2 | DO $$ BEGIN\nhint: try\nwhere: PL/pgSQL function \
             inline_code_block line 2 at RAISE"
        )
    );
}

/// A file with a short lock timeout, on a table that another session has locked.
async fn locked(folder: &TempDir) -> (Database, sqlx::PgConnection) {
    let database = Database::empty().await;
    apply(folder, &database).await.expect("it applies");
    folder.write("0004_c.sql", "SET LOCAL lock_timeout = '10ms';\nALTER TABLE public.notes ADD c int;");
    let mut holder = database.admin().await;
    run(&mut holder, "BEGIN; LOCK TABLE public.notes").await.expect("it is free");
    (database, holder)
}

#[tokio::test]
async fn lock_timeout_is_retried_then_reported_without_partial_changes() {
    let folder = notes();
    let (database, mut holder) = locked(&folder).await;
    let mut tries = Vec::new();
    let refused = apply_with_progress(&folder, &database, |progress| {
        if let Progress::Retrying { attempt, .. } = progress {
            tries.push(attempt);
        }
    });
    let refused = refused.await.expect_err("it is locked");
    run(&mut holder, "ROLLBACK").await.expect("it ends");
    let goes_on = apply(&folder, &database).await.expect("it is free");
    assert!(matches!(&refused, Error::Migration(MigrationError::Failed { code, line: 2, .. }) if code == "55P03"));
    assert!(refused.to_string().contains(
        "\nhelp: another transaction holds a lock on an object that this statement changes; retry when it has ended"
    ));
    assert_eq!((tries, goes_on), (vec![2, 3, 4, 5], vec![4]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_succeeds_after_a_lock_is_released() {
    let folder = notes();
    let (database, mut holder) = locked(&folder).await;
    let (tried, when_tried) = mpsc::channel();
    let (freed, when_freed) = mpsc::channel();
    let release = tokio::spawn(async move {
        tokio::task::block_in_place(|| when_tried.recv()).expect("it is tried again");
        run(&mut holder, "ROLLBACK").await.expect("it ends");
        freed.send(()).expect("the receiver waits");
    });
    let applied = apply_with_progress(&folder, &database, move |progress| {
        if let Progress::Retrying { attempt: 2, .. } = progress {
            tried.send(()).expect("the receiver waits");
            when_freed.recv().expect("it is freed");
        }
    });
    let applied = applied.await.expect("it is free");
    release.await.expect("no panic");
    assert_eq!(applied, [4]);
}

#[tokio::test]
async fn failed_concurrent_index_is_removed_and_apply_resumes() {
    let (folder, database) = (notes(), Database::empty().await);
    folder
        .write("0002_index.up.sql", "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY notes_a ON public.notes (a);");
    let refused = apply_error(&folder, &database).await;
    let left = state(&database).await;
    run(&mut database.admin().await, "DELETE FROM public.notes").await.expect("a superuser can");
    apply(&folder, &database).await.expect("it goes on");
    assert!(refused.starts_with("`0002_index.up.sql`, line 2, failed: could not create unique index"), "{refused}");
    assert_eq!(
        (left.as_str(), state(&database).await.as_str()),
        ("a; 1 true", "a b; notes_a true; 1 true 2 true 3 true")
    );
}

#[tokio::test]
async fn invalid_index_left_behind_is_dropped_and_rebuilt() {
    let (folder, database) = (notes(), Database::empty().await);
    read(&folder).await.apply_to(&database.admin_url(), Some(1), &mut |_| {}).await.expect("it applies");
    let half = "CREATE UNIQUE INDEX CONCURRENTLY notes_a ON public.notes (a)";
    run(&mut database.admin().await, half).await.expect_err("the values are there twice");
    let left = state(&database).await;
    let mut cleared = Vec::new();
    let applied = apply_with_progress(&folder, &database, |progress| {
        if let Progress::Clearing { index } = progress {
            cleared.push(index.to_owned());
        }
    });
    applied.await.expect("it goes on");
    assert_eq!(
        (left.as_str(), cleared, state(&database).await.as_str()),
        ("a; notes_a false; 1 true", vec!["public.notes_a".to_owned()], "a b; notes_a true; 1 true 2 true 3 true")
    );
}

#[tokio::test]
async fn interrupted_no_transaction_migration_needs_manual_resolution() {
    let (folder, database) = (notes(), Database::empty().await);
    let text = "-- no-transaction\nVACUUM public.notes;";
    apply(&folder, &database).await.expect("it applies");
    folder.write("0004_vacuum.sql", text);
    let begun = format!(
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (4, 'vacuum', false, sha384('{text}'), -1)"
    );
    run(&mut database.admin().await, &begun).await.expect("a superuser can");
    let refused = apply_error(&folder, &database).await;
    let standing = read(&folder).await.status(&database.admin_url()).await.expect("it is asked").remove(3);
    assert!(refused.starts_with("`0004_vacuum.sql` runs outside a transaction and was interrupted"), "{refused}");
    assert_eq!(standing.state, State::Unfinished);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_migrators_do_not_block_create_index_concurrently() {
    let (folder, database) = (notes(), Database::empty().await);
    read(&folder).await.apply_to(&database.admin_url(), Some(1), &mut |_| {}).await.expect("it applies");
    let mut holder = database.admin().await;
    run(&mut holder, "BEGIN; LOCK TABLE public.notes IN ROW EXCLUSIVE MODE").await.expect("it is free");
    let migrations = std::sync::Arc::new(read(&folder).await);
    let (started, when_started) = mpsc::channel();
    let tasks: Vec<_> = (0..3)
        .map(|_| (std::sync::Arc::clone(&migrations), database.admin_url(), started.clone()))
        .map(|(migrations, url, started)| {
            tokio::spawn(async move {
                let mut started = Some(started);
                let mut watch = |_: Progress<'_>| {
                    if let Some(started) = started.take() {
                        started.send(()).expect("the receiver waits");
                    }
                };
                migrations
                    .apply(&url, &mut watch)
                    .await
                    .map(|applied| applied.versions.len())
                    .map_err(|error| error.to_string())
            })
        })
        .collect();
    for _ in &tasks {
        tokio::task::block_in_place(|| when_started.recv()).expect("it starts");
    }
    run(&mut holder, "ROLLBACK").await.expect("it ends");
    let mut applied = Vec::new();
    for task in tasks {
        applied.push(task.await.expect("no panic"));
    }
    applied.sort();
    assert_eq!(applied, [Ok(0), Ok(0), Ok(2)]);
}

/// The program on a separate folder with the example's migrations and more.
fn program(folder: &TempDir, arguments: &[&str]) -> CommandOutput {
    let dir = folder.path().to_str().expect("ASCII").to_owned();
    CommandOutput::of(command(&[&["--dir", dir.as_str()], arguments].concat()))
}

/// Checks that standard error begins with the database that the command acts on, and returns the rest.
fn after_target(err: &str, verb: &str) -> String {
    let (target, rest) = err.split_once('\n').expect("a line");
    assert!(
        target.starts_with(&format!("{verb} database `test_")) && target.ends_with(" as `postgres` (--database-url)"),
        "{target}"
    );
    rest.to_owned()
}

fn example() -> TempDir {
    let folder = super::command_line::generated();
    folder.write("0002_more.up.sql", "CREATE TABLE public.more ();\n\n-- and\nSELECT 1;");
    folder.write("0002_more.down.sql", "-- tenant: loses data: all rows of public.more\nDROP TABLE public.more;");
    folder
}

#[tokio::test]
async fn apply_dry_run_prints_pending_sql_and_runs_nothing() {
    let (folder, database) = (example(), Database::empty().await);
    let url = database.admin_url();
    program(&folder, &["apply", "--to", "1", "--database-url", &url]);
    let dry = program(&folder, &["apply", "--dry-run", "--database-url", &url]);
    assert!(dry.code == Some(0) && dry.err.starts_with("reading from database `"), "{dry:?}");
    let dry = dry.out;
    let nowhere = program(&folder, &["apply", "--dry-run"]).expect_failure();
    assert_eq!(
        (dry.as_str(), ask(&mut database.admin().await, "SELECT count(*)::text FROM _sqlx_migrations").await.as_str()),
        (
            "-- 0002_more.up.sql, in one transaction\n\nCREATE TABLE public.more ();\n\nSELECT 1;\n\n-- dry run: `gen-migrations apply` \
             would run 2 statements of 1 migration\n",
            "1"
        )
    );
    assert!(nowhere.contains("`--dry-run` requires a database"), "{nowhere}");
}

#[tokio::test]
async fn status_reports_applied_pending_and_edited_migrations() {
    let (folder, database) = (example(), Database::empty().await);
    let url = database.admin_url();
    let status = |folder: &TempDir| program(folder, &["status", "--database-url", &url]);
    let at_first = status(&folder);
    program(&folder, &["apply", "--database-url", &url]);
    let then = status(&folder);
    folder.write("0002_more.up.sql", "-- edited");
    folder.write("0003_next.sql", "SELECT 1;");
    let edited = status(&folder);
    let words = |said: &CommandOutput| {
        said.out.split_whitespace().filter(|word| !word.contains(':')).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(
        (at_first.code, words(&at_first).as_str(), after_target(&at_first.err, "status of").as_str()),
        (
            Some(1),
            "migration state applied at (UTC) duration 0001_init.up.sql pending 0002_more.up.sql pending",
            "2 migrations pending: run `gen-migrations apply`\n"
        )
    );
    assert!(then.out.ends_with("\nup to date: 2 migrations applied\n") && then.code == Some(0), "{then:?}");
    assert_eq!(
        (edited.code, after_target(&edited.err, "status of").as_str()),
        (
            Some(1),
            "1 migration pending: run `gen-migrations apply`\n1 migration edited after it was applied: restore the file from version control\n"
        )
    );
}

#[tokio::test]
async fn revert_requires_confirmation_and_allow_data_loss() {
    let (folder, database) = (example(), Database::empty().await);
    let url = database.admin_url();
    program(&folder, &["apply", "--database-url", &url]);
    let revert = |more: &[&str]| program(&folder, &[&["revert", "--database-url", &url], more].concat());
    let said = [revert(&["--yes"]), revert(&["--allow-data-loss"]), revert(&["--allow-data-loss", "--yes"])];
    let tables = "SELECT coalesce(to_regclass('public.more')::text, 'none')";
    assert_eq!(
        said.map(|said| (
            said.code,
            said.out,
            after_target(&said.err, "reverting in")
                .lines()
                .next()
                .unwrap_or_default()
                .split(" in ")
                .next()
                .unwrap_or_default()
                .to_owned()
        )),
        [
            (
                Some(1),
                String::new(),
                "error: reverting `0002_more.up.sql` loses data: all rows of public.more".to_owned()
            ),
            (
                Some(1),
                "will run 0002_more.down.sql, which loses data: all rows of public.more\n".to_owned(),
                "error: nothing was reverted".to_owned()
            ),
            (
                Some(0),
                "will run 0002_more.down.sql, which loses data: all rows of public.more\nreverted 1 migration\n"
                    .to_owned(),
                "  reverted by 0002_more.down.sql".to_owned()
            ),
        ]
    );
    assert_eq!(ask(&mut database.admin().await, tables).await, "none");
}

#[tokio::test]
async fn failed_validation_names_the_constraint_and_the_file_that_left_it() {
    let (folder, database) = (notes(), Database::empty().await);
    folder.write("0004_limit.sql", "ALTER TABLE public.notes ADD CONSTRAINT small CHECK (a < 0) NOT VALID;");
    folder.write("0005_validate.sql", "ALTER TABLE public.notes VALIDATE CONSTRAINT small;");
    let refused = apply_error(&folder, &database).await;
    let left = "\n  left by `0004_limit.sql`: constraint small on public.notes; it applies to new and changed rows, and existing rows \
                have not been checked";
    assert!(refused.starts_with("`0005_validate.sql`, line 1, failed: ") && refused.ends_with(left), "{refused}");
    run(&mut database.admin().await, "UPDATE public.notes SET a = -1").await.expect("a superuser can");
    assert_eq!(apply(&folder, &database).await.expect("it goes on"), [5]);
}
