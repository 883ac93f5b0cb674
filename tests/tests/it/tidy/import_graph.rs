//! Which files of a crate import which, by the paths that they write, and the cycles among them.
//!
//! A file may use the items of the modules that contain it, so an import from an ancestor does not count. A name that an ancestor
//! imports itself counts as an import of the file that defines it.

use std::collections::{BTreeMap, BTreeSet};

/// A path of names from the root of the crate.
type Path = Vec<String>;

/// The files that each file imports, by their paths from the crate's `src`.
pub(super) fn graph(files: impl Iterator<Item = (String, String)>) -> BTreeMap<String, BTreeSet<String>> {
    let files: BTreeMap<Path, (String, Vec<String>)> =
        files.map(|(path, text)| (module(&path), (path, tokens(&text)))).collect();
    let paths: BTreeMap<&Path, Vec<(Path, String)>> =
        files.iter().map(|(module, (_, tokens))| (module, paths(module, tokens))).collect();
    let mut graph = BTreeMap::new();
    for (module, (file, _)) in &files {
        let found = paths[module].iter().filter_map(|(path, _)| resolve(path, &paths, 8));
        let found = found.filter(|other| !module.starts_with(other));
        graph.insert(file.clone(), found.map(|other| files[&other].0.clone()).collect());
    }
    graph
}

/// The module of a file: `diff/mod.rs` is `diff`, and `lib.rs` the root.
fn module(file: &str) -> Path {
    let mut names: Path = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    names.pop_if(|name| name == "mod" || name == "lib");
    names
}

/// Splits code into words and punctuation, without comments, literals and the tests at its end.
fn tokens(text: &str) -> Vec<String> {
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = code;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            end_of_string(rest)
        } else if rest.starts_with("r#\"") {
            rest.find("\"#").map_or(rest.len(), |end| end + 2)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\''") {
            rest[1..].find('\'').map_or(1, |end| end + 2)
        } else if is_word(first) {
            let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            tokens.push(rest[..length].to_owned());
            length
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            _ => escaped = c == '\\' && !escaped,
        }
    }
    text.len()
}

/// The paths that begin with `crate`, `self` or `super`, each with the name under which it is imported.
fn paths(module: &[String], tokens: &[String]) -> Vec<(Path, String)> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let starts = ["crate", "self", "super"].contains(&token.as_str());
        let continues = at > 0 && ["::", "$"].contains(&tokens[at - 1].as_str());
        if starts && !continues && tokens.get(at + 1).is_some_and(|next| next == "::") {
            tree(module, &tokens[at..], &Vec::new(), &mut found);
        }
    }
    found
}

/// Reads one path, or a list of them in braces, and returns how many tokens it has.
fn tree(module: &[String], tokens: &[String], before: &[String], found: &mut Vec<(Path, String)>) -> usize {
    let mut path = before.to_vec();
    let mut at = 0;
    loop {
        match tokens.get(at).map(String::as_str) {
            Some("{") => {
                at += 1;
                while tokens.get(at).is_some_and(|token| token != "}") {
                    at += tree(module, &tokens[at..], &path, found);
                    at += usize::from(tokens.get(at).is_some_and(|token| token == ","));
                }
                return at + 1;
            }
            Some("crate") => path = Vec::new(),
            Some("self") if path.is_empty() => path = module.to_vec(),
            Some("super") => {
                if at == 0 {
                    path = module.to_vec();
                }
                path.pop();
            }
            Some("self") => {}
            Some(word) => path.push(word.to_owned()),
            None => return at,
        }
        at += 1;
        match tokens.get(at).map(String::as_str) {
            Some("::") if tokens.get(at + 1).is_some_and(|next| next != "<") => at += 1,
            Some("as") => {
                found.push((path, tokens[at + 1].clone()));
                return at + 2;
            }
            _ => {
                let name = path.last().cloned().unwrap_or_default();
                found.push((path, name));
                return at;
            }
        }
    }
}

/// The module of the file in which what a path names is defined; a name that a module imports is looked up where it comes from.
fn resolve(path: &[String], imports: &BTreeMap<&Path, Vec<(Path, String)>>, depth: usize) -> Option<Path> {
    let length = (0..=path.len()).rev().find(|length| imports.contains_key(&path[..*length].to_vec()))?;
    let (module, rest) = path.split_at(length);
    if let Some(name) = rest.first()
        && let Some((origin, _)) = imports[&module.to_vec()].iter().find(|(from, named)| named == name && from != path)
        && depth > 0
    {
        return resolve(origin, imports, depth - 1);
    }
    Some(module.to_vec())
}

/// The groups of files that import each other, directly or through others.
pub(super) fn cycles(graph: &BTreeMap<String, BTreeSet<String>>) -> Vec<Vec<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> =
        graph.keys().map(|file| (file, reachable(file, graph))).collect();
    let mut cycles = BTreeSet::new();
    for file in graph.keys().filter(|file| reached[file].contains(file)) {
        let group = reached[file].iter().filter(|other| reached[*other].contains(file));
        cycles.insert(group.map(|other| (*other).clone()).collect::<Vec<_>>());
    }
    cycles.into_iter().collect()
}

fn reachable<'g>(from: &str, graph: &'g BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'g String> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&String> = graph[from].iter().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(&graph[file]);
        }
    }
    reached
}

#[test]
fn imports_are_followed_through_lists_and_re_exports() {
    let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
    let files = [
        file("lib.rs", "pub mod a;\nmod b;\npub use self::a::{one::One as First, two};"),
        file("a/mod.rs", "mod one;\npub mod two;\npub use self::one::One;\npub fn helper() {}"),
        file(
            "a/one.rs",
            "use super::{helper, two::{self, Two}};\n// use crate::b::Nothing;\nlet text = \"crate::b::X\";",
        ),
        file("a/two.rs", "fn f() { super::One::new::<u8>() }"),
        file("b.rs", "use crate::{a::One, First};"),
    ];
    let graph = graph(files.into_iter());
    let imports = |file: &str| graph[file].iter().map(String::as_str).collect::<Vec<_>>();
    assert_eq!(imports("lib.rs"), ["a/one.rs", "a/two.rs"]);
    assert_eq!(imports("a/one.rs"), ["a/two.rs"]);
    assert_eq!(imports("a/two.rs"), ["a/one.rs"]);
    assert_eq!(imports("b.rs"), ["a/one.rs"]);
    assert_eq!(cycles(&graph), [["a/one.rs", "a/two.rs"]]);
}
