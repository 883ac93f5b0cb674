//! Benchmark of the generator with a thousand tables, time and peak memory: `cargo bench -p tenant-tests`.
//!
//! Each measurement runs in a separate process, so that its peak memory is not mixed with another's.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use tenant_runtime::{
    Models,
    migrate::{folder::Folder, generate::generate},
    model::def::{ColumnDef, OnDelete, ReferenceDef, ScopeDef, SqlType, TableDef, TableName},
    roles::Organizations,
    tenant::Tenancy as _,
};
use tenant_tests::{TABLES, TempDir};

/// The environment variables that select a process's measurement and its folder.
const MEASUREMENT: &str = "TENANT_BENCH_WHAT";
const FOLDER: &str = "TENANT_BENCH_FOLDER";

fn main() {
    match (std::env::var(MEASUREMENT), std::env::var_os(FOLDER)) {
        (Ok(what), Some(folder)) => measure(&what, &PathBuf::from(folder)),
        _ => {
            let folder = TempDir::new();
            for what in ["generate from nothing", "check with no change"] {
                let program = std::env::current_exe().expect("the benchmark has a path");
                let mut child = Command::new(program);
                let status = child.env(MEASUREMENT, what).env(FOLDER, folder.path()).status().expect("it runs itself");
                assert!(status.success(), "{what}: {status}");
            }
        }
    }
}

fn measure(what: &str, folder: &Path) {
    let (models, folder) = (models(), Folder::new(folder));
    let start = Instant::now();
    let generated = generate(&models, &folder).unwrap_or_else(|error| panic!("{error}"));
    let written = generated.write(&folder, &std::collections::BTreeSet::new()).expect("the folder can be written");
    let elapsed = start.elapsed();
    assert_eq!(written.is_some(), what == "generate from nothing");
    let tables = generated.checked.schema.tables().len();
    println!("{what}: {tables} tables, {:.2} s, {} at most", elapsed.as_secs_f64(), peak());
}

/// Reads the peak memory of the process, where the system reports it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map_or_else(|| "unknown memory".to_owned(), |line| line.trim().to_owned())
}

/// A thousand tables: those of the example, so that policies check membership, and others with ten columns each.
fn models() -> Models {
    let more = (TABLES.len()..1000).map(table);
    tenant_runtime::models![tenant_examples].only(TABLES.into_iter().chain(more))
}

fn table(number: usize) -> &'static TableDef {
    let name = |text: String| &*text.leak();
    let project = TableName { schema: "app", table: "projects" };
    let plain = |name, ty, nullable| ColumnDef::blank(name, ty, nullable);
    let columns = vec![
        ColumnDef { id: true, app_assigned: false, ..plain("id", SqlType::Uuid, false) },
        ColumnDef { app_assigned: false, ..plain("organization_id", SqlType::Uuid, false) },
        ColumnDef {
            references: Some(ReferenceDef { table: project, on_delete: OnDelete::Cascade }),
            ..plain("project_id", SqlType::Uuid, false)
        },
        ColumnDef { unique: true, doc: "How people call it.", ..plain("name", SqlType::Text, false) },
        plain("description", SqlType::Text, true),
        ColumnDef { check: Some("quantity > 0"), ..plain("quantity", SqlType::Int4, false) },
        ColumnDef { default: Some("false"), ..plain("closed", SqlType::Bool, false) },
        ColumnDef { index: true, ..plain("position", SqlType::Int8, true) },
        ColumnDef { select: Some("admin"), ..plain("cost", SqlType::Int8, true) },
        ColumnDef { default: Some("now()"), ..plain("created_at", SqlType::Timestamptz, false) },
    ];
    Box::leak(Box::new(TableDef {
        rust_name: name(format!("Thing{number}")),
        name: TableName { schema: "app", table: name(format!("things_{number}")) },
        doc: "A thing of an organization.",
        scope: ScopeDef::Tenant { column: "organization_id" },
        select: Some("viewer"),
        insert: Some("member"),
        update: Some("member"),
        delete: Some("admin"),
        columns: columns.leak(),
        ..TableDef::blank(Organizations::DEF)
    }))
}
