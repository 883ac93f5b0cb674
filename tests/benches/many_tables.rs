//! Benchmark of a schema with many wide tables: `cargo bench -p tenant-tests --bench many_tables`.
//!
//! Generates, applies, audits and verifies 50 and 200 tables of 40 columns on a temporary server. The growth from 50 to 200
//! tables is the result to look at: 4.0 is linear.

use std::time::Instant;

use tenant_runtime::{
    Migrations, Models,
    analyze::check,
    audit::audit,
    migrate::{folder::Folder, generate::generate},
    model::def::{ColumnDef, OnDelete, ReferenceDef, ScopeDef, SqlType, TableDef, TableName, UniqueScope},
    roles::Organizations,
    tenant::Tenancy as _,
    verify::{VerifyOptions, verify},
};
use tenant_tests::{
    Database, TABLES, TempDir,
    benchmark::{full_or_quick, report::Report, requested},
};

/// The steps that are measured.
const STEPS: [&str; 4] = ["generate", "apply", "audit", "verify"];

#[tokio::main]
async fn main() {
    if !requested() {
        return;
    }
    let sizes = full_or_quick([50, 200], [15, 30]);
    let mut seconds = Vec::new();
    for size in sizes {
        seconds.push(measure(size).await);
    }
    let row = |(at, step): (usize, &str)| {
        let [few, many] = [seconds[0][at], seconds[1][at]];
        vec![step.to_owned(), format!("{few:.2}"), format!("{many:.2}"), format!("{:.1}", many / few)]
    };
    let table: Vec<_> = STEPS.into_iter().enumerate().map(row).collect();
    let about = "The commands on tables of 40 columns, in seconds.";
    let mut report = Report::new("many_tables", "Commands on many tables", about);
    let [few, many] = sizes.map(|size| format!("{size} tables"));
    report.table(&[String::new(), few, many, "growth".to_owned()], &table);
    report.finish();
}

async fn measure(size: usize) -> [f64; 4] {
    let models = models(size);
    let folder = TempDir::new();
    let start = Instant::now();
    let generated = generate(&models, &Folder::new(folder.path())).unwrap_or_else(|error| panic!("{error}"));
    let written = generated
        .write(&Folder::new(folder.path()), &std::collections::BTreeSet::new())
        .expect("the folder can be written");
    assert!(written.is_some());
    let generated = start.elapsed();
    let database = Database::empty().await;
    let url = database.admin_url();
    let start = Instant::now();
    let migrations = Migrations::from_dir(folder.path()).await.expect("the migrations are read");
    migrations.apply(&url, &mut |_| ()).await.expect("the migrations are applied");
    let applied = start.elapsed();
    let start = Instant::now();
    let schema = check(&models).expect("the models have no errors").schema;
    let report = audit(&mut database.admin().await, &schema).await.expect("the audit runs");
    let audited = start.elapsed();
    assert!(report.is_clean(), "{report}");
    let start = Instant::now();
    let report = verify(&url, &models, &VerifyOptions::default()).await.expect("the verification runs");
    let verified = start.elapsed();
    assert!(report.is_clean(), "{report}");
    [generated, applied, audited, verified].map(|elapsed| elapsed.as_secs_f64())
}

/// The tables of the example, so that policies check membership, and others with 40 columns each.
fn models(size: usize) -> Models {
    let more = (TABLES.len()..size).map(table);
    tenant_runtime::models![tenant_examples].only(TABLES.into_iter().chain(more))
}

fn table(number: usize) -> &'static TableDef {
    let name = |text: String| &*text.leak();
    let project = TableName { schema: "app", table: "projects" };
    let plain = |name, ty, nullable| ColumnDef::blank(name, ty, nullable);
    let mut columns = vec![
        ColumnDef { id: true, app_assigned: false, ..plain("id", SqlType::Uuid, false) },
        ColumnDef { app_assigned: false, ..plain("organization_id", SqlType::Uuid, false) },
        ColumnDef {
            references: Some(ReferenceDef::new(project, OnDelete::Cascade)),
            ..plain("project_id", SqlType::Uuid, false)
        },
        ColumnDef { unique: Some(UniqueScope::Tenant), ..plain("name", SqlType::Text, false) },
        ColumnDef { check: Some("quantity > 0"), ..plain("quantity", SqlType::Int4, false) },
        ColumnDef { default: Some("now()"), ..plain("created_at", SqlType::Timestamptz, false) },
    ];
    let types = [SqlType::Text, SqlType::Int8, SqlType::Bool, SqlType::Date];
    columns.extend((columns.len()..40).map(|at| plain(name(format!("field_{at}")), types[at % types.len()], true)));
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
