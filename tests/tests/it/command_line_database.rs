//! The command line with a database: connection URLs, passwords, apply, and output to a closed pipe.

use std::{fs, process::Stdio, time::Duration};

use sqlx::Connection as _;
use tenant_tests::{Database, TempDir, connect, dedicated_server, run, server};

use super::{
    command_line::{CommandOutput, command, gen_migrations, on},
    messages::assert_message,
};

#[test]
fn connection_refused_error_hides_the_password() {
    let url = "postgres://boss:s3cret-word@127.0.0.1:1/acme";
    let said = gen_migrations(&["apply", "--database-url", url]).expect_failure();
    assert!(
        said.starts_with("applying to database `acme` at 127.0.0.1:1 as `boss` (--database-url)\nerror: cannot connect to `acme` at 127.0.0.1:1 as `boss`: no server listens at 127.0.0.1:1; start PostgreSQL")
            && !said.contains("s3cret"),
        "{said}"
    );
}

#[test]
fn malformed_database_url_error_shows_the_expected_form_only() {
    let said = gen_migrations(&["apply", "--database-url", "postgres//boss:s3cret-word@host"]).expect_failure();
    assert!(said.contains("postgres://login:password@host:5432/database") && !said.contains("s3cret"), "{said}");
}

/// The error in the output of a command, without the database that it announces first.
fn error_of(said: &str) -> &str {
    said.find("error: ").map_or(said, |at| &said[at..])
}

#[test]
fn urls_of_other_systems_are_answered_with_the_form_of_a_url() {
    for (situation, url) in [
        ("The URL is of MySQL", "mysql://boss:s3cret@db/acme"),
        ("The URL is of JDBC", "jdbc:postgresql://db/acme?user=boss&password=s3cret"),
        ("The URL is written as keywords", "host=/var/run/postgresql dbname=acme user=boss password=s3cret"),
        ("The URL has an IPv6 address without brackets", "postgres://boss:s3cret@::1/acme"),
    ] {
        let said = gen_migrations(&["apply", "--database-url", url]).expect_failure();
        assert!(!said.contains("s3cret"), "{said}");
        assert_message(situation, &said);
    }
    let service = command(&["status", "--database-url", "postgres://app_service:s3cret@db/acme"]);
    assert_message("The app's login is used to migrate", &CommandOutput::of(service).expect_failure());
}

#[tokio::test]
async fn unix_socket_is_named_in_the_form_of_libpq_and_a_missing_database_is_named() {
    let trial = super::history_table::start().await;
    let folder = trial.server().socket_dir().display();
    let url = |database: &str| format!("postgres:///{database}?host={folder}&user=administrator");
    let applied = gen_migrations(&["apply", "--database-url", &url("trial")]);
    assert!(applied.code == Some(0) && applied.out.starts_with("applied 1 migration in "), "{applied:?}");
    let said = gen_migrations(&["apply", "--database-url", &url("nothing")]).expect_failure();
    assert_message("The database does not exist", error_of(&said));
}

#[tokio::test]
async fn wrong_password_error_hides_the_password() {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("it starts");
    let mut postgres = connect(&server.admin_url()).await;
    run(&mut postgres, "CREATE ROLE boss LOGIN PASSWORD 'the-right-one'").await.expect("a superuser can");
    let rules = "local all postgres trust\nlocal all all scram-sha-256\n";
    fs::write(server.data_dir().join("pg_hba.conf"), rules).expect("the server's file is ours");
    run(&mut postgres, "SELECT pg_reload_conf()").await.expect("a superuser can");
    // The server reads the file asynchronously.
    let trusted = server.url("boss", "postgres");
    for _ in 0..1000 {
        let Ok(connection) = sqlx::PgConnection::connect(&trusted).await else { break };
        connection.close().await.expect("closes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let url = trusted.replacen("boss@", "boss:s3cret-word@", 1);
    let said = gen_migrations(&["apply", "--database-url", &url]).expect_failure();
    assert!(said.contains("wrong password for `boss`") && !said.contains("s3cret"), "{said}");
    assert_message("The administrator's password is wrong", error_of(&said));
    // The administrator cannot use `set-password` without a password, and the server's C source is not the user's.
    assert!(
        said.contains("correct the login and the password of the administrator") && !said.contains("set-password"),
        "{said}"
    );
    assert!(said.contains("\n  caused by: password authentication failed for user \"boss\"\n"), "{said}");
    let without = gen_migrations(&["apply", "--database-url", &trusted]).expect_failure();
    assert!(without.contains("requires a password for `boss`, and the URL has none"), "{without}");
    assert_message("The URL contains no password", error_of(&without));
    let app = url.replacen("boss:", "app_service:", 1);
    let app = tenant_runtime::TenantDb::connect(&app).await.map(drop).expect_err("a wrong password").to_string();
    assert!(app.contains("set a password with `gen-migrations set-password`"), "{app}");
    assert_message("The app's password is wrong", &app);
    let unnamed = server.admin_url().replacen("/postgres?", "?", 1).replacen("postgres@", "unnamed@", 1);
    run(&mut postgres, "CREATE ROLE unnamed LOGIN").await.expect("a superuser can");
    fs::write(server.data_dir().join("pg_hba.conf"), "local all all trust\n").expect("the server's file is ours");
    run(&mut postgres, "SELECT pg_reload_conf()").await.expect("a superuser can");
    let mut said = String::new();
    for _ in 0..1000 {
        said = gen_migrations(&["apply", "--database-url", &unnamed]).expect_failure();
        if !said.contains("requires a password") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(said.contains("the URL names no database, and none has the name of the login, `unnamed`"), "{said}");
}

#[tokio::test]
async fn apply_reads_database_url_from_the_environment_and_is_idempotent() {
    let database = Database::empty().await;
    let mut said = Vec::new();
    for _ in 0..2 {
        let mut apply = command(&["apply"]);
        apply.env("DATABASE_URL", database.admin_url());
        said.push(CommandOutput::of(apply));
    }
    assert!(
        said[0].out.starts_with("applied 1 migration in ")
            && said.iter().all(|said| {
                said.err.starts_with("applying to database `test_")
                    && said.err.contains(" as `postgres` (DATABASE_URL)\n")
            })
            && said[0].err.contains("\n  applied 0001_init.up.sql in ")
            && said[1].out.starts_with("nothing to do: 1 migration applied already\n")
            && said.iter().all(|said| said.code == Some(0)),
        "{said:?}"
    );
}

#[test]
fn apply_without_a_database_url_uses_a_temporary_server() {
    let said = gen_migrations(&["apply"]);
    assert!(
        said.code == Some(0)
            && said.out.starts_with("applied 1 migration in ")
            && said.err.starts_with("applying to a temporary PostgreSQL ")
            && said.out.contains("tried on a temporary PostgreSQL ")
            && said.out.contains("; its data was deleted\n")
            && said.out.contains("to apply them to your database, add\n  --database-url postgres://"),
        "{said:?}"
    );
}

#[test]
fn postgres_option_selects_the_temporary_server_release() {
    let major = server().version().major.to_string();
    for (command, end) in [
        ("audit", format!(" on PostgreSQL {major}.")),
        ("verify", "the database enforces the declared permissions".to_owned()),
    ] {
        let said = gen_migrations(&[command, "--postgres", &major]);
        assert!(said.code == Some(0) && said.out.contains(&end), "{said:?}");
    }
    let said = gen_migrations(&["verify", "--postgres", &major, "--database-url", "postgres://live@host/db"]);
    assert!(said.code == Some(2) && said.err.contains("cannot be used with '--database-url"), "{said:?}");
    let said = gen_migrations(&["audit", "--postgres", "14"]);
    assert!(said.code == Some(2) && said.err.contains("PostgreSQL 14 is not supported; use 15 or newer"), "{said:?}");
}

#[test]
fn apply_requires_generated_migrations() {
    let folder = TempDir::new();
    let said = on(folder.path(), &["apply"]).expect_failure();
    assert_eq!(
        said,
        "error: the migrations do not match the models: a migration is missing\n  help: run `gen-migrations` without a command to \
         generate it\n"
    );
}

#[test]
fn administrator_commands_reject_an_application_login() {
    let folder = TempDir::new();
    let dir = folder.path().to_str().expect("a path of ASCII").to_owned();
    for word in ["apply", "status", "revert", "audit", "verify", "harden", "set-password"] {
        let mut command = command(&["--dir", &dir, word]);
        // No server runs at this URL: the login is checked before connecting.
        command.env("DATABASE_URL", "postgres://app_service:geheim@localhost:1/d");
        let said = CommandOutput::of(command).expect_failure();
        let told = "error: this command requires an administrator; `app_service` is a login role of the app\n  help: the URL is from `DATABASE_URL`;";
        assert!(said.starts_with(told), "{word}: {said}");
    }
}

#[test]
fn password_in_an_unexpected_argument_is_not_printed() {
    let folder = TempDir::new();
    let dir = folder.path().to_str().expect("a path of ASCII").to_owned();
    let output = command(&["--dir", &dir, "apply", "postgres://u:geheim@h/d"]).output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), said.contains("geheim")), (Some(2), false), "{said}");
}

#[test]
fn closed_stdout_pipe_is_not_an_error() {
    let folder = TempDir::new();
    let dir = folder.path().to_str().expect("a path of ASCII").to_owned();
    let mut ends = Vec::new();
    let generate = ["--no-trial", "--dir", &dir];
    for arguments in [&["--dir", &dir, "show"][..], &["--help"], &generate, &generate] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = command(arguments);
        command.stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().and_then(|child| child.wait_with_output()).expect("the program runs");
        ends.push((output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    assert_eq!(ends, vec![(Some(0), String::new()); 4]);
}
