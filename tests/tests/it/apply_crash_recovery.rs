//! Crash recovery of `apply`: killed with SIGKILL at each step and run again, it ends in the same state and repeats nothing.
//!
//! No timing is involved: the migrations wait for locks that the test holds, and the server reports which session waits.

use std::{
    process::{Child, Stdio},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use sqlx::PgConnection;
use tenant_tests::{Database, TempDir, ask, migrate, run};

use super::command_line::{CommandOutput, command, generated};

/// Ten statements in five files; those in transactions are separated by gates, each of which waits for a lock.
const FILES: [(&str, &[&str]); 5] = [
    (
        "0002_log.sql",
        &[
            "CREATE TABLE public.log (what text)",
            "INSERT INTO public.log VALUES ('two')",
            "ALTER TABLE public.log ADD COLUMN n int",
            "UPDATE public.log SET n = coalesce(n, 0) + 1",
        ],
    ),
    ("0003_index.sql", &["-- no-transaction\nCREATE INDEX CONCURRENTLY log_what ON public.log (what)"]),
    (
        "0004_more.sql",
        &[
            "INSERT INTO public.log SELECT 'six', count(*) FROM public.log",
            "CREATE FUNCTION public.seven() RETURNS int BEGIN ATOMIC SELECT 7; END",
            "INSERT INTO public.log SELECT 'eight', count(*) FROM public.log",
        ],
    ),
    ("0005_unique.sql", &["-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY log_n ON public.log (what, n)"]),
    ("0006_last.sql", &["INSERT INTO public.log SELECT 'ten', count(*) FROM public.log"]),
];

/// The class of the advisory locks that serve as gates; the gates are numbered.
const GATE_LOCK_CLASS: i32 = 77;

/// The point at which the program is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum KillPoint {
    /// At a gate: before, between and after the statements of a transaction.
    AuthState(i32),
    /// After the no-transaction file was recorded as begun, before its statement did anything.
    BeforeBuild,
    /// While the index is half built.
    InBuild,
    /// When the index exists and is not recorded yet.
    AfterBuild,
}

/// The files with their gates; returns how many gates there are.
fn folder() -> (TempDir, i32) {
    let folder = generated();
    let mut gates = 0;
    let mut gate = || {
        gates += 1;
        format!("SELECT pg_advisory_xact_lock_shared({GATE_LOCK_CLASS}, {gates});\n")
    };
    for (name, statements) in FILES {
        let text = match statements {
            [alone] if alone.starts_with("-- no-transaction") => format!("{alone};\n"),
            statements => statements.iter().fold(gate(), |text, statement| format!("{text}{statement};\n{}", gate())),
        };
        folder.write(name, &text);
    }
    (folder, gates)
}

fn apply(folder: &TempDir, database: &Database, more: &[&str]) -> std::process::Command {
    let (dir, url) = (folder.path().to_str().expect("ASCII").to_owned(), database.admin_url());
    command(&[&["--dir", &dir, "apply", "--database-url", &url], more].concat())
}

/// All objects that the migrations create, their records, and the locks that remain.
async fn state(database: &Database) -> String {
    let state = "SELECT concat_ws(E'\\n',
        (SELECT string_agg(what || ' ' || n, ', ' ORDER BY n, what) FROM public.log),
        (SELECT string_agg(indexrelid::regclass || ' ' || indisvalid, ', ' ORDER BY indexrelid::regclass::text)
            FROM pg_index WHERE indrelid = 'public.log'::regclass),
        public.seven(),
        (SELECT string_agg(version || ' ' || success, ', ' ORDER BY version) FROM _sqlx_migrations),
        (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database())))";
    ask(&mut database.admin().await, state).await
}

const EXPECTED_STATE: &str =
    "six 1, two 1, eight 2, ten 3\nlog_n true, log_what true\n7\n1 true, 2 true, 3 true, 4 true, 5 true, 6 true\n0";

/// Waits until the server reports that a session of the child waits as described; returns the session.
async fn wait_for_lock(connection: &mut PgConnection, child: &mut Child, lock: &str) -> String {
    let query = format!(
        "SELECT coalesce(min(l.pid), 0)::text FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
         WHERE NOT l.granted AND a.datname = current_database() AND {lock}"
    );
    loop {
        let pid = ask(connection, &query).await;
        if pid != "0" {
            return pid;
        }
        assert!(child.try_wait().expect("the child is ours").is_none(), "it ended before it waited");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Kills the program at a point and runs it again; returns the resulting state if it is not the expected one.
async fn kill_and_rerun(at: KillPoint, migrations: &TempDir) -> Option<String> {
    let database = Database::empty().await;
    migrate(&database.admin_url()).await;
    let (mut holder, mut other, mut observer) =
        (database.admin().await, database.admin().await, database.admin().await);
    let lock = match at {
        KillPoint::AuthState(gate) => {
            run(&mut holder, &format!("SELECT pg_advisory_lock({GATE_LOCK_CLASS}, {gate})")).await.expect("it is free");
            format!("l.locktype = 'advisory' AND l.classid = {GATE_LOCK_CLASS} AND l.objid = {gate}")
        }
        at => {
            CommandOutput::of(apply(migrations, &database, &["--to", "2"]));
            let mode = if at == KillPoint::BeforeBuild { "SHARE UPDATE EXCLUSIVE" } else { "ROW EXCLUSIVE" };
            run(&mut holder, &format!("BEGIN; LOCK TABLE public.log IN {mode} MODE")).await.expect("it is free");
            let what = if at == KillPoint::BeforeBuild { "relation" } else { "virtualxid" };
            format!("l.locktype = '{what}' AND a.query LIKE '%INDEX CONCURRENTLY%'")
        }
    };
    let mut child =
        apply(migrations, &database, &[]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let mut session = wait_for_lock(&mut observer, &mut child, &lock).await;
    if at == KillPoint::AfterBuild {
        run(&mut other, "BEGIN; LOCK TABLE _sqlx_migrations IN EXCLUSIVE MODE").await.expect("it is free");
        run(&mut holder, "ROLLBACK").await.expect("it ends");
        let lock = "l.locktype = 'relation' AND l.relation = '_sqlx_migrations'::regclass";
        session = wait_for_lock(&mut observer, &mut child, lock).await;
    }
    child.kill().expect("it is ours");
    child.wait().expect("it is ours");
    // The server notices that the client is gone, although the lock is never released.
    let there = format!("SELECT count(*)::text FROM pg_stat_activity WHERE pid = {session}");
    while ask(&mut observer, &there).await != "0" {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let index = "SELECT coalesce(min(indexrelid::text || ' ' || indisvalid), 'none') FROM pg_index
                 WHERE indexrelid = to_regclass('public.log_what')";
    let left = ask(&mut observer, index).await;
    run(&mut holder, "ROLLBACK; SELECT pg_advisory_unlock_all()").await.expect("it ends");
    run(&mut other, "ROLLBACK").await.expect("it ends");

    let again = CommandOutput::of(apply(migrations, &database, &[]));
    let then = CommandOutput::of(apply(migrations, &database, &[]));
    let found = state(&database).await;
    let index = ask(&mut observer, index).await;
    let as_left = match at {
        KillPoint::AuthState(_) => true,
        KillPoint::BeforeBuild => left == "none",
        KillPoint::InBuild => left.ends_with(" false") && again.err.contains("dropping invalid index public.log_what"),
        KillPoint::AfterBuild => left.ends_with(" true") && left == index,
    };
    let well = as_left && again.code == Some(0) && then.out.starts_with("nothing to do: ") && found == EXPECTED_STATE;
    (!well).then(|| format!("{at:?}: left {left}\n{found}\n{again:?}\n{then:?}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_resumes_after_sigkill_at_every_step() {
    let (migrations, gates) = folder();
    let points = (1..=gates).map(KillPoint::AuthState).chain([
        KillPoint::BeforeBuild,
        KillPoint::InBuild,
        KillPoint::AfterBuild,
    ]);
    let killed = stream::iter(points).map(|at| kill_and_rerun(at, &migrations)).buffer_unordered(4);
    let wrong: Vec<String> = killed.filter_map(|wrong| async { wrong }).collect().await;
    assert!(gates == 11 && wrong.is_empty(), "{gates} gates\n{}", wrong.join("\n\n"));
}
