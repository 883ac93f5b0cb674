//! The messages of applying migrations, as users read them, in a golden file with one section for each situation.
//!
//! `BLESS=1 cargo test -p tenant-tests --test it` updates `golden/messages/operations.md`.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    sync::{Mutex, PoisonError},
};

const GOLDEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/messages/operations.md");

const HEAD: &str = "# Messages about databases, files and hand-written SQL\n\n\
                    Written by the tests; see `tests/it/messages.rs`.\n";

/// The situations. A section of another situation is left over from a test that no longer exists.
const SITUATIONS: [&str; 46] = [
    "A bound login exists as another role",
    "A context key is not in the environment variable",
    "A context key is not in the file",
    "A context key is installed already",
    "A context key would be logged by the server",
    "A context key is installed by a login without privileges",
    "A database has no signed contexts",
    "A tenancy has no signed contexts",
    "A file contains COMMIT",
    "A file contains COPY FROM STDIN",
    "A file contains SET ROLE",
    "A file contains SET without LOCAL",
    "A file contains a command of psql",
    "A file contains set_config that is not local",
    "A file has Windows line endings after it was applied",
    "A file has Windows line endings after it was recorded",
    "A file has an ending in capital letters",
    "A file has the number 0",
    "A file is not UTF-8",
    "A file leaves a gap in the numbers",
    "A name is not UTF-8",
    "A new migration has a name that is taken",
    "A statement cannot run in a transaction",
    "A table of applied migrations is in another schema",
    "A table of applied migrations is in two schemas",
    "An update would skip the rows that policies hide",
    "The administrator lacks privileges",
    "The app's login is used to migrate",
    "The app's password is wrong",
    "The administrator's password is wrong",
    "The database does not exist",
    "The database is read-only",
    "The migration lock is held by another session",
    "The migration lock is held for too long",
    "The pooler does not know prepared statements",
    "The pooler refuses a startup parameter",
    "The server is a standby",
    "The URL contains no password",
    "The URL has an IPv6 address without brackets",
    "The URL is of JDBC",
    "The URL is of MySQL",
    "The URL is written as keywords",
    "The URL names a pooler in transaction mode",
    "Undo of a published migration",
    "Undo without git",
    "Reset of a database on another machine",
];

/// Compares the message of a situation with the golden file.
///
/// Process IDs, times and the folders of sockets are replaced, because they differ from run to run.
pub(super) fn assert_message(situation: &str, message: &str) {
    static FILE: Mutex<()> = Mutex::new(());
    assert!(SITUATIONS.contains(&situation), "`{situation}` is not in the list of situations");
    let message = without_details(message);
    let _file = FILE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut sections = sections();
    if std::env::var_os("BLESS").is_some() {
        sections.insert(situation.to_owned(), message);
        let mut text = HEAD.to_owned();
        for (situation, message) in &sections {
            let _ = write!(text, "\n## {situation}\n\n```text\n{message}\n```\n");
        }
        fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/golden/messages")).expect("a folder");
        fs::write(GOLDEN, text).expect("written");
        return;
    }
    assert_eq!(
        Some(&message),
        sections.get(situation),
        "{situation}: `BLESS=1` writes the file, then look at `git diff`"
    );
}

fn sections() -> BTreeMap<String, String> {
    let text = fs::read_to_string(GOLDEN).unwrap_or_default();
    let sections = text.split("\n## ").skip(1).filter_map(|section| section.split_once("\n\n```text\n"));
    let end =
        |message: &str| message.strip_suffix("\n```\n").or(message.strip_suffix("\n```")).unwrap_or(message).to_owned();
    sections.map(|(situation, message)| (situation.to_owned(), end(message))).collect()
}

/// Replaces what differs from run to run.
fn without_details(text: &str) -> String {
    let mut out = text.trim_end().to_owned();
    for (before, is_detail, shown) in [
        ("process ", char::is_numeric as fn(char) -> bool, "4711"),
        ("pg_terminate_backend(", char::is_numeric, "4711"),
        ("connected since ", |c| c.is_numeric() || "-: ".contains(c), "2026-01-31 12:00:00 "),
        ("/tmp/", |c| c.is_alphanumeric() || "-_./".contains(c), "…"),
    ] {
        let mut rest = out.split(before);
        let mut next = rest.next().unwrap_or_default().to_owned();
        for part in rest {
            let _ = write!(next, "{before}{shown}{}", part.trim_start_matches(is_detail));
        }
        out = next;
    }
    out
}

#[test]
fn every_message_belongs_to_a_situation_of_a_test() {
    let written: Vec<_> = sections().into_keys().collect();
    let mut listed = SITUATIONS.map(str::to_owned).to_vec();
    listed.sort();
    assert_eq!(written, listed);
}
