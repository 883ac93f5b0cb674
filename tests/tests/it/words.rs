//! Vocabulary: the words in `words.txt` do not occur in messages, help texts, generated SQL or documentation.

use std::{fs, path::Path};

use super::tidy::{root, sources};

/// A banned word with its replacement and the paths in which it may occur.
struct Rule {
    words: Vec<String>,
    instead: String,
    allowed: Vec<String>,
}

fn rules() -> Vec<Rule> {
    let text = fs::read_to_string(root().join("tests/words.txt")).expect("the word list");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let mut cells = line.split('|').map(str::trim);
            let words = cells.next().expect("words").split_whitespace().map(str::to_owned).collect();
            let instead = cells.next().expect("a replacement").to_owned();
            let allowed = cells.next().unwrap_or_default().split(',').map(|path| path.trim().to_owned());
            Rule { words, instead, allowed: allowed.filter(|path| !path.is_empty()).collect() }
        })
        .collect()
}

/// The comments and the string literals with more than one word of Rust source, with their line numbers.
fn prose_of_rust(source: &str) -> Vec<(usize, String)> {
    let chars: Vec<char> = source.chars().collect();
    let (mut prose, mut line, mut at) = (Vec::new(), 1, 0);
    let starts_with = |at: usize, text: &str| text.chars().enumerate().all(|(i, c)| chars.get(at + i) == Some(&c));
    while at < chars.len() {
        let (begin, first_line) = (at, line);
        if starts_with(at, "//") {
            while at < chars.len() && chars[at] != '\n' {
                at += 1;
            }
            prose.push((first_line, chars[begin + 2..at].iter().collect()));
        } else if chars[at] == 'r' && matches!(chars.get(at + 1), Some('"' | '#')) && !is_word(&chars, at) {
            let hashes = chars[at + 1..].iter().take_while(|c| **c == '#').count();
            if chars.get(at + 1 + hashes) == Some(&'"') {
                let end = format!("\"{}", "#".repeat(hashes));
                at += hashes + 2;
                while at < chars.len() && !starts_with(at, &end) {
                    at += 1;
                }
                prose.push((first_line, chars[begin + hashes + 2..at.min(chars.len())].iter().collect()));
                at += end.len();
            } else {
                at += 1;
            }
        } else if chars[at] == '"' {
            at += 1;
            while at < chars.len() && chars[at] != '"' {
                at += if chars[at] == '\\' { 2 } else { 1 };
            }
            let text: String = chars[begin + 1..at.min(chars.len())].iter().collect();
            if text.trim().contains(' ') {
                prose.push((first_line, text));
            }
            at += 1;
        } else if chars[at] == '\'' && (chars.get(at + 2) == Some(&'\'') || chars.get(at + 1) == Some(&'\\')) {
            at += 2;
            while at < chars.len() && chars[at] != '\'' {
                at += 1;
            }
            at += 1;
        } else {
            at += 1;
        }
        line += chars[begin..at.min(chars.len())].iter().filter(|c| **c == '\n').count();
    }
    prose
}

/// Whether the character before `at` belongs to an identifier, so that an `r` there begins no raw string.
fn is_word(chars: &[char], at: usize) -> bool {
    at > 0 && (chars[at - 1].is_alphanumeric() || chars[at - 1] == '_')
}

/// The lines of a Markdown page without its code blocks.
fn prose_of_markdown(text: &str) -> Vec<(usize, String)> {
    let mut in_code = false;
    let mut prose = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            prose.push((index + 1, line.to_owned()));
        }
    }
    prose
}

/// Comments, COMMENT ON texts and messages of generated SQL.
fn prose_of_sql(text: &str) -> Vec<(usize, String)> {
    let is_prose = |line: &str| ["--", "COMMENT ON", "HINT", "RAISE"].iter().any(|part| line.contains(part));
    let lines = text.lines().enumerate().filter(|(_, line)| is_prose(line));
    lines.map(|(index, line)| (index + 1, line.to_owned())).collect()
}

/// Removes text in backticks, and PostgreSQL's term `SECURITY DEFINER`.
fn without_code(text: &str) -> String {
    let outside = text.split('`').step_by(2).collect::<Vec<_>>().join(" ");
    outside.replace("SECURITY DEFINER", "").replace("security definer", "")
}

fn files(folder: &str, extension: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("a file").path();
            // A symbolic link leads to pages that are checked at their original path.
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found
}

fn all_prose() -> Vec<(String, usize, String)> {
    let shown = |path: &Path| path.strip_prefix(root()).expect("it is below").display().to_string();
    let read = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut prose = Vec::new();
    let mut add = |path: &Path, lines: Vec<(usize, String)>| {
        prose.extend(lines.into_iter().map(|(line, text)| (shown(path), line, without_code(&text))));
    };
    for folder in ["tenant-derive/src", "tenant-runtime/src", "examples/src"] {
        for path in sources(&root().join(folder)) {
            add(&path, prose_of_rust(&read(&path)));
        }
    }
    for name in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "SECURITY.md", "examples/README.md"] {
        add(&root().join(name), prose_of_markdown(&read(&root().join(name))));
    }
    for path in ["docs/src", "tenant-runtime/codes"].into_iter().flat_map(|folder| files(folder, "md")) {
        add(&path, prose_of_markdown(&read(&path)));
    }
    for path in ["tests/golden", "examples/migrations"].into_iter().flat_map(|folder| files(folder, "sql")) {
        add(&path, prose_of_sql(&read(&path)));
    }
    prose
}

#[test]
fn banned_words_do_not_occur_in_prose() {
    let (rules, prose) = (rules(), all_prose());
    let mut found = Vec::new();
    for (path, line, text) in &prose {
        let lower = text.to_lowercase();
        let words = lower.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty());
        for word in words {
            for rule in rules.iter().filter(|rule| rule.words.iter().any(|banned| banned == word)) {
                if !rule.allowed.iter().any(|allowed| path.starts_with(allowed)) {
                    found.push(format!("{path}:{line}: `{word}`; use: {}", rule.instead));
                }
            }
        }
    }
    assert!(found.is_empty(), "{} uses of banned words:\n{}", found.len(), found.join("\n"));
}

#[test]
fn prose_extraction_finds_comments_and_messages() {
    let source =
        "// a note\nlet x = \"two words\"; let y = \"one\"; let c = '\"'; /// doc `code`\nr#\"raw \"text\" here\"#";
    let found: Vec<_> = prose_of_rust(source).into_iter().map(|(line, text)| (line, text.trim().to_owned())).collect();
    let expected = [(1, "a note"), (2, "two words"), (2, "/ doc `code`"), (3, "raw \"text\" here")];
    assert_eq!(found, expected.map(|(line, text)| (line, text.to_owned())));
    assert_eq!(without_code("a `founder` of SECURITY DEFINER functions").split_whitespace().count(), 3);
}
