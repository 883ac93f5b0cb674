//! Migration files of other systems: line endings, byte order marks, encodings, endings in capital letters, and numbers.

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _};

use tenant_runtime::{Error, MigrationError, Migrations};
use tenant_tests::{Database, TempDir};

use super::{
    command_line::{generated, on},
    messages::assert_message,
};

const UP: &str = "0001_init.up.sql";

/// What the generator and `apply` say about a folder.
async fn said(folder: &TempDir) -> (String, String) {
    let applied = Migrations::from_dir(folder.path()).await.expect_err("the folder is wrong").to_string();
    (
        on(folder.path(), &["--check"]).expect_failure().replace(&folder.path().display().to_string(), "migrations"),
        applied,
    )
}

#[tokio::test]
async fn files_that_would_be_skipped_or_cannot_be_read_are_named_with_the_cause() {
    type Damage = fn(&TempDir);
    let cases: [(&str, Damage); 4] = [
        ("A file has an ending in capital letters", |folder| folder.write("0002_more.UP.SQL", "SELECT 1;")),
        ("A file has the number 0", |folder| folder.write("0000_first.up.sql", "SELECT 1;")),
        ("A file is not UTF-8", |folder| {
            fs::write(folder.join("0002_more.sql"), b"SELECT 1;\n-- caf\xE9\n").expect("ours")
        }),
        ("A name is not UTF-8", |folder| {
            fs::write(folder.path().join(OsStr::from_bytes(b"0002_caf\xE9.sql")), "SELECT 1;").expect("ours");
        }),
    ];
    for (situation, damage) in cases {
        let folder = generated();
        damage(&folder);
        let (checked, applied) = said(&folder).await;
        let cause = checked.split_once(": `").or(checked.split_once(": the name")).expect("a cause").1;
        assert!(applied.contains(cause.trim_end()), "{checked}\n{applied}");
        assert_message(situation, &checked);
    }
    let folder = generated();
    folder.write("99999999999999999999_more.sql", "SELECT 1;");
    assert!(said(&folder).await.1.contains("is too large"));
}

#[tokio::test]
async fn line_endings_are_named_as_the_cause_of_another_checksum() {
    let (folder, database) = (generated(), Database::empty().await);
    let text = folder.files().remove(UP).expect("the migration");
    let windows = text.replace('\n', "\r\n");
    let apply = async || {
        let migrations = Migrations::from_dir(folder.path()).await?;
        Ok::<_, Error>(migrations.apply(&database.admin_url(), &mut |_| {}).await?.versions)
    };
    apply().await.expect("it applies");
    folder.write(UP, &windows);
    let applied = apply().await.expect_err("its checksum differs").to_string();
    assert_message("A file has Windows line endings after it was applied", &applied);
    let recorded = on(folder.path(), &["--check"]).expect_failure();
    let recorded = recorded.replace(&folder.path().display().to_string(), "migrations");
    assert_message("A file has Windows line endings after it was recorded", &recorded);
    folder.write(UP, &format!("\u{feff}{text}"));
    assert!(matches!(apply().await, Err(Error::Migration(MigrationError::LineEndings { .. }))));
    folder.write(UP, &format!("{windows}-- edited"));
    assert!(matches!(apply().await, Err(Error::Migration(MigrationError::Changed { .. }))));
    folder.write(UP, &text);
    // A hand-written file gets the checksum that other checkouts have.
    folder.write("0002_more.up.sql", "SELECT 1;\r\n");
    let new = on(folder.path(), &[]).expect_failure();
    assert!(new.contains("`0002_more.up.sql` has Windows line endings (CRLF)"), "{new}");
    folder.write("0002_more.up.sql", "\u{feff}SELECT 1;\n");
    let marked = [on(folder.path(), &[]).expect_failure(), apply().await.expect_err("refused").to_string()];
    assert!(marked.iter().all(|said| said.contains("the file begins with a byte order mark")), "{marked:?}");
}

#[test]
fn gap_in_the_numbers_is_noted_when_it_is_recorded() {
    let folder = generated();
    folder.write("0004_more.up.sql", "SELECT 1;");
    let out = on(folder.path(), &[]).expect_success();
    let note = out.lines().find(|line| line.starts_with("note: ")).expect("a note");
    assert_message("A file leaves a gap in the numbers", note);
    folder.write("20260101120000_timestamp.up.sql", "SELECT 1;");
    let out = on(folder.path(), &[]).expect_success();
    assert!(!out.contains("note: "), "{out}");
}
