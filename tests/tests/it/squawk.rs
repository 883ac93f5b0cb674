//! squawk, a linter for PostgreSQL migrations, on every generated up file: each warning is fixed or listed with a reason.
//!
//! It runs where squawk is on the path or named by `TENANT_SQUAWK`. `.ci/run` installs it with pip.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
};

use tenant_tests::{TempDir, example_migrations_dir};

/// The accepted warnings with their reasons: the lines of `squawk.txt`, by rule.
struct Accepted {
    rule: String,
    /// The prefixes of the file names; `*` for all files.
    files: Vec<String>,
}

fn accepted() -> Vec<Accepted> {
    let text = include_str!("../../squawk.txt");
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let accepted = lines.map(|line| match line.splitn(3, " | ").collect::<Vec<_>>()[..] {
        [rule, files, reason] if reason.split(' ').count() > 3 => {
            Accepted { rule: rule.trim().to_owned(), files: files.split_whitespace().map(str::to_owned).collect() }
        }
        _ => panic!("`{line}` is not `rule | files | reason`"),
    });
    accepted.collect()
}

fn squawk() -> Option<PathBuf> {
    let named = std::env::var_os("TENANT_SQUAWK").map(PathBuf::from);
    let path = named.unwrap_or_else(|| "squawk".into());
    Command::new(&path).arg("--version").output().ok().filter(|output| output.status.success()).map(|_| path)
}

/// Every generated file that is not empty, with a name that shows its origin.
fn files() -> BTreeMap<String, String> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut files = BTreeMap::new();
    for folder in [golden.clone(), golden.join("evolve"), example_migrations_dir()] {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a file").path();
            let name = path.file_name().expect("a name").to_string_lossy().into_owned();
            let text = || fs::read_to_string(&path).expect("a text");
            if name.ends_with(".up.sql") {
                let name = if folder == example_migrations_dir() { format!("example.{name}") } else { name };
                files.insert(name, text());
            } else if let (true, Some(case)) = (folder.ends_with("evolve"), name.strip_suffix(".rs")) {
                files.extend(sections(&text()).into_iter().map(|(name, text)| (format!("{case}.{name}"), text)));
            }
        }
    }
    files
}

/// The files in the comment at the end of a case of `golden/evolve`, each below a line `== name ====`.
fn sections(text: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in text.lines().skip_while(|line| *line != "/*").take_while(|line| *line != "*/") {
        match (line.strip_prefix("== ").and_then(|line| line.split(' ').next()), sections.last_mut()) {
            (Some(name), _) => sections.push((name.to_owned(), String::new())),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => {}
        }
    }
    sections.retain(|(name, _)| name.ends_with(".up.sql"));
    sections
}

/// Runs squawk over files in a folder, and returns each rule and file of which it warns.
fn warnings(squawk: &Path, folder: &TempDir, names: &[&String], in_transaction: bool) -> BTreeSet<(String, String)> {
    let mut command = Command::new(squawk);
    command.args(["--reporter", "json", "--pg-version", "15"]).current_dir(folder.path()).args(names);
    if in_transaction {
        command.arg("--assume-in-transaction");
    }
    let output = command.output().expect("squawk runs");
    let text = String::from_utf8(output.stdout).expect("squawk writes text");
    let found: Vec<serde_json::Value> = serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}\n{}", String::from_utf8_lossy(&output.stderr)));
    let word = |warning: &serde_json::Value, key: &str| warning[key].as_str().expect("a text").to_owned();
    found.iter().map(|warning| (word(warning, "rule_name"), word(warning, "file"))).collect()
}

#[test]
fn squawk_warnings_are_listed_with_a_reason() {
    let Some(squawk) = squawk() else {
        // Written directly, since the harness captures the output of passing tests.
        let skipped = "SKIPPED squawk: it is not on the path, and TENANT_SQUAWK does not say where it is";
        writeln!(std::io::stderr(), "{skipped}").expect("stderr is open");
        return;
    };
    let (folder, files) = (TempDir::new(), files());
    for (name, text) in &files {
        folder.write(name, text);
    }
    let (alone, in_transaction): (Vec<_>, Vec<_>) =
        files.keys().partition(|name| files[*name].starts_with("-- no-transaction"));
    let mut found = warnings(&squawk, &folder, &in_transaction, true);
    if !alone.is_empty() {
        found.extend(warnings(&squawk, &folder, &alone, false));
    }
    let accepted = accepted();
    let covers = |accepted: &Accepted, (rule, file): &(String, String)| {
        accepted.rule == *rule && accepted.files.iter().any(|start| start == "*" || file.starts_with(start.as_str()))
    };
    let unlisted: Vec<_> =
        found.iter().filter(|found| !accepted.iter().any(|accepted| covers(accepted, found))).collect();
    let starts = accepted.iter().flat_map(|accepted| accepted.files.iter().map(|start| (&accepted.rule, start)));
    let warned = |rule: &str, start: &str| {
        found.iter().any(|(by, file)| by == rule && (start == "*" || file.starts_with(start)))
    };
    let stale: Vec<_> = starts.filter(|(rule, start)| !warned(rule, start)).collect();
    assert!(
        files.len() > 10 && unlisted.is_empty() && stale.is_empty(),
        "not listed: {unlisted:#?}\nlisted but not reported: {stale:#?}"
    );
}
