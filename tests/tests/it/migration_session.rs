//! The session that migrates: the lock and its holder, poolers in transaction mode, and read-only servers.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use sqlx::{Connection as _, PgConnection, migrate::Migrate as _};
use tenant_runtime::{Error, MigrationError, Migrations, TenantDb, migrate::Progress, server::Server};
use tenant_tests::{Database, TempDir, ask, connect, example_migrations_dir, pgbouncer::PgBouncer, run};

use super::{
    command_line::{command, gen_migrations},
    history_table::start,
    messages::assert_message,
};

async fn example() -> Migrations {
    Migrations::from_dir(example_migrations_dir()).await.expect("the example's migrations")
}

/// Takes sqlx's lock as another migrating process does.
async fn holder(url: &str) -> PgConnection {
    let mut holder = connect(url).await;
    run(&mut holder, "SET application_name = 'deploy'").await.expect("any login can");
    holder.lock().await.expect("it is free");
    holder
}

#[tokio::test]
async fn waiting_for_the_lock_is_limited_and_names_its_holder() {
    let trial = start().await;
    let url = trial.administrator_url();
    let mut holder = holder(url).await;
    let pid = ask(&mut holder, "SELECT pg_backend_pid()::text").await;
    let mut said = Vec::new();
    for limit in [Duration::ZERO, Duration::from_millis(1)] {
        let migrations = example().await.lock_timeout(limit);
        said.push(migrations.apply(url, &mut |_| {}).await.expect_err("it is locked").to_string());
        said.push(migrations.revert(url, Default::default(), &mut |_| {}).await.expect_err("it is locked").to_string());
    }
    assert!(said.iter().all(|said| said.contains(&format!("process {pid} of the server"))), "{said:?}");
    assert_message("The migration lock is held for too long", &said[0]);
    let statement =
        said[0].split('`').find(|part| part.starts_with("SELECT pg_terminate_backend")).expect("a statement");
    run(&mut connect(url).await, statement).await.expect("the help is a statement");
    let mut name = None;
    let applied = example().await.apply(url, &mut |_| name = Some("applied")).await.expect("the lock is free").versions;
    assert_eq!((applied, name), (vec![1], Some("applied")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_is_shown_with_the_holder_until_the_lock_is_free() {
    let trial = start().await;
    let url = trial.administrator_url();
    let mut held = holder(url).await;
    let (told, when_told) = mpsc::channel();
    let release = tokio::spawn(async move {
        tokio::task::block_in_place(|| when_told.recv()).expect("it waits");
        held.unlock().await.expect("it is held");
    });
    let migrations = example().await;
    let mut told = Some(told);
    let mut show = |step: Progress<'_>| {
        if let Progress::Waiting { holder } = step {
            assert!(holder.contains("application `deploy`") && holder.contains("login `administrator`"), "{holder}");
            told.take().expect("a holder is told once").send(()).expect("the receiver waits");
        }
    };
    assert_eq!(migrations.apply(url, &mut show).await.expect("it is free").versions, [1]);
    release.await.expect("no panic");

    // The program says it without a terminal, too.
    let mut held = holder(url).await;
    let mut child = command(&["apply", "--database-url", url])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines().map_while(Result::ok);
    let line = tokio::task::block_in_place(|| lines.find(|line| line.contains("waiting"))).expect("it waits");
    assert_message("The migration lock is held by another session", line.trim());
    held.unlock().await.expect("it is held");
    assert!(tokio::task::block_in_place(|| child.wait()).expect("it ends").success());
}

#[tokio::test]
async fn pooler_in_transaction_mode_is_refused_before_anything_is_locked() {
    let database = Database::create().await;
    let Some(bouncer) = PgBouncer::start(&database).await else {
        eprintln!("SKIPPED: no PgBouncer is installed, and TENANT_TEST_PGBOUNCER names none");
        return;
    };
    let url = bouncer.url_of("postgres", &database);
    let mut said = Vec::new();
    for arguments in [
        &["apply"][..],
        &["apply", "--dry-run"],
        &["status"],
        &["revert", "--yes"],
        &["audit"],
        &["verify"],
        &["set-password"],
        &["harden"],
    ] {
        let mut program = command(&[arguments, &["--database-url", &url]].concat());
        if arguments == ["set-password"] {
            let file = TempDir::new();
            file.write("password", "correct horse battery\n");
            program.stdin(fs::File::open(file.join("password")).expect("it is there"));
        }
        let output = program.output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        said.push(text);
    }
    let told = "is behind a pooler in transaction mode";
    assert!(said.iter().all(|said| said.contains(told)), "{said:#?}");
    let message = said[0].split_once("error: ").expect("an error").1.replace(&database.name(), "acme");
    assert_message("The URL names a pooler in transaction mode", &message);
    let locks = "SELECT count(*)::text FROM pg_locks WHERE locktype = 'advisory'
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
    assert_eq!(ask(&mut database.admin().await, locks).await, "0");
}

#[tokio::test]
async fn pooler_without_prepared_statements_is_named() {
    let database = Database::create().await;
    let Some(bouncer) = PgBouncer::start_with(&database, "extra_float_digits", false).await else {
        eprintln!("SKIPPED: no PgBouncer is installed, and TENANT_TEST_PGBOUNCER names none");
        return;
    };
    // Some other client has left its prepared statement on a server connection.
    let mut told = None;
    for _ in 0..3 {
        let connected = TenantDb::options().max_connections(2).connect(&bouncer.url(&database)).await;
        match connected {
            Ok(db) => db.close().await,
            Err(error) => told = Some(error.to_string()),
        }
    }
    let told = told.expect("the second session meets the statements of the first");
    assert_message("The pooler does not know prepared statements", &told.replace(&database.name(), "acme"));
    let options = TenantDb::options().prepared_statements(false);
    options.connect(&bouncer.url(&database)).await.expect("the help works").close().await;
    let bouncer = PgBouncer::start_with(&database, "", false).await.expect("it is installed");
    let refused =
        gen_migrations(&["status", "--database-url", &bouncer.url_of("postgres", &database)]).expect_failure();
    let refused = refused.split_once("error: ").expect("an error").1;
    assert_message("The pooler refuses a startup parameter", &refused.replace(&database.name(), "acme"));
    let app = TenantDb::connect(&bouncer.url(&database)).await.map(drop).expect_err("the same").to_string();
    assert!(app.contains("add it to `ignore_startup_parameters` in the configuration of PgBouncer"), "{app}");
}

#[tokio::test]
async fn read_only_databases_and_standbys_are_named() {
    let trial = start().await;
    let url = trial.administrator_url();
    example().await.apply(url, &mut |_| {}).await.expect("it applies");
    let mut postgres = connect(&trial.superuser_url()).await;
    run(&mut postgres, "ALTER DATABASE trial SET default_transaction_read_only = on").await.expect("a superuser");
    let refused = example().await.apply(url, &mut |_| {}).await.expect_err("it is read-only");
    assert!(matches!(refused, Error::ReadOnlyServer { is_standby: false, .. }), "{refused:?}");
    assert_message("The database is read-only", &refused.to_string());
    assert_eq!(example().await.status(url).await.expect("it can be read").len(), 1);
    run(&mut connect(&trial.server().admin_url()).await, "ALTER DATABASE trial RESET ALL").await.expect("a superuser");
    let standby = Standby::start(trial.server()).await;
    let url = standby.url(url, trial.server());
    let refused = [
        example().await.apply(&url, &mut |_| {}).await.err(),
        example().await.revert(&url, Default::default(), &mut |_| {}).await.err(),
    ];
    let is_told = |error: &Option<Error>| matches!(error, Some(Error::ReadOnlyServer { is_standby: true, .. }));
    assert!(refused.iter().all(is_told), "{refused:?}");
    assert_message("The server is a standby", &refused[0].as_ref().expect("refused").to_string());
    assert_eq!(example().await.status(&url).await.expect("it can be read").len(), 1);
    for word in ["audit", "reset"] {
        let said = gen_migrations(&[word, "--database-url", &url]).expect_failure();
        assert!(said.contains("the server is a standby, which is read-only"), "{said}");
    }
    assert!(!matches!(refused[0], Some(Error::Migration(MigrationError::AppLogin { .. }))));
}

/// A copy of a server's data that runs as a standby.
pub(super) struct Standby {
    child: Child,
    folder: TempDir,
}

impl Standby {
    pub(super) async fn start(server: &Server) -> Self {
        run(&mut connect(&server.admin_url()).await, "CHECKPOINT").await.expect("a superuser");
        let (data, folder) = (server.data_dir(), TempDir::new());
        let pid = fs::read_to_string(data.join("postmaster.pid")).expect("it runs").lines().next().map(str::to_owned);
        let binary = fs::read_link(format!("/proc/{}/exe", pid.expect("a line"))).expect("Linux");
        let owner = fs::metadata(&data).expect("its data");
        let copied = Command::new("cp").arg("-a").arg(&data).arg(folder.join("data")).status().expect("cp runs");
        assert!(copied.success());
        fs::remove_file(folder.join("data/postmaster.pid")).expect("it is ours");
        fs::write(folder.join("data/standby.signal"), "").expect("it is ours");
        let owners = format!("{}:{}", owner.uid(), owner.gid());
        let shared = Command::new("chown").arg("-R").arg(owners).arg(folder.path()).status().expect("chown runs");
        assert!(shared.success());
        let mut command = Command::new(binary);
        command.arg("-D").arg(folder.join("data")).arg("-k").arg(folder.path()).args(["-c", "listen_addresses="]);
        // A standby needs at least the primary's number of connections.
        command.args(["-c", "max_connections=300"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if fs::metadata("/proc/self").expect("Linux").uid() == 0 {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let standby = Self { child: command.spawn().expect("it starts"), folder };
        let url = standby.url(&server.admin_url(), server);
        for _ in 0..1000 {
            if let Ok(connection) = PgConnection::connect(&url).await {
                connection.close().await.expect("closes");
                return standby;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("the standby does not accept connections");
    }

    /// Returns the URL on this server for a URL on the other one.
    pub(super) fn url(&self, url: &str, server: &Server) -> String {
        let encoded = |path: &std::path::Path| path.to_string_lossy().replace('/', "%2F");
        url.replace(&encoded(server.socket_dir()), &encoded(self.folder.path()))
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
