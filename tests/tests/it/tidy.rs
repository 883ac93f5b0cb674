//! Source conventions checked by a program: module docs, file length, layering and forbidden markers.

mod import_graph;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// The modules of tenant-runtime in the order of the data flow: each imports only from modules before it.
///
/// `lib.rs` names all of them.
const LAYERS: [&str; 27] = [
    "ident",
    "hex",
    "model",
    "registry",
    "analyze",
    "snapshot",
    "diff",
    "plan",
    "sql",
    "tenant",
    "roles",
    "error",
    "db",
    "repo",
    "session",
    "cross_tenant",
    "axum",
    "migrate",
    "audit",
    "matrix",
    "verify",
    "why",
    "server",
    "testing",
    "password",
    "codes",
    "cli",
];

/// Imports against the order, each with its reason.
const EXCEPTIONS: [(&str, &str, &str); 0] = [];

/// The generator's core, which computes without any I/O.
const PURE: [&str; 7] = ["ident", "model", "analyze", "snapshot", "diff", "plan", "sql"];

pub(super) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

/// The `.rs` files under a folder, without those that are inputs or outputs of tests.
pub(super) fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("a file").path();
        if path.is_dir() && !["ui", "expand", "snapshots", "golden"].iter().any(|name| path.ends_with(name)) {
            files.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// All files that the rules apply to, by their path from the workspace's root, with their text.
fn all() -> BTreeMap<String, String> {
    let folders =
        ["tenant-derive/src", "tenant-runtime/src", "examples/src", "examples/tests", "tests/src", "tests/tests"];
    let files = folders.into_iter().flat_map(|folder| sources(&root().join(folder)));
    files.map(|path| (shown(&path), fs::read_to_string(&path).expect("a text"))).collect()
}

fn shown(path: &Path) -> String {
    path.strip_prefix(root()).expect("it is below").display().to_string()
}

/// The files of tenant-runtime with their module, except `lib.rs`, without comments and tests.
fn modules() -> Vec<(String, String, String)> {
    let prefix = "tenant-runtime/src/";
    let own = all().into_iter().filter_map(|(path, text)| Some((path.strip_prefix(prefix)?.to_owned(), text)));
    let code = own.filter(|(path, _)| path != "lib.rs" && !path.ends_with("tests.rs")).map(|(path, text)| {
        let module = path.split(['/', '.']).next().expect("a name").to_owned();
        let text = text.split("#[cfg(test)]\nmod tests").next().expect("a part").to_owned();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
        (module, path, code)
    });
    code.collect()
}

/// The modules after `crate::`, one or a list in braces.
fn imports(code: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (at, found) in code.match_indices("crate::") {
        if code[..at].ends_with('$') {
            continue;
        }
        let rest = &code[at + found.len()..];
        let mut depth = 0;
        let mut word = String::new();
        for c in rest.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                c if depth <= 1 && (c.is_alphanumeric() || c == '_') => word.push(c),
                _ if depth > 1 => {}
                // Only the first name of a path is the module.
                ':' if !word.is_empty() => {
                    names.insert(std::mem::take(&mut word));
                    word.push('!');
                }
                c if c == ',' || depth == 0 => {
                    names.insert(std::mem::take(&mut word));
                }
                _ => {}
            }
            if depth == 0 && !(c.is_alphanumeric() || c == '_') {
                break;
            }
        }
        names.insert(word);
    }
    names.retain(|name| !name.is_empty() && !name.starts_with('!'));
    names
}

#[test]
fn every_file_starts_with_a_module_doc() {
    let silent: Vec<String> =
        all().into_iter().filter(|(_, text)| !text.starts_with("//! ")).map(|(path, _)| path).collect();
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn no_file_is_longer_than_450_lines() {
    let long = all().into_iter().map(|(path, text)| (path, text.lines().count())).filter(|(_, lines)| *lines > 450);
    assert_eq!(long.collect::<Vec<_>>(), []);
}

#[test]
fn no_unfinished_code_markers() {
    // Concatenated, so that this file does not match.
    let words = [["todo", "!("], ["unimplemented", "!("], ["dbg", "!("], ["#[ig", "nore"], ["FIX", "ME"], ["XX", "X:"]];
    let words = words.map(|word| word.concat());
    let found = all().into_iter().flat_map(|(path, text)| {
        words
            .clone()
            .into_iter()
            .filter(move |word| text.contains(word.as_str()))
            .map(move |word| format!("{path}: {word}"))
    });
    assert_eq!(found.collect::<Vec<_>>(), Vec::<String>::new());
}

#[test]
fn assert_sql_safe_is_used_in_one_file_only() {
    let files: Vec<String> =
        modules().into_iter().filter(|(_, _, code)| code.contains("AssertSqlSafe")).map(|(_, path, _)| path).collect();
    assert_eq!(files, ["db/built_sql.rs"]);
}

#[test]
fn generator_core_does_no_io() {
    let outside = ["sqlx", "tokio", "fs", "env", "time", "net", "process", "thread", "HashMap", "HashSet"];
    let mut found = Vec::new();
    for (module, path, code) in modules() {
        if !PURE.contains(&module.as_str()) {
            continue;
        }
        let words: Vec<&str> = code.split(|c: char| !(c.is_alphanumeric() || c == '_')).collect();
        let uses = code.split("use std::").skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
        let std: BTreeSet<&str> = uses.flat_map(|rest| rest.split(|c: char| !c.is_alphanumeric())).collect();
        for name in outside {
            if std.contains(name) || code.contains(&format!("{name}::")) && words.contains(&name) {
                found.push(format!("{path}: {name}"));
            }
        }
    }
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn modules_import_only_lower_layers() {
    let place = |module: &str| LAYERS.iter().position(|layer| *layer == module);
    let mut wrong = Vec::new();
    for (module, path, code) in modules() {
        let Some(own) = place(&module) else {
            wrong.push(format!("{path}: `{module}` has no place in `LAYERS`"));
            continue;
        };
        for import in imports(&code) {
            // A name that is not a module is an item re-exported by lib.rs; the name does not show its module.
            let before = place(&import).is_some_and(|other| other <= own);
            if !before && !EXCEPTIONS.iter().any(|(from, to, _)| *from == module && *to == import) {
                wrong.push(format!("{path}: crate::{import}"));
            }
        }
    }
    // No file leaves its module by `super`, which would bypass the rule.
    let climbs = |path: &str, code: &str| {
        // `super` of a deeper mod.rs is still in the module.
        let top = !path.contains('/') || path.ends_with("/mod.rs") && path.matches('/').count() == 1;
        code.contains("super::super::") || top && code.contains("super::")
    };
    wrong.extend(
        modules().into_iter().filter(|(_, path, code)| climbs(path, code)).map(|(_, path, _)| path + ": super::"),
    );
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn files_do_not_import_each_other_in_cycles() {
    let mut cycles = Vec::new();
    for folder in ["tenant-derive/src/", "tenant-runtime/src/"] {
        let files = all().into_iter().filter_map(|(path, text)| Some((path.strip_prefix(folder)?.to_owned(), text)));
        let graph = import_graph::graph(files.filter(|(path, _)| !path.ends_with("tests.rs")));
        assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 20, "no imports found in {folder}");
        let paths = |cycle: Vec<String>| cycle.into_iter().map(|path| folder.to_owned() + &path).collect::<Vec<_>>();
        cycles.extend(import_graph::cycles(&graph).into_iter().map(paths));
    }
    assert_eq!(cycles, Vec::<Vec<String>>::new());
}

#[test]
fn layer_list_names_every_module() {
    let modules: BTreeSet<String> = modules().into_iter().map(|(module, ..)| module).collect();
    assert_eq!(modules, LAYERS.map(str::to_owned).into());
}

#[test]
fn every_crate_uses_the_workspace_lints() {
    let manifest = |member: &str| fs::read_to_string(root().join(member).join("Cargo.toml")).expect(member);
    let workspace = manifest(".");
    let members = workspace.lines().find_map(|line| line.strip_prefix("members = ")).expect("the members");
    let members = members.split('"').skip(1).step_by(2);
    let without: Vec<&str> = members.filter(|member| !manifest(member).contains("[lints]\nworkspace = true")).collect();
    // Tests may unwrap and print, so they have a separate list.
    let own = manifest("tests").contains("[lints.rust]\nunsafe_code = \"forbid\"\nmissing_docs = \"warn\"");
    assert_eq!((without, own), (vec!["tests"], true));
}

#[test]
fn import_parser_handles_lists_and_nesting() {
    let code =
        "use crate::a::B;\nuse crate::{\n    c,\n    d::{e, f::G},\n    h::I,\n};\nlet x = crate::j::k(); $crate::l!()";
    let found = imports(code);
    assert_eq!(found.iter().map(String::as_str).collect::<Vec<_>>(), ["a", "c", "d", "h", "j"]);
}
