//! `renamed_from` that stays, goes and comes back: it is applied once, and a removed one is forgotten.

use std::collections::BTreeSet;

use tenant_runtime::{
    SqlType,
    migrate::{
        folder::Folder,
        generate::{Generated, generate},
    },
    model::def::ColumnDef,
};
use tenant_tests::TempDir;

use super::trial::{columns, generated, projects_with};

fn text(name: &'static str, renamed_from: Option<&'static str>) -> ColumnDef {
    ColumnDef { renamed_from, ..ColumnDef::blank(name, SqlType::Text, true) }
}

/// Generates and writes the migrations of a version; returns what was generated.
fn write(folder: &TempDir, more: Vec<ColumnDef>) -> Generated {
    let generated = generated(columns(more), folder.path());
    generated.write(&Folder::new(folder.path()), &BTreeSet::new()).expect("written");
    generated
}

fn renames(generated: &Generated) -> Vec<String> {
    generated.plan.describe_changes()
}

#[test]
fn rename_is_applied_once_and_listed_until_its_attribute_is_removed() {
    let folder = TempDir::new();
    let exchanged = || vec![text("a", Some("b")), text("b", Some("a"))];
    write(&folder, vec![text("a", None), text("b", None)]);
    let first = write(&folder, exchanged());
    let swap = ["rename column `app.projects.a` to `b`", "rename column `app.projects.b` to `a`"];
    assert_eq!((renames(&first), first.applied_renames()), (swap.map(str::to_owned).to_vec(), Vec::new()));
    let again = write(&folder, exchanged());
    let removable =
        ["`renamed_from = \"b\"` of column `app.projects.a`", "`renamed_from = \"a\"` of column `app.projects.b`"];
    assert_eq!((again.is_nothing(), again.applied_renames()), (true, removable.map(str::to_owned).to_vec()));
    // Without the attributes there is nothing to do, and the snapshot forgets them: the next exchange is a new one.
    let removed = write(&folder, vec![text("a", None), text("b", None)]);
    assert!(removed.is_nothing() && !folder.files()["snapshot.json"].contains("renamed_from"));
    assert_eq!(renames(&write(&folder, exchanged())), swap);
}

#[test]
fn attribute_that_stays_does_not_hide_a_later_rename() {
    let folder = TempDir::new();
    write(&folder, vec![text("a", None)]);
    write(&folder, vec![text("b", Some("a"))]);
    // `b` is renamed to `c`, and a new `a` becomes `b` later.
    write(&folder, vec![text("b", Some("a")), text("a", None)]);
    let moved = write(&folder, vec![text("c", Some("b")), text("b", Some("a"))]);
    assert_eq!(renames(&moved), ["rename column `app.projects.a` to `b`", "rename column `app.projects.b` to `c`"]);
}

#[test]
fn two_columns_with_one_previous_name_are_refused() {
    let folder = TempDir::new();
    write(&folder, vec![text("a", None)]);
    let both = projects_with(columns(vec![text("b", Some("a")), text("c", Some("a"))]));
    let refused = generate(&both, &Folder::new(folder.path()));
    let text = refused.expect_err("refused").to_string();
    let expected = "both column `app.projects.b` and column `app.projects.c` have `renamed_from = \"a\"`, but one name can be \
                    renamed only once";
    assert!(text.contains(expected), "{text}");
}
