//! The result of a benchmark: Markdown on standard output, in `target/benchmarks` and in a section of `BENCHMARKS.md`.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
    thread,
};

use sqlx::types::chrono::Utc;

use super::{chart::Chart, quick};

/// The sections of `BENCHMARKS.md` in their order. Each benchmark replaces the text of its own section.
pub const SECTIONS: [&str; 8] =
    ["requests", "signed_context", "peers", "policies", "query_cost", "derive_cost", "generator", "many_tables"];

const HEAD: &str = "# Benchmarks

`cargo bench -p tenant-tests` runs every benchmark and writes this file; `--bench requests` runs one and replaces its section.
With `TENANT_BENCH=quick`, the benchmarks take some seconds each and change no file of the repository.
The variants of a benchmark alternate within one run, so that other load on the machine affects all of them alike. Compare
numbers only within a section: each one states when and where it was measured. The server is the temporary PostgreSQL of the
tests, which does not wait for the disk (`fsync = off`).
";

/// The text and the plots of a benchmark.
#[derive(Debug)]
pub struct Report {
    name: &'static str,
    text: String,
    charts: Vec<(String, Chart)>,
}

impl Report {
    /// Begins the report of a benchmark with a heading, and states the machine and the versions of crates.
    #[must_use]
    pub fn new(name: &'static str, heading: &str, about: &str) -> Self {
        Self { name, text: format!("## {heading}\n\n{about}\n\n{}\n", machine()), charts: Vec::new() }
    }

    /// Adds a paragraph.
    pub fn paragraph(&mut self, text: &str) {
        let _ = write!(self.text, "\n{text}\n");
    }

    /// Adds a table. Every column except the first one is aligned to the right.
    pub fn table(&mut self, head: &[String], rows: &[Vec<String>]) {
        let aligned = format!("|---|{}", "---:|".repeat(head.len().saturating_sub(1)));
        let _ = write!(self.text, "\n| {} |\n{aligned}\n", head.join(" | "));
        for row in rows {
            let _ = writeln!(self.text, "| {} |", row.join(" | "));
        }
    }

    /// Adds a plot; the file name has no extension.
    pub fn chart(&mut self, file: &str, chart: Chart) {
        let _ = write!(self.text, "\n![{}](docs/src/benchmarks/{file}.svg)\n", chart.title);
        self.charts.push((file.to_owned(), chart));
    }

    /// Prints the report.
    pub fn print(&self) {
        println!("{}", self.text);
    }

    /// Prints the report and writes its files.
    ///
    /// # Panics
    ///
    /// If a file cannot be written.
    pub fn finish(self) {
        self.print();
        let root = root();
        let target = root.join("target/benchmarks");
        let mut folders = vec![target.clone()];
        if !quick() {
            folders.push(root.join("docs/src/benchmarks"));
        }
        for folder in &folders {
            fs::create_dir_all(folder).expect("a folder");
            for (file, chart) in &self.charts {
                fs::write(folder.join(format!("{file}.svg")), chart.svg()).expect("written");
            }
        }
        fs::write(target.join(format!("{}.md", self.name)), &self.text).expect("written");
        if !quick() {
            let path = root.join("BENCHMARKS.md");
            let present = fs::read_to_string(&path).unwrap_or_else(|_| HEAD.to_owned());
            fs::write(path, with_section(&present, self.name, &self.text)).expect("written");
        }
    }
}

/// Replaces a section, or adds it at its place in the order of [`SECTIONS`].
///
/// # Panics
///
/// If the section is not in the list.
#[must_use]
pub fn with_section(file: &str, name: &str, text: &str) -> String {
    let marks = |name: &str| (format!("<!-- {name} -->\n"), format!("<!-- /{name} -->\n"));
    let place = |name: &str| SECTIONS.iter().position(|section| *section == name);
    let own = place(name).unwrap_or_else(|| panic!("`{name}` is not in `SECTIONS`"));
    let (begin, end) = marks(name);
    let section = format!("{begin}\n{}\n{end}", text.trim_end().to_owned() + "\n");
    if let (Some(from), Some(to)) = (file.find(&begin), file.find(&end)) {
        return format!("{}{section}{}", &file[..from], &file[to + end.len()..]);
    }
    let next = SECTIONS[own + 1..].iter().find_map(|later| file.find(&marks(later).0));
    match next {
        Some(at) => format!("{}{section}\n{}", &file[..at], &file[at..]),
        None => format!("{}\n\n{section}", file.trim_end()),
    }
}

/// Returns the root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace is above").to_owned()
}

/// Returns the version of a crate in a lock file.
#[must_use]
pub fn locked_version(lock: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(lock).ok()?;
    let after = text.split(&format!("name = \"{name}\"\nversion = \"")).nth(1)?;
    Some(after.split('"').next()?.to_owned())
}

/// Returns the date, the processor and the versions of this workspace's crates.
fn machine() -> String {
    let cpus = thread::available_parallelism().map_or_else(|_| "unknown".to_owned(), |cpus| cpus.to_string());
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let model = model.map_or_else(String::new, |model| format!(" ({model})"));
    let lock = root().join("Cargo.lock");
    let version = |name| locked_version(&lock, name).unwrap_or_else(|| "?".to_owned());
    format!(
        "Measured on {} with {cpus} CPUs{model}; tenant-runtime {}, sqlx {}.",
        Utc::now().format("%Y-%m-%d"),
        version("tenant-runtime"),
        version("sqlx")
    )
}
