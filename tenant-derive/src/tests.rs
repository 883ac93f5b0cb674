//! Snapshots of expansions: each file in `expansions/` contains a declaration and, below the line, its expansion.
//!
//! `BLESS=1 cargo test -p tenant-derive` rewrites the lower halves.

use std::{env, fs, path::Path};

use quote::ToTokens as _;
use syn::{DeriveInput, Item};

use crate::keys;

const LINE: &str = "// ---- expands to ----\n";

#[test]
fn expansions_match_the_recorded_files() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("expansions");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("the folder").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    let mut changed = Vec::new();
    for path in paths {
        let recorded = fs::read_to_string(&path).expect("a readable file");
        let input = recorded.split(LINE).next().unwrap_or_default().trim_end();
        let rendered = format!("{input}\n\n{LINE}\n{}", expand(input));
        if rendered != recorded {
            if env::var_os("BLESS").is_some() {
                fs::write(&path, rendered).expect("a writable file");
            } else {
                changed.push(path);
            }
        }
    }
    assert!(changed.is_empty(), "these expand to something else, see BLESS in src/tests.rs: {changed:#?}");
}

#[test]
fn ten_field_expansion_stays_under_320_lines() {
    let recorded = include_str!("../expansions/ten_fields.rs");
    let expansion = recorded.split(LINE).nth(1).unwrap_or_default();
    assert!((50..320).contains(&expansion.lines().count()), "{} lines", expansion.lines().count());
}

#[test]
fn documentation_tables_list_every_key() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let tables =
        [("table_keys.md", keys::documentation(keys::TABLE)), ("field_keys.md", keys::documentation(keys::FIELD))];
    for (name, text) in tables {
        if env::var_os("BLESS").is_some() {
            fs::write(folder.join(name), &text).expect("a writable file");
        }
        assert_eq!(fs::read_to_string(folder.join(name)).expect("a readable file"), text, "{name}; see BLESS");
    }
}

#[test]
#[should_panic(expected = "never read")]
fn dropping_unread_diagnostics_panics() {
    drop(crate::diag::Diag::new());
}

fn expand(input: &str) -> String {
    let file = syn::parse_file(input).expect("a declaration");
    let expansion = file.items.iter().map(|item| match item {
        Item::Struct(item) => {
            let input = derive_input(item.to_token_stream());
            let is_view = item.attrs.iter().any(|attr| attr.to_token_stream().to_string().contains("TenantView"));
            if is_view { crate::view::derive(&input) } else { crate::table(&input) }
        }
        Item::Enum(item) => crate::enums::derive(&derive_input(item.to_token_stream())),
        other => panic!("neither a struct nor an enum: {}", other.to_token_stream()),
    });
    let expansion = syn::parse2(expansion.collect()).expect("items");
    prettyplease::unparse(&expansion)
}

fn derive_input(tokens: proc_macro2::TokenStream) -> DeriveInput {
    syn::parse2(tokens).expect("what a derive takes")
}
