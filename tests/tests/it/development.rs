//! The commands for development: `undo` removes the newest migrations, and `reset` recreates a database on this machine.

use std::{collections::BTreeSet, path::Path};

use tenant_examples::{Change, OrgMember, Organization, Project, User};
use tenant_runtime::{
    Migrations, Models, TenantTable as _,
    migrate::{folder::Folder, generate::generate},
    server::Trial,
};
use tenant_tests::{TempDir, ask, connect, run};

use super::{
    command_line::{CommandOutput, command, gen_migrations, on},
    history_table::start,
    messages::assert_message,
    rebase::{commit, git},
};

fn write(folder: &Path, with_projects: bool) {
    let base = [Organization::TABLE, User::TABLE, OrgMember::TABLE, Change::TABLE];
    let more = with_projects.then_some(Project::TABLE);
    let models: Models = tenant_runtime::models![].only(base.into_iter().chain(more));
    let folder = Folder::new(folder);
    generate(&models, &folder).expect("a migration").write(&folder, &BTreeSet::new()).expect("it can be written");
}

/// A repository with a committed migration and a second one that is not committed, both applied.
async fn two_migrations() -> (TempDir, Trial) {
    let (folder, trial) = (TempDir::new(), start().await);
    assert!(git(folder.path(), &["init", "-q"]));
    write(folder.path(), false);
    commit(folder.path(), "more");
    write(folder.path(), true);
    let migrations = Migrations::from_dir(folder.path()).await.expect("two migrations");
    migrations.apply(trial.administrator_url(), &mut |_| {}).await.expect("they apply");
    (folder, trial)
}

fn files(folder: &TempDir) -> Vec<String> {
    folder.names().into_iter().filter(|name| name != ".git").collect()
}

fn undo(folder: &TempDir, trial: Option<&Trial>, more: &[&str]) -> CommandOutput {
    let dir = folder.path().to_str().expect("ASCII");
    let mut command = command(&[&["--dir", dir, "undo"], more].concat());
    if let Some(trial) = trial {
        command.env("DATABASE_URL", trial.administrator_url());
    }
    CommandOutput::of(command)
}

const APPLIED: &str =
    "SELECT string_agg(version::text, ' ' ORDER BY version) || coalesce(' ' || to_regclass('app.projects'), '')
    FROM public._sqlx_migrations";

#[tokio::test]
async fn undo_reverts_and_removes_the_newest_migrations_and_nothing_before_it_is_confirmed() {
    let (folder, trial) = two_migrations().await;
    let mut admin = connect(trial.administrator_url()).await;
    let before = files(&folder);
    let refused = [undo(&folder, Some(&trial), &["--yes"]), undo(&folder, Some(&trial), &["--allow-data-loss"])];
    assert!(refused[0].err.contains("reverting `0002_add_projects.up.sql` loses data"), "{refused:?}");
    assert!(refused[1].err.contains("error: nothing was changed"), "{refused:?}");
    assert_eq!((files(&folder), ask(&mut admin, APPLIED).await.as_str()), (before.clone(), "1 2 app.projects"));
    let second = std::fs::read(folder.join("0002_add_projects.up.sql")).expect("it is there");
    let undone = undo(&folder, Some(&trial), &["--allow-data-loss", "--yes"]);
    assert!(undone.code == Some(0) && undone.out.contains("removed 0002_add_projects;"), "{undone:?}");
    assert_eq!(
        (files(&folder), ask(&mut admin, APPLIED).await.as_str()),
        (["0001_init.down.sql", "0001_init.up.sql", "snapshot.json"].map(str::to_owned).to_vec(), "1")
    );
    // The models generate the same migration again.
    write(folder.path(), true);
    assert_eq!(files(&folder), before);
    assert_eq!(std::fs::read(folder.join("0002_add_projects.up.sql")).expect("it is there"), second);
}

#[tokio::test]
async fn undo_of_a_committed_migration_needs_no_database_and_stops_at_a_published_one() {
    let (folder, _trial) = two_migrations().await;
    let unpublished = files(&folder);
    commit(folder.path(), "more");
    assert!(git(folder.path(), &["update-ref", "refs/remotes/origin/main", "HEAD"]));
    let published = undo(&folder, None, &["--yes"]).expect_failure();
    assert_message("Undo of a published migration", &published);
    assert_eq!(files(&folder), unpublished);
    assert!(git(folder.path(), &["update-ref", "-d", "refs/remotes/origin/main"]));
    let undone = undo(&folder, None, &["--yes"]);
    assert!(
        undone.out.contains("no database is given") && undone.out.contains("removed 0002_add_projects"),
        "{undone:?}"
    );
    let all = undo(&folder, None, &["--yes"]);
    assert!(all.out.contains("removed 0001_init;") && files(&folder).is_empty(), "{all:?}");
    assert!(undo(&folder, None, &["--yes"]).err.contains("no migrations to undo"));
}

#[test]
fn undo_keeps_hand_written_migrations_and_needs_git() {
    let folder = TempDir::new();
    write(folder.path(), false);
    let without = undo(&folder, None, &["--yes"]).expect_failure();
    assert_message("Undo without git", &without.replace(&folder.path().display().to_string(), "migrations"));
    assert!(git(folder.path(), &["init", "-q"]));
    commit(folder.path(), "more");
    folder.write("0002_fill.up.sql", "SELECT 1;");
    let unrecorded = undo(&folder, None, &["--yes"]).expect_failure();
    write(folder.path(), false);
    let recorded = undo(&folder, None, &["--yes"]).expect_failure();
    for said in [unrecorded, recorded] {
        assert!(said.contains("`0002_fill.up.sql` is hand-written"), "{said}");
    }
    assert_eq!(files(&folder), ["0001_init.down.sql", "0001_init.up.sql", "0002_fill.up.sql", "snapshot.json"]);
}

#[tokio::test]
async fn reset_drops_creates_and_migrates_a_database_on_this_machine() {
    let trial = start().await;
    let url = trial.server().url("administrator", "dev");
    let reset = |more: &[&str]| gen_migrations(&[&["reset", "--database-url", &url], more].concat());
    let created = reset(&[]);
    assert!(created.code == Some(0) && created.out.contains("created `dev`, and applied 1 migrations"), "{created:?}");
    run(&mut connect(&url).await, "CREATE TABLE public.extra ()").await.expect("the owner of the database");
    let refused = reset(&[]);
    assert!(refused.code == Some(1) && refused.err.contains("type the name of the database"), "{refused:?}");
    assert!(refused.out.starts_with("will drop database `dev` at ") && refused.out.contains("with all its data ("));
    let extra = "SELECT coalesce(to_regclass('public.extra')::text, 'none')";
    assert_eq!(ask(&mut connect(&url).await, extra).await, "extra");
    let open = connect(&url).await;
    let done = reset(&["--yes"]);
    drop(open);
    assert!(done.code == Some(0) && done.out.contains("and end its 1 sessions"), "{done:?}");
    assert_eq!(ask(&mut connect(&url).await, extra).await, "none");
    let mut postgres = connect(&trial.superuser_url()).await;
    run(&mut postgres, "ALTER ROLE administrator NOCREATEDB").await.expect("a superuser");
    let cannot = reset(&["--yes"]).expect_failure();
    assert!(
        cannot.contains("nothing was dropped\n  help: run as a superuser: `ALTER ROLE administrator CREATEDB`"),
        "{cannot}"
    );
    assert_eq!(ask(&mut connect(&url).await, "SELECT to_regclass('app.projects')::text").await, "app.projects");
}

#[test]
fn reset_and_undo_refuse_databases_that_are_not_for_development() {
    let url = "postgres://boss:s3cret@db.example.com/acme";
    let remote = gen_migrations(&["reset", "--yes", "--database-url", url]).expect_failure();
    assert_message("Reset of a database on another machine", &remote);
    let own =
        gen_migrations(&["reset", "--yes", "--database-url", "postgres://boss@localhost/postgres"]).expect_failure();
    assert!(own.contains("`postgres` is a database of the server itself"), "{own}");
    let folder = TempDir::new();
    write(folder.path(), false);
    assert!(git(folder.path(), &["init", "-q"]));
    let undone = on(folder.path(), &["undo", "--yes", "--database-url", url]).expect_failure();
    assert!(undone.contains("`undo` is for development databases on this machine"), "{undone}");
    assert_eq!(files(&folder).len(), 3);
}
