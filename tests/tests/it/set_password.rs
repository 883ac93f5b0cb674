//! `set-password`: the login can sign in, the server never receives the plain password, and unsafe input is rejected.

use std::{
    fs,
    io::Write as _,
    process::{Command, Output, Stdio},
};

use tenant_runtime::{Error, TenantDb, server::Server};
use tenant_tests::{ask, connect, dedicated_server, migrate, run};

use super::command_line::program;

const PASSWORD: &str = "correct horse battery";

/// A server that requires a password from all logins but the superuser, and logs every statement.
async fn password_server() -> Server {
    let server = tokio::task::spawn_blocking(dedicated_server).await.expect("the server starts");
    migrate(&server.admin_url()).await;
    let lines = "local all postgres trust\nlocal all all scram-sha-256\n";
    fs::write(server.data_dir().join("pg_hba.conf"), lines).expect("the folder is ours");
    let mut admin = connect(&server.admin_url()).await;
    run(&mut admin, "ALTER SYSTEM SET log_statement = 'all'").await.expect("a superuser");
    run(&mut admin, "SELECT pg_reload_conf()").await.expect("a superuser");
    server
}

fn set_password(server: &Server, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(program());
    command.arg("set-password").args(arguments).args(["--database-url", &server.admin_url()]);
    command.env_remove("DATABASE_URL").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    // If the arguments are invalid, standard input is not read.
    let _ = child.stdin.take().expect("a pipe").write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

async fn sign_in(server: &Server, password: &str) -> Result<TenantDb, Error> {
    let url = server.url("app_service", "postgres");
    TenantDb::connect(&url.replace("app_service@", &format!("app_service:{}@", password.replace(' ', "%20")))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn set_password_sends_only_the_scram_verifier() {
    let server = password_server().await;
    let before = sign_in(&server, PASSWORD).await;
    let said = set_password(&server, &[], &format!("{PASSWORD}\n"));
    let (out, err) = (String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr));
    let jobs = set_password(&server, &["--role", "app_jobs"], PASSWORD);
    let after = sign_in(&server, PASSWORD).await;
    let other = sign_in(&server, "correct horse battery.").await;
    let mut admin = connect(&server.admin_url()).await;
    let kept = ask(&mut admin, "SELECT rolpassword FROM pg_authid WHERE rolname = 'app_service'").await;
    let log = fs::read_to_string(server.socket_dir().join("log")).expect("the log is a text");
    assert!(err.starts_with("setting the password of `app_service` in database `postgres` at "), "{err}");
    assert!(said.status.success() && out.contains("set the password of `app_service`"), "{out}{err}");
    assert!(out.contains("login roles of this product: `app_service`, `app_jobs`. Each"), "{out}");
    assert!(jobs.status.success(), "{jobs:?}");
    assert!(matches!(before, Err(Error::Connect { .. })) && matches!(other, Err(Error::Connect { .. })));
    assert!(after.is_ok(), "{after:?}");
    assert!(kept.starts_with("SCRAM-SHA-256$4096:"), "{kept}");
    assert!(log.contains("ALTER ROLE app_service PASSWORD 'SCRAM-SHA-256$"), "{log}");
    assert!(
        ![out.as_ref(), err.as_ref(), &log].iter().any(|text| text.contains(PASSWORD)),
        "the password was disclosed"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn set_password_rejects_unsafe_input_and_roles() {
    let server = password_server().await;
    run(&mut connect(&server.admin_url()).await, "CREATE ROLE boss LOGIN CREATEROLE PASSWORD 'x'")
        .await
        .expect("a superuser");
    let cases: [(&[&str], &str, &str); 8] = [
        (&[], "\n", "the password is empty"),
        (&[], "", "the password is empty"),
        (&[], "short\n", "has 5 characters"),
        (&[], "one line of it\nand another line\n", "several lines"),
        (
            &["--role", "app_member"],
            PASSWORD,
            "`app_member` is not a login role of this product; no password was changed",
        ),
        (&["--role", "postgres"], PASSWORD, "`postgres` is not a login role of this product"),
        (&["--role", "boss"], PASSWORD, "help: login roles of this product: `app_service`, `app_jobs`. Each"),
        (&["--role", "x\"; DROP ROLE app_admin"], PASSWORD, "DROP ROLE app_admin` is not a login role"),
    ];
    for (arguments, input, reason) in cases {
        let said = set_password(&server, arguments, input);
        let err = String::from_utf8_lossy(&said.stderr);
        assert!(said.status.code() == Some(1) && err.contains(reason), "{reason}: {err}");
    }
    // All users of the machine can read arguments.
    assert_eq!(set_password(&server, &[PASSWORD], "").status.code(), Some(2));
    let mut admin = connect(&server.admin_url()).await;
    let left = "SELECT string_agg(rolname, ' ') FROM pg_authid WHERE rolpassword IS NOT NULL";
    assert_eq!(ask(&mut admin, left).await, "boss");
}
