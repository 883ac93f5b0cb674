//! Benchmark of the generator by number of tables, time and peak memory: `cargo bench -p tenant-tests --bench generator`.
//!
//! It measures the generation of the first migration, a run without a change, and a run in which one table has a new column with
//! an index. Each measurement runs in a separate process, so that its peak memory is not mixed with another's.

use std::{
    collections::BTreeSet,
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use tenant_examples::{Change, Invitation, OrgMember, Organization, Project, User};
use tenant_runtime::{
    Models, TenantTable as _,
    migrate::{folder::Folder, generate::generate},
    model::def::{
        ColumnDef, IndexDef, IndexKindDef, IndexPartDef, LabelsDef, OnDelete, ReferenceDef, RuleDef, ScopeDef, SqlType,
        TableDef, TableName, UniqueScope,
    },
    roles::Organizations,
    tenant::Tenancy as _,
};
use tenant_tests::{
    TempDir,
    benchmark::{full_or_quick, report::Report, requested},
};

/// The numbers of tables.
const SIZES: [usize; 4] = [10, 100, 1_000, 10_000];

/// The measurements of one size, in the order in which they run on the same folder.
const MEASUREMENTS: [&str; 3] = ["generate", "check", "one change"];

/// How often each measurement runs.
const RUNS: usize = 3;

/// The environment variables that select a process's measurement, number of tables and folder.
const MEASUREMENT: &str = "TENANT_BENCH_WHAT";
const TABLES: &str = "TENANT_BENCH_TABLES";
const FOLDER: &str = "TENANT_BENCH_FOLDER";

/// The tables of the example that the other tables reference, or that the policies and the triggers use.
const SHARED: [&TableDef; 6] =
    [Organization::TABLE, User::TABLE, OrgMember::TABLE, Invitation::TABLE, Project::TABLE, Change::TABLE];

/// The result of a measurement.
#[derive(Clone, Copy)]
struct Cost {
    seconds: f64,
    /// The peak memory of the process in kB; 0 if the system does not report it.
    memory: u64,
}

fn main() {
    if let (Ok(what), Ok(size), Some(folder)) =
        (std::env::var(MEASUREMENT), std::env::var(TABLES), std::env::var_os(FOLDER))
    {
        let Cost { seconds, memory } = measure(&what, size.parse().expect("a number"), &PathBuf::from(folder));
        println!("{seconds} {memory}");
        return;
    }
    if !requested() {
        return;
    }
    let sizes = full_or_quick(&SIZES[..], &SIZES[..2]);
    let costs: Vec<_> = sizes.iter().map(|&size| best_of_runs(size)).collect();
    let rows = sizes.iter().zip(&costs).map(|(&size, costs)| {
        let times = costs.map(|cost| format!("{:.3} s", cost.seconds));
        let memory = costs.iter().map(|cost| cost.memory).max().unwrap_or_default();
        let memory = format!("{:.0} MB", memory as f64 / 1024.0);
        [Thousands(size).to_string()].into_iter().chain(times).chain([memory]).collect()
    });
    let about = "The first migration, a run without a change, and a run in which one table has a new column with an index. Each \
        measurement runs in a separate process and is the best of three runs.";
    let mut report = Report::new("generator", "Generator", about);
    let head = ["tables"].into_iter().chain(MEASUREMENTS).chain(["peak memory"]).map(str::to_owned);
    report.table(&head.collect::<Vec<_>>(), &rows.collect::<Vec<_>>());
    let mut lines = vec!["Growth of the time per table; 1.0 is linear:\n".to_owned()];
    for (sizes, costs) in sizes.windows(2).zip(costs.windows(2)) {
        let per_table = |at: usize, which: usize| costs[at][which].seconds / sizes[at] as f64;
        let growth = (0..MEASUREMENTS.len())
            .map(|which| format!("{} {:.2}", MEASUREMENTS[which], per_table(1, which) / per_table(0, which)));
        let growth = growth.collect::<Vec<_>>().join(", ");
        lines.push(format!("- from {} to {} tables: {growth}", Thousands(sizes[0]), Thousands(sizes[1])));
    }
    report.paragraph(&lines.join("\n"));
    report.finish();
}

/// Runs every measurement with a number of tables, each run on a folder of its own.
fn best_of_runs(size: usize) -> [Cost; MEASUREMENTS.len()] {
    let mut best = [Cost { seconds: f64::INFINITY, memory: 0 }; MEASUREMENTS.len()];
    for _ in 0..RUNS {
        let folder = TempDir::new();
        for (what, best) in MEASUREMENTS.into_iter().zip(&mut best) {
            let cost = in_process(what, size, folder.path());
            if cost.seconds < best.seconds {
                *best = cost;
            }
        }
    }
    best
}

/// Runs a measurement in a process of its own.
fn in_process(what: &str, size: usize, folder: &Path) -> Cost {
    let mut child = Command::new(std::env::current_exe().expect("the benchmark has a path"));
    child.env(MEASUREMENT, what).env(TABLES, size.to_string()).env(FOLDER, folder);
    let output = child.output().expect("it runs itself");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{what}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    let cost = text.split_once(' ').and_then(|(seconds, memory)| {
        Some(Cost { seconds: seconds.parse().ok()?, memory: memory.trim().parse().ok()? })
    });
    cost.unwrap_or_else(|| panic!("{what} printed {text:?}"))
}

/// Generates the migrations and writes them.
fn measure(what: &str, size: usize, folder: &Path) -> Cost {
    let (models, folder) = (models(size, what == "one change"), Folder::new(folder));
    let start = Instant::now();
    let generated = generate(&models, &folder).unwrap_or_else(|error| panic!("{error}"));
    let written = generated.write(&folder, &BTreeSet::new()).unwrap_or_else(|error| panic!("{error}"));
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(written.is_some(), what != "check", "{what}");
    Cost { seconds, memory: peak_memory() }
}

/// Reads the peak memory of the process in kB, where the system reports it.
fn peak_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.trim_end_matches("kB").trim().parse().ok()).unwrap_or_default()
}

/// Writes a number with a comma before each three digits.
struct Thousands(usize);

impl fmt::Display for Thousands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            small @ ..1_000 => write!(f, "{small}"),
            large => write!(f, "{},{:03}", Self(large / 1_000), large % 1_000),
        }
    }
}

/// The shared tables and generated ones, as an application with many modules declares them.
fn models(size: usize, is_changed: bool) -> Models {
    let last = size - SHARED.len() - 1;
    let more = (0..size - SHARED.len()).map(|number| table(number, is_changed && number == last));
    tenant_runtime::models![tenant_examples].only(SHARED.into_iter().chain(more))
}

fn text(text: String) -> &'static str {
    text.leak()
}

fn table_name(kind: &str, number: usize) -> TableName {
    TableName { schema: "app", table: text(format!("{kind}_{number}")) }
}

fn plain(name: &'static str, ty: SqlType, nullable: bool) -> ColumnDef {
    ColumnDef {
        doc: text(format!("The {} of the row.", name.replace('_', " "))),
        ..ColumnDef::blank(name, ty, nullable)
    }
}

fn reference(name: &'static str, table: TableName, on_delete: OnDelete) -> ColumnDef {
    let nullable = on_delete == OnDelete::SetNull;
    let references = Some(ReferenceDef::new(table, on_delete));
    ColumnDef { references, ..plain(name, SqlType::Uuid, nullable) }
}

/// Returns one of the five tables of a module: a lookup table that every tenant reads, accounts, contracts of an account, items of
/// a contract, and notes on an item. The lookup table sorts after the tables that reference it.
fn table(number: usize, is_changed: bool) -> &'static TableDef {
    let kinds = ["zones", "accounts", "contracts", "items", "notes"];
    let kind = kinds[number % kinds.len()];
    let of_module = |place: usize| table_name(kinds[place], number - number % kinds.len() + place);
    let table = match kind {
        "zones" => zones(),
        "accounts" => accounts(of_module(0)),
        "contracts" => contracts(number, of_module(1)),
        "items" => items(of_module(2)),
        _ => notes(of_module(3)),
    };
    let mut columns = table.columns;
    if is_changed {
        columns.push(ColumnDef { index: true, ..plain("external_number", SqlType::Int8, true) });
    }
    let name = table_name(kind, number);
    let rust_name = text(format!("Table{number}"));
    Box::leak(Box::new(TableDef { name, rust_name, columns: columns.leak(), ..table.def }))
}

/// A declaration without its name and its columns, and the columns.
struct Declared {
    def: TableDef,
    columns: Vec<ColumnDef>,
}

/// Returns a tenant table with the columns that most tables have, and other columns.
fn of_tenant(doc: &'static str, columns: Vec<ColumnDef>) -> Declared {
    let organization = Organization::TABLE.name;
    let mut all = vec![
        ColumnDef { id: true, app_assigned: false, ..plain("id", SqlType::Uuid, false) },
        ColumnDef { app_assigned: false, ..reference("organization_id", organization, OnDelete::Cascade) },
    ];
    all.extend(columns);
    all.push(ColumnDef { default: Some("now()"), ..plain("created_at", SqlType::Timestamptz, false) });
    let def = TableDef {
        doc,
        scope: ScopeDef::Tenant { column: "organization_id" },
        select: Some("viewer"),
        insert: Some("member"),
        update: Some("member"),
        delete: Some("admin"),
        ..TableDef::blank(Organizations::DEF)
    };
    Declared { def, columns: all }
}

fn zones() -> Declared {
    let columns = vec![
        ColumnDef { id: true, app_assigned: false, ..plain("id", SqlType::Uuid, false) },
        ColumnDef { unique: Some(UniqueScope::Tenant), ..plain("code", SqlType::Text, false) },
        ColumnDef { default: Some("0"), check: Some("rate BETWEEN 0 AND 100"), ..plain("rate", SqlType::Int4, false) },
    ];
    let def = TableDef {
        doc: "A zone with its rate, the same for every organization.",
        scope: ScopeDef::Global,
        select: Some("viewer"),
        ..TableDef::blank(Organizations::DEF)
    };
    Declared { def, columns }
}

fn accounts(zone: TableName) -> Declared {
    let status = SqlType::Labels(LabelsDef::of(&["open", "suspended", "closed"]));
    let columns = vec![
        reference("zone_id", zone, OnDelete::NoAction),
        reference("manager_id", OrgMember::TABLE.name, OnDelete::SetNull),
        ColumnDef {
            unique: Some(UniqueScope::Tenant),
            check: Some("length(name) BETWEEN 1 AND 200"),
            ..plain("name", SqlType::Text, false)
        },
        ColumnDef { default: Some("'open'"), index: true, ..plain("status", status, false) },
        ColumnDef { select: Some("admin"), update: Some("admin"), ..plain("credit_limit", SqlType::Int8, true) },
        plain("description", SqlType::Text, true),
    ];
    let Declared { def, columns } = of_tenant("An account of an organization.", columns);
    Declared { def: TableDef { track_changes: true, ..def }, columns }
}

fn contracts(number: usize, account: TableName) -> Declared {
    let visibility = SqlType::Labels(LabelsDef::of(&["team", "private"]));
    let columns = vec![
        reference("account_id", account, OnDelete::Cascade),
        reference("project_id", Project::TABLE.name, OnDelete::Cascade),
        reference("renews", table_name("contracts", number), OnDelete::SetNull),
        ColumnDef { app_assigned: false, ..reference("signed_by", OrgMember::TABLE.name, OnDelete::NoAction) },
        ColumnDef { default: Some("'team'"), ..plain("visibility", visibility, false) },
        plain("title", SqlType::Text, false),
        ColumnDef { check: Some("valid_until > DATE '2000-01-01'"), ..plain("valid_until", SqlType::Date, true) },
    ];
    let Declared { def, columns } = of_tenant("A contract with an account.", columns);
    let def = TableDef {
        owner: Some("signed_by"),
        visibility: Some("visibility"),
        update_own: Some("member"),
        update: Some("admin"),
        indexes: &const {
            [IndexDef::blank(
                IndexKindDef::Plain,
                &const { [IndexPartDef::column("valid_until"), IndexPartDef::column("id")] },
            )]
        },
        ..def
    };
    Declared { def, columns }
}

fn items(contract: TableName) -> Declared {
    let columns = vec![
        reference("contract_id", contract, OnDelete::Cascade),
        ColumnDef { check: Some("quantity > 0"), ..plain("quantity", SqlType::Int4, false) },
        ColumnDef { check: Some("price >= 0"), ..plain("price", SqlType::Custom("numeric(12, 2)"), false) },
        ColumnDef { default: Some("false"), ..plain("is_billed", SqlType::Bool, false) },
        ColumnDef { default: Some("0"), ..plain("position", SqlType::Int8, false) },
        ColumnDef { select: Some("admin"), sensitive: true, ..plain("cost", SqlType::Int8, true) },
    ];
    let Declared { def, columns } = of_tenant("An item of a contract.", columns);
    const POSITION: &[IndexPartDef] =
        &const { [IndexPartDef::column("contract_id"), IndexPartDef::column("position")] };
    const UNIQUE: &[IndexDef<'_>] = &const { [IndexDef::blank(IndexKindDef::UNIQUE, POSITION)] };
    let def = TableDef { indexes: UNIQUE, system: &["select", "update"], ..def };
    Declared { def, columns }
}

fn notes(item: TableName) -> Declared {
    let columns = vec![
        reference("item_id", item, OnDelete::Cascade),
        reference("author_id", OrgMember::TABLE.name, OnDelete::SetNull),
        ColumnDef { default: Some("false"), update: Some("none"), ..plain("is_hidden", SqlType::Bool, false) },
        plain("body", SqlType::Text, false),
    ];
    let Declared { def, columns } = of_tenant("A note on an item.", columns);
    let rules = &[RuleDef { command: "select", check: false, condition: "NOT is_hidden" }];
    Declared { def: TableDef { rules, track_changes: true, ..def }, columns }
}
