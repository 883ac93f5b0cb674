//! Benchmark of the derive: expanded lines and `cargo check` time, compared with other derives in the same run.
//!
//! `cargo bench -p tenant-tests --bench derive_cost` checks a hundred structs of ten fields as plain structs, with
//! `sqlx::FromRow`, with `TenantTable`, and as sea-orm entities where cargo can fetch sea-orm. All dependencies are
//! built first; then the crates are checked in turn, several rounds, so that other load on the machine affects
//! all of them alike. The median counts. `DERIVE_COST_OF=plain,tenant` limits the run to these variants.

use std::{
    env, fmt, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use tenant_tests::benchmark::{full_or_quick, report::Report, requested};

const STRUCTS: usize = 100;

/// A variant: a way to declare the structs, as a crate.
struct Variant {
    name: &'static str,
    dependencies: &'static str,
    head: &'static str,
    /// One struct, with `{n}` for its number.
    one: &'static str,
}

const FIELDS: &str = "
    pub id: Uuid, pub organization_id: Uuid, pub project_id: Uuid, pub title: String, pub description: Option<String>,
    pub done: bool, pub due_at: Option<DateTime<Utc>>, pub position: i32, pub weight: f64, pub created_at: DateTime<Utc>,
";

const VARIANTS: [Variant; 4] = [
    Variant {
        name: "plain",
        dependencies: "sqlx.workspace = true",
        head: "use sqlx::types::{Uuid, chrono::{DateTime, Utc}};",
        one: "#[derive(Debug)] pub struct Task{n} { {fields} }",
    },
    Variant {
        name: "from_row",
        dependencies: "sqlx.workspace = true",
        head: "use sqlx::types::{Uuid, chrono::{DateTime, Utc}};",
        one: "#[derive(Debug, sqlx::FromRow)] pub struct Task{n} { {fields} }",
    },
    Variant {
        name: "tenant",
        dependencies: "sqlx.workspace = true\ntenant-runtime.workspace = true",
        head: "use sqlx::types::{Uuid, chrono::{DateTime, Utc}};\nuse tenant_runtime::{TenantTable, roles::{Admin, Member, Viewer}};",
        one: "#[derive(Debug, TenantTable)]
            #[tenant(org = \"organization_id\", select = \"viewer\", insert = \"member\", update = \"member\", delete = \"admin\")]
            pub struct Task{n} { {fields} }",
    },
    Variant {
        name: "sea_orm",
        dependencies: "sea-orm = { version = \"1\", default-features = false, features = [\"macros\", \"with-uuid\", \"with-chrono\"] }",
        head: "",
        one: "pub mod task{n} {
                use sea_orm::{entity::prelude::*, prelude::{DateTimeUtc, Uuid}};
                #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
                #[sea_orm(table_name = \"task{n}\")]
                pub struct Model {
                    #[sea_orm(primary_key)]
                    pub id: Uuid, pub organization_id: Uuid, pub project_id: Uuid, pub title: String,
                    pub description: Option<String>, pub done: bool, pub due_at: Option<DateTimeUtc>, pub position: i32,
                    pub weight: f64, pub created_at: DateTimeUtc,
                }
                #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
                pub enum Relation {}
                impl ActiveModelBehavior for ActiveModel {}
            }",
    },
];

/// A variant whose crate is written and has been checked once.
struct PreparedCrate {
    folder: PathBuf,
    lines: Option<usize>,
    times: Vec<Duration>,
}

fn main() {
    if !requested() {
        return;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above");
    let wanted = env::var("DERIVE_COST_OF").ok();
    let ways = VARIANTS
        .iter()
        .filter(|way| wanted.as_ref().is_none_or(|wanted| wanted.split(',').any(|name| name == way.name)));
    let mut costs: Vec<_> = ways.map(|way| (way.name, ready(root, way))).collect();
    for _ in 0..full_or_quick(11, 2) {
        for (_, cost) in &mut costs {
            if let Err(error) = cost.as_mut().map_or(Ok(()), PreparedCrate::run) {
                *cost = Err(error);
            }
        }
    }
    let median_of =
        |wanted| costs.iter().find_map(|(name, cost)| cost.as_ref().ok().filter(|_| *name == wanted)?.median());
    let (plain, from_row) = (median_of("plain"), median_of("from_row"));
    let more = |median: Duration, plain: Duration| median.as_secs_f64() - plain.as_secs_f64();
    let mut table = Vec::new();
    for (name, cost) in &costs {
        let (lines, median) = match cost {
            Ok(cost) => (cost.lines, cost.median().unwrap_or_default()),
            Err(error) => {
                table.push(vec![(*name).to_owned(), error.to_string(), String::new(), String::new(), String::new()]);
                continue;
            }
        };
        let lines = lines.map_or("?".to_owned(), |lines| lines.to_string());
        let over = plain.map(|plain| more(median, plain));
        let ratio = over.zip(plain.zip(from_row)).map(|(over, (plain, from_row))| over / more(from_row, plain));
        let shown = |number: Option<f64>| number.map_or("?".to_owned(), |number| format!("{number:.2}"));
        let check = format!("{:.2}", median.as_secs_f64());
        table.push(vec![(*name).to_owned(), lines, check, shown(over), shown(ratio)]);
    }
    let about = format!(
        "`cargo check` of a crate with {STRUCTS} structs of ten fields, whose dependencies are built: CPU time in seconds, the \
         median of several rounds. sea-orm is version 1."
    );
    let mut report = Report::new("derive_cost", "Compile time of the derives", &about);
    let head = ["", "lines after expansion", "check, s", "more than plain structs, s", "relative to `FromRow`"];
    report.table(&head.map(str::to_owned), &table);
    // A run that is limited to some variants would replace the complete table.
    if wanted.is_none() { report.finish() } else { report.print() }
}

fn ready(root: &Path, way: &Variant) -> Result<PreparedCrate, Failed> {
    let folder = write(root, way);
    check(&folder)?;
    Ok(PreparedCrate { lines: expanded(&folder), folder, times: Vec::new() })
}

impl PreparedCrate {
    fn run(&mut self) -> Result<(), Failed> {
        // A new modification time makes cargo check this crate again, and no other.
        let source = self.folder.join("src/lib.rs");
        fs::write(&source, fs::read(&source).expect("the source")).expect("written");
        let (start, worked) = (Instant::now(), processor_time());
        check(&self.folder)?;
        let worked = processor_time().zip(worked).map(|(after, before)| after - before);
        self.times.push(worked.unwrap_or_else(|| start.elapsed()));
        Ok(())
    }

    fn median(&self) -> Option<Duration> {
        let mut times = self.times.clone();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    }
}

/// Returns the CPU time of the child processes that this process waited for, in ticks of 10 ms.
fn processor_time() -> Option<Duration> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<u64>().ok();
    Some(Duration::from_millis(10 * (ticks(13)? + ticks(14)?)))
}

/// Writes a crate, in a separate workspace with the dependency versions of this one.
fn write(root: &Path, way: &Variant) -> PathBuf {
    let folder = env::temp_dir().join(format!("derive-cost-{}", way.name));
    fs::create_dir_all(folder.join("src")).expect("a folder");
    let runtime = root.join("tenant-runtime").display().to_string();
    let manifest = format!(
        "[package]\nname = \"derive-cost-{}\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}\n\n[workspace]\n\n\
         [workspace.dependencies]\ntenant-runtime = {{ path = \"{runtime}\" }}\n\
         sqlx = {{ version = \"0.9\", default-features = false, features = [\"postgres\", \"runtime-tokio\", \"migrate\", \
         \"macros\", \"uuid\", \"chrono\", \"json\"] }}\n",
        way.name, way.dependencies
    );
    fs::write(folder.join("Cargo.toml"), manifest).expect("written");
    fs::copy(root.join("Cargo.lock"), folder.join("Cargo.lock")).expect("copied");
    let structs = (0..STRUCTS).map(|n| way.one.replace("{n}", &n.to_string()).replace("{fields}", FIELDS));
    fs::write(folder.join("src/lib.rs"), format!("{}\n{}\n", way.head, structs.collect::<Vec<_>>().join("\n")))
        .expect("written");
    folder
}

fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let target =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| env::temp_dir().join("derive-cost-target"), PathBuf::from);
    command.current_dir(folder).env("CARGO_TARGET_DIR", target).env("CARGO_INCREMENTAL", "0");
    command
}

fn check(folder: &Path) -> Result<(), Failed> {
    let output = cargo(folder).args(["check", "--quiet"]).output().map_err(|error| Failed(error.to_string()))?;
    if output.status.success() { Ok(()) } else { Err(Failed(String::from_utf8_lossy(&output.stderr).into_owned())) }
}

/// Counts the lines of the crate after expansion, which requires an option that stable rustc hides.
fn expanded(folder: &Path) -> Option<usize> {
    let mut command = cargo(folder);
    command.args(["rustc", "--quiet", "--profile", "check", "--", "-Zunpretty=expanded"]).env("RUSTC_BOOTSTRAP", "1");
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).lines().count())
}

/// The reason why a figure is missing.
struct Failed(String);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.0.lines().find(|line| line.contains("error")).or(self.0.lines().next());
        write!(f, "not measured: {}", first.unwrap_or("cargo said nothing"))
    }
}
