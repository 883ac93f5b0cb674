//! `rebase`: when two branches add migrations, those of one branch are renumbered after those of the other.

use std::{collections::BTreeSet, path::Path, process::Command};

use tenant_examples::{Change, Employee, Event, OrgMember, Organization, Project, User};
use tenant_runtime::{
    Models, TenantTable as _,
    migrate::{
        folder::Folder,
        generate::generate,
        rebase::{Rebase, RebaseError, rebase},
    },
    model::def::TableDef,
};
use tenant_tests::TempDir;

const BASE: [&TableDef; 4] = [Organization::TABLE, User::TABLE, OrgMember::TABLE, Change::TABLE];

fn models(more: &[&'static TableDef]) -> Models {
    tenant_runtime::models![].only(BASE.into_iter().chain(more.iter().copied()))
}

/// The models after the merge: both branches' tables.
fn merged() -> Models {
    models(&[Project::TABLE, Employee::TABLE, Event::TABLE])
}

fn write(folder: &Path, models: &Models) {
    let folder = Folder::new(folder);
    generate(models, &folder).expect("a migration").write(&folder, &BTreeSet::new()).expect("it can be written");
}

pub(super) fn git(folder: &Path, arguments: &[&str]) -> bool {
    let mut git = Command::new("git");
    git.arg("-C").arg(folder).args(["-c", "user.name=x", "-c", "user.email=x@example", "-c", "core.editor=true"]);
    git.args(arguments).env_remove("GIT_DIR").output().expect("git is there").status.success()
}

pub(super) fn commit(folder: &Path, message: &str) {
    assert!(git(folder, &["add", "-A"]) && git(folder, &["commit", "-qm", message]), "{message}");
}

/// A repository on the branch `ours`, which added projects and a hand-written file; the branch `theirs` added employees.
fn two_branches() -> TempDir {
    let folder = TempDir::new();
    let path = folder.path();
    assert!(git(path, &["init", "-q", "-b", "base"]));
    write(path, &models(&[]));
    commit(path, "base");
    assert!(git(path, &["checkout", "-qb", "theirs"]));
    write(path, &models(&[Employee::TABLE]));
    commit(path, "theirs");
    assert!(git(path, &["checkout", "-qb", "ours", "base"]));
    write(path, &models(&[Project::TABLE]));
    folder.write("0003_fill.up.sql", "INSERT INTO app.projects DEFAULT VALUES;");
    folder.write("0003_fill.down.sql", "DELETE FROM app.projects;");
    write(path, &models(&[Project::TABLE]));
    write(path, &models(&[Project::TABLE, Event::TABLE]));
    commit(path, "ours");
    folder
}

fn rebase_and_check(folder: &Path, own: &[&str]) -> Rebase {
    let own: Vec<String> = own.iter().map(|name| (*name).to_owned()).collect();
    let folder = Folder::new(folder);
    let rebase = rebase(&merged(), &folder, &own, &BTreeSet::new()).expect("it can be rebased");
    rebase.write(&folder).expect("it can be written");
    assert!(generate(&merged(), &folder).expect("the folder is in order").is_nothing());
    rebase
}

fn up_files(folder: &TempDir) -> Vec<String> {
    folder.names().into_iter().filter(|name| name.ends_with(".sql") && !name.ends_with(".down.sql")).collect()
}

#[test]
fn rebase_after_a_merge_conflict_renumbers_our_migrations() {
    let folder = two_branches();
    assert!(!git(folder.path(), &["merge", "theirs"]), "the snapshot should have conflicted");
    let refused = generate(&merged(), &Folder::new(folder.path())).expect_err("it conflicts").to_string();
    let rebase = rebase_and_check(folder.path(), &[]);
    assert!(refused.contains("gen-migrations rebase"), "{refused}");
    assert_eq!(
        (rebase.replaced, rebase.renumbered, rebase.onto.as_deref(), up_files(&folder)),
        (
            vec!["0002_add_projects".to_owned(), "0004_add_events".to_owned()],
            vec![("0003_fill".to_owned(), "0004_fill".to_owned())],
            Some("0002_add_employees"),
            ["0001_init.up.sql", "0002_add_employees.up.sql", "0003_add_tables.up.sql", "0004_fill.up.sql"]
                .map(str::to_owned)
                .to_vec()
        )
    );
}

#[test]
fn rebase_during_git_rebase_rewrites_the_moved_branch() {
    let folder = two_branches();
    assert!(!git(folder.path(), &["rebase", "theirs"]), "the snapshot should have conflicted");
    let rebase = rebase_and_check(folder.path(), &[]);
    let goes_on = git(folder.path(), &["add", "-A"]) && git(folder.path(), &["rebase", "--continue"]);
    assert_eq!((rebase.onto.as_deref(), goes_on), (Some("0002_add_employees"), true));
}

#[test]
fn rebase_rewrites_the_named_migrations() {
    let folder = two_branches();
    assert!(!git(folder.path(), &["merge", "theirs"]), "the snapshot should have conflicted");
    let of_neither = rebase(&merged(), &Folder::new(folder.path()), &["0009_x".to_owned()], &BTreeSet::new());
    let rebase = rebase_and_check(folder.path(), &["0002_add_employees"]);
    assert!(matches!(of_neither, Err(RebaseError::NotOfOneBranch { .. })), "{of_neither:?}");
    assert_eq!(
        (rebase.onto.as_deref(), rebase.replaced, rebase.generated),
        (Some("0004_add_events"), vec!["0002_add_employees".to_owned()], vec!["0005_add_employees".to_owned()])
    );
}

#[test]
fn rebase_without_git_uses_the_other_branchs_snapshot() {
    let folder = two_branches();
    assert!(!git(folder.path(), &["merge", "theirs"]), "the snapshot should have conflicted");
    let hidden = folder.join(".git");
    let theirs = Command::new("git").arg("-C").arg(folder.path()).args(["show", "theirs:./snapshot.json"]).output();
    std::fs::remove_dir_all(hidden).expect("it is ours");
    let refused = rebase(&merged(), &Folder::new(folder.path()), &[], &BTreeSet::new());
    std::fs::write(folder.join("snapshot.json"), theirs.expect("git is there").stdout).expect("it is ours");
    let onto = rebase_and_check(folder.path(), &[]).onto;
    assert!(matches!(refused, Err(RebaseError::NoSides { .. })), "{refused:?}");
    assert_eq!(onto.as_deref(), Some("0002_add_employees"));
}

#[test]
fn rebase_without_git_reads_conflict_markers_in_the_file_list() {
    let folder = TempDir::new();
    let path = folder.path();
    assert!(git(path, &["init", "-q", "-b", "base"]));
    write(path, &merged());
    commit(path, "base");
    for (branch, name) in [("theirs", "0002_theirs.sql"), ("ours", "0002_ours.sql")] {
        assert!(git(path, &["checkout", "-qb", branch, "base"]));
        folder.write(name, "SELECT 1;");
        write(path, &merged());
        commit(path, branch);
    }
    assert!(!git(path, &["merge", "theirs"]), "the snapshot should have conflicted");
    std::fs::remove_dir_all(folder.join(".git")).expect("it is ours");
    let rebase = rebase_and_check(path, &[]);
    assert_eq!(
        (rebase.renumbered, up_files(&folder)),
        (
            vec![("0002_ours".to_owned(), "0003_ours".to_owned())],
            ["0001_init.up.sql", "0002_theirs.sql", "0003_ours.sql"].map(str::to_owned).to_vec()
        )
    );
}

#[test]
fn rebase_handles_equal_migration_names_on_both_branches() {
    let folder = TempDir::new();
    let path = folder.path();
    assert!(git(path, &["init", "-q", "-b", "base"]));
    write(path, &models(&[]));
    commit(path, "base");
    for (branch, more) in [("theirs", [Employee::TABLE, Event::TABLE]), ("ours", [Project::TABLE, Event::TABLE])] {
        assert!(git(path, &["checkout", "-qb", branch, "base"]));
        write(path, &models(&more));
        commit(path, branch);
    }
    assert!(!git(path, &["merge", "theirs"]), "snapshot and files should have conflicted");
    let rebase = rebase_and_check(path, &[]);
    let theirs = folder.names().contains(&"0002_add_tables.up.sql".to_owned())
        && std::fs::read_to_string(folder.join("0002_add_tables.up.sql"))
            .expect("it is there")
            .contains("app.employees");
    assert_eq!(
        (rebase.onto.as_deref(), rebase.generated, theirs),
        (Some("0002_add_tables"), vec!["0003_add_projects".to_owned()], true)
    );
}
