//! The example's `gen-migrations` run as a process: files, exit codes and output.

use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use tenant_tests::{Database, TempDir, ask, example_migrations_dir};

const FILES: [&str; 3] = ["0001_init.down.sql", "0001_init.up.sql", "snapshot.json"];

/// Builds the example's program, once, where this test was built, and returns its path.
pub(super) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let test = env::current_exe().expect("the test binary has a path");
        let profile = test.ancestors().nth(2).expect("it is in `deps` of a profile's folder");
        let target = profile.parent().expect("a target folder");
        let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args(["build", "-q", "--bin", "gen-migrations", "--target-dir"]).arg(target);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let built = cargo.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).status().expect("cargo runs");
        assert!(built.success(), "the example does not build");
        profile.join("gen-migrations")
    })
}

pub(super) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program());
    command.args(arguments).env_remove("DATABASE_URL").env_remove("RUST_BACKTRACE").stdin(Stdio::null());
    command
}

/// The output and the exit code of the program.
#[derive(Debug)]
pub(super) struct CommandOutput {
    pub(super) code: Option<i32>,
    pub(super) out: String,
    pub(super) err: String,
}

impl CommandOutput {
    pub(super) fn of(mut command: Command) -> Self {
        let output = command.output().expect("the program runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("it writes text");
        let said = Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) };
        assert!(!said.err.contains("panicked at"), "{said:?}");
        said
    }

    /// Asserts that it succeeded with an empty standard error.
    pub(super) fn expect_success(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (Some(0), ""));
        self.out
    }

    /// Asserts that it failed with exit code 1 and an empty standard output; returns its standard error.
    pub(super) fn expect_failure(self) -> String {
        assert_eq!((self.code, self.out.as_str()), (Some(1), ""), "{}", self.err);
        self.err
    }
}

pub(super) fn gen_migrations(arguments: &[&str]) -> CommandOutput {
    CommandOutput::of(command(arguments))
}

/// Runs the program on a folder.
pub(super) fn on(folder: &Path, arguments: &[&str]) -> CommandOutput {
    let folder = folder.to_str().expect("a path of ASCII");
    // Trials are tested in `trial.rs`; here they would take a second each.
    gen_migrations(&[&["--dir", folder, "--no-trial"], arguments].concat())
}

/// A folder with the generated migration.
pub(super) fn generated() -> TempDir {
    let folder = TempDir::new();
    on(folder.path(), &[]).expect_success();
    folder
}

#[test]
fn generated_files_are_reproducible_and_match_the_committed_ones() {
    let (one, other) = (generated(), TempDir::new());
    on(&other.join("not/there/yet"), &[]).expect_success();
    let read = |folder: &Path| -> BTreeMap<_, _> {
        FILES.into_iter().map(|file| (file, fs::read_to_string(folder.join(file)).expect(file))).collect()
    };
    let (files, committed) = (read(one.path()), read(&example_migrations_dir()));
    assert_eq!(one.files().into_keys().collect::<Vec<_>>(), FILES);
    assert_eq!(files, read(&other.join("not/there/yet")));
    assert!(files == committed, "run `cargo run --bin gen-migrations` and commit what it writes");
}

#[test]
fn generate_prints_the_role_matrix_and_the_next_step() {
    let folder = TempDir::new();
    let said = on(folder.path(), &[]).expect_success();
    let parts = [
        "tenant-examples: 12 tables in schema app\nroles: viewer, member (includes viewer), admin (includes member)\n",
        "\ncomments           by task_id       viewer    member    member*   member\n",
        "\ndocuments          organization_id  viewer    member    member    admin, member*\n",
        "\nprojects           organization_id  viewer    member    member    admin\n",
        "\norg_members        organization_id  viewer    function  function  function\n",
        "\nusers              membership       viewer    function  -         -\n",
        "\ndatabase roles have the prefix `app_`\n",
        "0001_init.up.sql",
        "next: review and commit the SQL; `gen-migrations apply` applies it to a temporary PostgreSQL, as a test\n",
    ];
    let missing: Vec<&str> = parts.into_iter().filter(|part| !said.contains(part)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "{said}");
}

#[test]
fn second_generate_has_nothing_to_do() {
    let folder = generated();
    let before = folder.files();
    let said = on(folder.path(), &[]).expect_success();
    let first = "up to date: migrations match the models (12 tables)\n\n  migrations  1 migration in ";
    assert_eq!((said.starts_with(first), folder.files() == before), (true, true), "{said}");
}

#[test]
fn up_to_date_generate_summarizes_the_models_and_the_next_commands() {
    // The folder of the example, as in a fresh clone. The path is printed from the current folder.
    let mut command = command(&[]);
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let said = CommandOutput::of(command).expect_success();
    let parts = [
        "\n  migrations  1 migration in examples/migrations\n",
        "\n  tables      10 per tenant, 1 through membership, 1 global\n",
        "; row-level security is forced on every table\n",
        "\n  roles       app_viewer, app_member, app_admin\n",
        "\n  logins      app_service, app_jobs\n",
        "\n  gen-migrations matrix   ",
        "\n  gen-migrations verify   test tenant isolation on a temporary PostgreSQL\n",
        "\n  gen-migrations show     ",
        "\nrun `gen-migrations` as: cargo run --bin gen-migrations --\n",
    ];
    let missing: Vec<&str> = parts.into_iter().filter(|part| !said.contains(part)).collect();
    assert_eq!(missing, Vec::<&str>::new(), "{said}");
    let widest = said.lines().map(|line| line.chars().count()).max();
    assert!(said.lines().count() <= 15 && widest <= Some(80), "{said}");
}

#[test]
fn help_fits_in_80_columns() {
    let commands = [
        &["--help"][..],
        &["init", "--help"],
        &["show", "--help"],
        &["rebase", "--help"],
        &["rehash", "--help"],
        &["apply", "--help"],
        &["status", "--help"],
        &["revert", "--help"],
        &["audit", "--help"],
        &["harden", "--help"],
        &["context-key", "--help"],
        &["context-key", "create", "--help"],
        &["context-key", "install", "--help"],
        &["context-key", "list", "--help"],
        &["context-key", "end", "--help"],
        &["context-key", "renew-seal", "--help"],
        &["bind-login", "--help"],
        &["unbind-login", "--help"],
        &["matrix", "--help"],
        &["verify", "--help"],
        &["why", "--help"],
        &["set-password", "--help"],
    ];
    let helps = commands.map(|arguments| gen_migrations(arguments).expect_success());
    let wide: Vec<&str> = helps.iter().flat_map(|help| help.lines()).filter(|line| line.chars().count() > 80).collect();
    assert_eq!(wide, Vec::<&str>::new());
}

#[test]
fn show_prints_the_migration_and_writes_nothing() {
    let folder = TempDir::new();
    let shown = on(&folder.join("new"), &["show"]).expect_success();
    let committed = fs::read_to_string(example_migrations_dir().join("0001_init.up.sql")).expect("the committed file");
    assert!(shown == committed && folder.files().is_empty(), "{shown}");
}

#[test]
fn check_prints_missing_changes_and_sql_and_writes_nothing() {
    let folder = TempDir::new();
    let said = on(&folder.join("new"), &["--check"]);
    let committed = fs::read_to_string(example_migrations_dir().join("0001_init.up.sql")).expect("the committed file");
    assert_eq!(
        (
            said.code,
            said.out.contains("\n- add table `app.projects`\n"),
            said.out.contains("\n--- missing migration 0001_init.up.sql:\n") && said.out.contains(&committed),
            said.err.contains("new` do not match the models\n  help: run `gen-migrations` without `--check`"),
            folder.names()
        ),
        (Some(1), true, true, true, Vec::new()),
        "{said:?}"
    );
}

#[test]
fn check_prints_one_line_when_up_to_date() {
    let folder = generated();
    let said = on(folder.path(), &["--check"]).expect_success();
    assert_eq!(said, "up to date: migrations match the models (12 tables)\n");
}

#[test]
fn check_finds_edited_and_unrecorded_migration_files() {
    let folder = generated();
    folder.write("0002_by_hand.sql", "SELECT 1;");
    let by_hand = on(folder.path(), &["--check"]);
    let up = fs::read_to_string(folder.join("0001_init.up.sql")).expect("it is there");
    folder.write("0001_init.up.sql", &up.replacen("FORCE", "NO FORCE", 1));
    let edited = on(folder.path(), &["--check"]).expect_failure();
    let recorded = on(folder.path(), &["rehash", "0001_init"]).expect_success();
    on(folder.path(), &[]).expect_success();
    on(folder.path(), &["--check"]).expect_success();
    assert_eq!(
        (
            by_hand.code,
            by_hand.out.as_str(),
            edited.contains("- `0001_init.up.sql` was edited after the snapshot was written"),
            recorded.as_str()
        ),
        (
            Some(1),
            "- record hand-written `0002_by_hand.sql` in the snapshot\n",
            true,
            "recorded the new hash of 0001_init.up.sql\n"
        )
    );
}

#[test]
fn rehash_and_rebase_say_when_there_is_nothing_to_do() {
    let folder = generated();
    let unknown = on(folder.path(), &["rehash", "0007_x"]).expect_failure();
    let unedited = on(folder.path(), &["rehash", "0001_init"]).expect_failure();
    let rebased = on(folder.path(), &["rebase", "--yes"]).expect_success();
    assert!(unknown.contains("has no migration file `0007_x`\n  help: "), "{unknown}");
    assert!(unedited.contains("`0001_init` was not edited"), "{unedited}");
    assert!(rebased.starts_with("nothing to rebase: "), "{rebased}");
}

#[test]
fn help_for_a_deleted_migration_is_printed_once() {
    let folder = generated();
    for file in ["0001_init.up.sql", "0001_init.down.sql"] {
        fs::remove_file(folder.join(file)).expect("it is there");
    }
    let said = on(folder.path(), &[]).expect_failure();
    let missing = said.matches(" is missing, and the snapshot lists it").count();
    assert_eq!((missing, said.matches("help: restore it from version control").count()), (2, 1), "{said}");
}

#[test]
fn missing_database_url_names_the_environment_variable() {
    let said = gen_migrations(&["status"]);
    assert!(said.code == Some(2) && said.err.contains("environment variable DATABASE_URL"), "{said:?}");
}

#[test]
fn rebase_without_confirmation_writes_nothing() {
    let folder = generated();
    // The snapshot is that of another branch, which does not have this migration.
    folder.write("0002_mine.up.sql", "-- Generated by gen-migrations (tenant-runtime)\n");
    let before = folder.files();
    let refused = on(folder.path(), &["rebase"]);
    let untouched = folder.files() == before;
    let agreed = on(folder.path(), &["rebase", "--yes"]).expect_success();
    assert_eq!(
        (refused.code, refused.err.contains("`gen-migrations rebase 0002_mine`"), untouched, folder.names()),
        (Some(1), true, true, FILES.map(str::to_owned).to_vec()),
        "{refused:?}"
    );
    assert!(agreed.starts_with("keeps the migrations up to 0001_init\n  deletes 0002_mine and "), "{agreed}");
}

#[test]
fn usage_errors_exit_with_code_2() {
    let codes = [
        &["--help"][..],
        &["apply", "--help"],
        &["--version"],
        &["--dri", "x"],
        &["generate"],
        &["--dir"],
        &["--check", "show"],
    ];
    let codes = codes.map(|arguments| gen_migrations(arguments).code);
    assert_eq!(codes, [Some(0), Some(0), Some(0), Some(2), Some(2), Some(2), Some(2)]);
}

#[test]
fn misspelled_flag_suggests_the_correct_one() {
    let said = gen_migrations(&["--dirs", "x"]);
    assert!(said.err.contains("'--dir'") && said.err.contains("--help"), "{}", said.err);
}

#[test]
fn invalid_migrations_directory_is_an_error_with_help() {
    let scratch = TempDir::new();
    scratch.write("file", "");
    let mut wrong = Vec::new();
    for folder in [scratch.join("file"), scratch.join("file/below"), "/proc/nothing".into(), "/proc/self/mem/x".into()]
    {
        let said = on(&folder, &[]).expect_failure();
        let named = said.contains(&folder.display().to_string());
        if !named || !said.starts_with("error: cannot ") || !said.contains("help: ") || !said.contains("--dir <FOLDER>")
        {
            wrong.push(said);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[tokio::test]
async fn numbering_continues_after_handwritten_migrations() {
    let folder = TempDir::new();
    folder.write("0007_by_hand.sql", "CREATE TABLE public.by_hand ();");
    folder.write("README.md", "no migration");
    on(folder.path(), &[]).expect_success();
    let database = Database::empty().await;
    let applied = on(folder.path(), &["apply", "--database-url", &database.admin_url()]);
    let versions = "SELECT string_agg(version::text, ' ' ORDER BY version) FROM _sqlx_migrations";
    let versions = ask(&mut database.admin().await, versions).await;
    assert_eq!(
        (
            folder.join("0008_init.up.sql").exists(),
            versions.as_str(),
            applied.out.starts_with("applied 2 migrations in ")
        ),
        (true, "7 8", true),
        "{applied:?}"
    );
}

#[test]
fn broken_newer_or_missing_snapshot_is_an_error() {
    let folder = generated();
    let snapshot = fs::read_to_string(folder.join("snapshot.json")).expect("the snapshot");
    let newer = snapshot.replacen("\"format\": 4", "\"format\": 5", 1);
    let unknown = snapshot.replacen("\"product\"", "\"colour\": 1, \"product\"", 1);
    let unknown_kind = snapshot.replacen("\"kind\":\"membership\"", "\"kind\":\"everybody\"", 1);
    let forged = snapshot.replacen("now()", "now(); DROP TABLE x", 1);
    assert!([&newer, &unknown, &unknown_kind, &forged].iter().all(|text| **text != snapshot));
    let restore = "help: restore the file from version control";
    let cases = [
        (Some(&snapshot[..100]), restore),
        (Some(""), restore),
        (Some(&newer), "it has format 5, but this version reads format 4"),
        (Some(&unknown), restore),
        (Some(&unknown_kind), "unknown variant `everybody`"),
        (Some(&forged), restore),
        (
            None,
            "restore it from version control; or, if no migration has been applied anywhere, delete the generated files",
        ),
    ];
    let mut wrong = Vec::new();
    for (text, next) in cases {
        match text {
            Some(text) => folder.write("snapshot.json", text),
            None => fs::remove_file(folder.join("snapshot.json")).expect("it is there"),
        }
        // A generated file that differs from the one that would be written now.
        folder.write("0001_init.up.sql", "-- Generated by gen-migrations (tenant-runtime), once");
        let before = folder.files();
        let said = on(folder.path(), &[]).expect_failure();
        if !said.replace("\n  ", " ").contains(next) || !said.contains("snapshot.json") || folder.files() != before {
            wrong.push(said);
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn generate_completes_an_interrupted_run() {
    let folder = generated();
    let whole = folder.files();
    let mut wrong = Vec::new();
    for left in [&FILES[1..2], &["0001_init.down.sql", "0001_init.up.sql"]] {
        for file in FILES.iter().filter(|file| !left.contains(file)) {
            fs::remove_file(folder.join(file)).expect("it is there");
        }
        folder.write(".snapshot.json.4711.tmp", "half of");
        folder.write(".0001_init.up.sql.4711.tmp", "half of");
        on(folder.path(), &[]).expect_success();
        if folder.files() != whole {
            wrong.push(format!("{left:?}: {:?}", folder.files().keys()));
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}
