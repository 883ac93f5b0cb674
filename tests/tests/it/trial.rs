//! The trial of the next migrations on a temporary PostgreSQL, before they are written.

use std::{collections::BTreeSet, path::Path};

use tenant_runtime::{
    Models,
    migrate::{
        folder::Folder,
        generate::{Generated, generate},
    },
    model::def::{ColumnDef, TableDef},
};
use tenant_tests::TempDir;

use super::{
    command_line::gen_migrations,
    running_app::models,
    sample_declarations::{NAME, leak, projects},
};

/// Models with one table, which has these columns.
pub(super) fn projects_with(columns: Vec<ColumnDef>) -> Models {
    models(leak(vec![TableDef { columns: leak(columns), ..projects() }]).iter().collect())
}

pub(super) fn generated(columns: Vec<ColumnDef>, folder: &Path) -> Generated {
    generate(&projects_with(columns), &Folder::new(folder)).expect("planned")
}

pub(super) fn columns(more: impl IntoIterator<Item = ColumnDef>) -> Vec<ColumnDef> {
    use super::sample_declarations::{ID, ORG};
    [ID, ORG, NAME].into_iter().chain(more).collect()
}

/// A folder with the first migration.
fn started(more: Vec<ColumnDef>) -> TempDir {
    let folder = TempDir::new();
    let first = generated(columns(more), folder.path());
    first.write(&Folder::new(folder.path()), &BTreeSet::new()).expect("written");
    folder
}

fn trial(more: Vec<ColumnDef>, folder: &TempDir) -> Result<String, String> {
    tenant_runtime::cli::trial(&generated(columns(more), folder.path()), &Folder::new(folder.path()))
}

#[test]
fn generated_migrations_are_tried_before_they_are_written() {
    let folder = TempDir::new();
    let path = folder.path().to_str().expect("a path of ASCII");
    let said = gen_migrations(&["--dir", path]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("tried on a temporary PostgreSQL "), "{said:?}");
    assert!(said.err.contains(": the next migrations can be applied"), "{said:?}");
    assert!(folder.names().contains(&"0001_init.up.sql".to_owned()));
}

#[test]
fn backfill_is_tried_over_generated_rows() {
    let folder = started(Vec::new());
    let slug = |backfill| ColumnDef {
        backfill: Some(backfill),
        ..ColumnDef::blank("slug", tenant_runtime::SqlType::Text, false)
    };
    let passed = trial(vec![slug("lower(name)")], &folder).expect("applied");
    assert!(passed.ends_with(": the next migrations were applied over 4 generated rows"), "{passed}");
    let failed = trial(vec![slug("slugify(name)")], &folder).expect_err("there is no such function");
    let parts = [
        "the next migrations fail on a temporary PostgreSQL ",
        ", so nothing was written\n  `0003_add_slug_to_projects_validate.up.sql`, line ",
        "function slugify(text) does not exist (SQLSTATE 42883)",
        "\n  help: correct the attribute that contains this SQL; to write the files anyway, re-run with `--no-trial`",
    ];
    assert!(parts.iter().all(|part| failed.contains(part)), "{failed}");
    let by_value = trial(vec![slug("(10 / (length(name) - 1))::text")], &folder).expect("it depends on the rows");
    assert!(
        by_value.contains("with generated rows, a migration fails, as it does if your rows have such values"),
        "{by_value}"
    );
    assert!(by_value.contains("division by zero (SQLSTATE 22012)"), "{by_value}");
}

#[test]
fn null_in_a_generated_row_is_reported_as_depending_on_rows() {
    let topic = |nullable| ColumnDef::blank("topic", tenant_runtime::SqlType::Text, nullable);
    let folder = started(vec![topic(true)]);
    let said = trial(vec![topic(false)], &folder).expect("it depends on the rows");
    assert!(said.contains("contains null values (SQLSTATE 23502)"), "{said}");
}
