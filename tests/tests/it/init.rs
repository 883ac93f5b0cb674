//! `gen-migrations init`: the files it creates, the files it keeps, and that the resulting project works.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use tenant_tests::TempDir;

use super::command_line::program;

const MANIFEST: &str = "[package]\nname = \"acme-app\"\nversion = \"0.1.0\"\nedition = \"2024\" # as others\n";

fn init(package: &Path) -> Output {
    Command::new(program()).arg("init").arg(package).output().expect("the program runs")
}

/// The expected output on success.
fn said(package: &Path) -> String {
    let output = init(package);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).expect("a text")
}

fn read(package: &TempDir, name: &str) -> String {
    fs::read_to_string(package.join(name)).expect(name)
}

#[test]
fn init_creates_missing_files_and_is_idempotent() {
    let package = TempDir::new();
    package.write("Cargo.toml", MANIFEST);
    let first = said(package.path());
    let files = [
        "Cargo.toml",
        "src/lib.rs",
        "src/models.rs",
        "src/bin/gen-migrations.rs",
        "clippy.toml",
        "migrations/.gitattributes",
        ".cargo/config.toml",
    ];
    let made = files.map(|name| read(&package, name));
    assert!(made[0].starts_with(MANIFEST), "what stood there stays as it was: {}", made[0]);
    assert!(made[0].contains("[[bin]]\nname = \"gen-migrations\"\nrequired-features = [\"generate\"]"), "{}", made[0]);
    assert!(made[3].contains("models![acme_app]") && package.join("migrations").is_dir());
    assert_eq!(made[5], "*.sql text eol=lf\nsnapshot.json text eol=lf\n");
    assert_eq!(made[6], "[alias]\nmigrations = \"run --features generate --bin gen-migrations --\"\n");
    assert!(first.ends_with("next: cargo migrations\n"), "{first}");
    let second = said(package.path());
    assert_eq!(files.map(|name| read(&package, name)), made);
    assert!(!second.contains("wrote") && !second.contains("added"), "{second}");
}

#[test]
fn init_keeps_existing_files_and_prints_remaining_steps() {
    let package = TempDir::new();
    let manifest = format!(
        "{MANIFEST}\n[lib]\nname = \"tracker\"\n\n[dependencies]\nuuid = \"1.0\" # ours\n\n[features]\ngenerate = []\n\n\
         [[bin]]\nname = \"worker\"\npath = \"src/worker.rs\"\n"
    );
    package.write("Cargo.toml", &manifest);
    package.write("clippy.toml", "msrv = \"1.94\"\n");
    fs::create_dir(package.join("src")).expect("a folder");
    package.write("src/main.rs", "fn main() {}\n");
    package.write("src/lib.rs", "// ours\n");
    fs::create_dir(package.join("migrations")).expect("a folder");
    package.write("migrations/.gitattributes", "*.sql diff\n");
    fs::create_dir(package.join(".cargo")).expect("a folder");
    package.write(".cargo/config.toml", "[build]\njobs = 1\n");
    let said = said(package.path());
    assert!(said.contains("add to it: pub mod models;") && said.contains("sqlx::PgConnection"), "{said}");
    assert!(
        said.contains("kept existing migrations/.gitattributes; add to it:\n*.sql text eol=lf\n")
            && said.contains("kept existing .cargo/config.toml; add to it:\n[alias]\nmigrations = ")
            && said.ends_with("next: cargo run --features generate --bin gen-migrations\n"),
        "{said}"
    );
    assert_eq!(
        (read(&package, "migrations/.gitattributes").as_str(), read(&package, ".cargo/config.toml").as_str()),
        ("*.sql diff\n", "[build]\njobs = 1\n")
    );
    let manifest = read(&package, "Cargo.toml");
    assert!(manifest.contains("uuid = \"1.0\" # ours") && manifest.contains("generate = []"), "{manifest}");
    assert!(manifest.contains("default-run = \"acme-app\"") && manifest.contains("name = \"worker\""), "{manifest}");
    assert!(read(&package, "src/bin/gen-migrations.rs").contains("models![tracker]"));
    assert_eq!(
        (read(&package, "src/lib.rs").as_str(), read(&package, "clippy.toml").as_str()),
        ("// ours\n", "msrv = \"1.94\"\n")
    );
}

#[test]
fn init_without_a_valid_package_changes_nothing() {
    let cases = [
        (None, "cargo new --lib"),
        (Some("[workspace]\nmembers = []\n"), "the member that contains the models"),
        (Some("[package\n"), "not valid TOML"),
        (Some("dependencies = 3\n[package]\nname = \"x\"\n"), "not a valid cargo manifest"),
    ];
    for (manifest, told) in cases {
        let package = TempDir::new();
        if let Some(manifest) = manifest {
            package.write("Cargo.toml", manifest);
        }
        let output = init(package.path());
        let error = String::from_utf8(output.stderr).expect("a text");
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(told) && !error.contains("panicked"), "{error}");
        assert!(!package.join("src").exists() && !package.join("clippy.toml").exists(), "{error}");
    }
}

#[test]
fn migrations_checked_out_with_crlf_settings_keep_their_hashes() {
    let package = TempDir::new();
    package.write("Cargo.toml", MANIFEST);
    said(package.path());
    let git = |arguments: &[&str]| {
        let mut git = Command::new("git");
        git.arg("-C").arg(package.path()).args(["-c", "user.name=x", "-c", "user.email=x@example"]);
        // As on Windows.
        git.args(["-c", "core.autocrlf=true"]).args(arguments).env_remove("GIT_DIR");
        let output = git.output().expect("git is there");
        assert!(output.status.success(), "{output:?}");
    };
    let migrations = package.join("migrations");
    let dir = migrations.to_str().expect("a path of ASCII");
    let generate = |more: &[&str]| {
        let output = Command::new(program()).args(["--dir", dir]).args(more).output().expect("the program runs");
        assert!(output.status.success(), "{output:?}");
    };
    generate(&[]);
    git(&["init", "-q"]);
    git(&["add", "-A"]);
    git(&["commit", "-qm", "all"]);
    let files = ["migrations/0001_init.up.sql", "migrations/snapshot.json", "src/models.rs"];
    files.iter().for_each(|name| fs::remove_file(package.join(name)).expect("it is there"));
    git(&["checkout", "-q", "--", "."]);
    assert_eq!(files.map(|name| read(&package, name).contains("\r\n")), [false, false, true]);
    generate(&["--check"]);
}

/// Runs cargo in a package outside the workspace that shares its lock file and a target folder.
fn cargo(package: &TempDir, arguments: &[&str]) -> Output {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let test = std::env::current_exe().expect("the test binary has a path");
    let target = test.ancestors().nth(3).expect("a target folder").join("init");
    cargo.args(arguments).env("CARGO_TARGET_DIR", target).current_dir(package.path());
    cargo.env_remove("RUSTFLAGS").output().expect("cargo runs")
}

/// Asserts that a command succeeded; returns its output.
fn expect_success(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    said
}

mod ui {
    //! Slow tests, like the trybuild cases: a separate package builds the dependencies with other features.

    use super::*;

    #[test]
    fn new_project_generates_and_clippy_rejects_raw_connections() {
        let package = TempDir::new();
        let sqlx =
            "[dependencies]\nsqlx = { version = \"0.9\", default-features = false, features = [\"postgres\"] }\n";
        package.write("Cargo.toml", &format!("{MANIFEST}\n{sqlx}\n[workspace]\n"));
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above");
        fs::copy(root.join("Cargo.lock"), package.join("Cargo.lock")).expect("the lock file");
        said(package.path());
        expect_success(&cargo(&package, &["run", "-q", "--features", "generate", "--bin", "gen-migrations"]));
        assert!(read(&package, "migrations/0001_init.up.sql").contains("CREATE TABLE app.projects"));
        let lint = ["clippy", "-q", "--features", "generate", "--", "-D", "warnings"];
        expect_success(&cargo(&package, &lint));

        let raw = "//! The library.\n\npub mod models;\n\n\
            pub async fn count(pool: &sqlx::PgPool) -> sqlx::Result<u64> {\n\
            \x20   Ok(sqlx::query(\"SELECT\").execute(pool).await?.rows_affected())\n}\n\n\
            pub async fn open(url: &str) -> sqlx::Result<()> {\n\
            \x20   let connection = <sqlx::PgConnection as sqlx::Connection>::connect(url).await?;\n\
            \x20   drop(connection);\n    Ok(())\n}\n";
        package.write("src/lib.rs", raw);
        let told = String::from_utf8_lossy(&cargo(&package, &lint).stderr).into_owned();
        for word in [
            "disallowed type `sqlx::PgPool`",
            "disallowed type `sqlx::PgConnection`",
            "disallowed method `sqlx::Connection::connect`",
        ] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(told.contains("begin a transaction with `db.begin(&ctx)`"), "{told}");
    }
}
