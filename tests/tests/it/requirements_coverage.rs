//! `REQUIREMENTS.md` and `PITFALLS.md` checked against the existing tests: no row is missing and every named test exists.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

/// All tests of the workspace: `module::function` of each `#[test]` function, the UI cases, and the golden cases.
fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders =
        ["tests/tests/it", "tenant-runtime/src", "tenant-derive/src"].map(|name| root().join(name)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a file").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a text");
                let stem = path.file_stem().expect("a name").to_string_lossy().into_owned();
                let parent = path.parent().and_then(Path::file_name).expect("a folder").to_string_lossy().into_owned();
                let module = if stem == "mod" { parent } else { stem };
                found.extend(functions_under_test(&text).into_iter().map(|name| format!("{module}::{name}")));
            }
        }
    }
    for entry in fs::read_dir(root().join("tests/ui/fail")).expect("the cases") {
        let path = entry.expect("a file").path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            found.insert(format!("ui/fail/{}", path.file_name().expect("a name").to_string_lossy()));
        }
    }
    let findings = fs::read_to_string(root().join("tests/golden/findings.txt")).expect("the findings");
    found.extend(findings.lines().filter_map(|line| Some(format!("finding: {}", line.strip_prefix("== ")?))));
    found
}

fn functions_under_test(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let line = line.trim();
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            let function = lines.find_map(|line| line.trim().trim_start_matches("async ").strip_prefix("fn "));
            names.extend(function.and_then(|rest| rest.split('(').next()).map(str::to_owned));
        }
    }
    names
}

/// The rows of a list's tables: the first cell, and the last.
fn rows(file: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("tests").join(file)).expect(file);
    let cells = |line: &str| line.trim().trim_matches('|').split(" | ").map(|cell| cell.trim().to_owned()).collect();
    let lines =
        text.lines().filter(|line| line.starts_with('|') && !line.starts_with("|-") && !line.starts_with("| row"));
    lines.map(cells).map(|cells: Vec<String>| (cells[0].clone(), cells.last().expect("a cell").clone())).collect()
}

/// The errors of a list: rows that are missing or duplicated, tests that do not exist, and rows without a statement.
fn list_errors(file: &str, wanted: &[String]) -> Vec<String> {
    let tests = tests();
    let mut wrong = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (row, covered) in rows(file) {
        let named = covered.split('`').skip(1).step_by(2);
        let named =
            named.filter(|name| name.contains("::") || name.starts_with("ui/") || name.starts_with("finding: "));
        wrong.extend(
            named.filter(|name| !tests.contains(*name)).map(|name| format!("{row}: test `{name}` does not exist")),
        );
        if covered.len() < 20 {
            wrong.push(format!("{row}: says nothing"));
        }
        *seen.entry(row).or_default() += 1;
    }
    wrong.extend(wanted.iter().filter(|row| seen.get(*row) != Some(&1)).map(|row| format!("{row}: not there once")));
    wrong.extend(seen.keys().filter(|row| !wanted.contains(row)).map(|row| format!("{row}: no such row")));
    wrong
}

#[test]
fn requirement_rows_name_existing_tests() {
    let wanted: Vec<String> = (1..=15).map(|n| format!("A{n}")).chain((1..=12).map(|n| format!("B{n}"))).collect();
    assert_eq!(list_errors("REQUIREMENTS.md", &wanted), Vec::<String>::new());
}

#[test]
fn requirement_tests_are_listed_in_their_row() {
    let rows = rows("REQUIREMENTS.md");
    let of = |test: &str| {
        let row = test.split_once("::")?.1.split('_').next()?;
        let (letter, number) = row.split_at_checked(1)?;
        Some(format!("{}{}", letter.to_uppercase(), number.trim_start_matches('0')))
    };
    let seeds = tests().into_iter().filter(|test| test.starts_with("requirements::"));
    let listed = |test: &str| {
        rows.iter().any(|(row, text)| Some(row) == of(test).as_ref() && text.contains(&format!("`{test}`")))
    };
    assert_eq!(seeds.filter(|test| !listed(test)).collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn pitfall_rows_name_existing_tests() {
    let wanted: Vec<String> = (1..=31).map(|n| format!("F{n}")).chain((1..=29).map(|n| format!("S{n}"))).collect();
    assert_eq!(list_errors("PITFALLS.md", &wanted), Vec::<String>::new());
}
