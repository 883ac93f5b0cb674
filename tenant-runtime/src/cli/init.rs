//! `init`: sets up a package without overwriting any file.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, value};

use super::Failure;

const CARGO_CONFIG: &str = ".cargo/config.toml";
const CLIPPY: &str = include_str!("init/clippy.toml");
const MODELS: &str = include_str!("init/models.rs.txt");
const LIBRARY: &str = "//! The library of the package, which `gen-migrations` and the app share.\n\npub mod models;\n";
/// The snapshot contains a hash of each file; a checkout with CRLF line endings would change the hashes.
const ATTRIBUTES: &str = "*.sql text eol=lf\nsnapshot.json text eol=lf\n";
const ALIAS: &str = "[alias]\nmigrations = \"run --features generate --bin gen-migrations --\"\n";

/// Creates the program, a first model, the migrations folder, the lints and the alias `cargo migrations`, and adds the
/// required dependencies and targets to Cargo.toml.
pub(super) fn init(package: &Path, out: &mut impl io::Write) -> Result<(), Failure> {
    let manifest = package.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| {
        Failure::Message(format!(
            "cannot read {}: {error}\n  help: use the folder of a package, or create one with `cargo new --lib`",
            manifest.display()
        ))
    })?;
    let mut document: DocumentMut =
        text.parse().map_err(|error| Failure::Message(format!("{} is not valid TOML: {error}", manifest.display())))?;
    let library = library(&document).ok_or_else(|| {
        Failure::Message(format!(
            "{} is the manifest of a workspace, not of a package\n  help: use the folder of the member that contains the models",
            manifest.display()
        ))
    })?;
    let added = complete(&mut document, &library, package.join("src/main.rs").exists())
        .ok_or_else(|| Failure::Message(format!("{} is not a valid cargo manifest", manifest.display())))?;

    let program = format!(
        "//! Generates the migrations: `cargo run --features generate --bin gen-migrations`.\n\n\
         fn main() -> std::process::ExitCode {{\n    tenant_runtime::cli::main(tenant_runtime::models![{library}])\n}}\n"
    );
    let files = [
        ("src/models.rs", MODELS),
        ("src/lib.rs", LIBRARY),
        ("src/bin/gen-migrations.rs", program.as_str()),
        ("clippy.toml", CLIPPY),
        ("migrations/.gitattributes", ATTRIBUTES),
        (CARGO_CONFIG, ALIAS),
    ];
    for (name, text) in files {
        match create(&package.join(name), text)? {
            true => writeln!(out, "wrote {name}")?,
            false => writeln!(out, "kept existing {name}{}", manual_steps(package, name))?,
        }
    }
    if added.is_empty() {
        writeln!(out, "kept Cargo.toml, which is complete")?;
    } else {
        replace(&manifest, &document.to_string())?;
        writeln!(out, "added to Cargo.toml: {}", added.join(", "))?;
    }
    let has_alias = manual_steps(package, CARGO_CONFIG).is_empty();
    let command = if has_alias { "migrations" } else { "run --features generate --bin gen-migrations" };
    writeln!(out, "next: cargo {command}")?;
    Ok(())
}

/// Returns the name of a package's library as used in code; none for a workspace.
fn library(document: &DocumentMut) -> Option<String> {
    let name = |table: &str| document.get(table)?.get("name")?.as_str();
    let package = name("package")?;
    Some(name("lib").map_or_else(|| package.replace('-', "_"), str::to_owned))
}

/// Adds missing entries to the manifest and returns their names; none if the manifest is invalid.
fn complete(document: &mut DocumentMut, library: &str, has_program: bool) -> Option<Vec<&'static str>> {
    let mut added = Vec::new();
    let dependencies = table(document, "dependencies")?;
    if !dependencies.contains_key("tenant-runtime") {
        dependencies.insert("tenant-runtime", own_source());
        added.push("tenant-runtime");
    }
    if !dependencies.contains_key("uuid") {
        dependencies.insert("uuid", value("1"));
        added.push("uuid");
    }
    let features = table(document, "features")?;
    if !features.contains_key("generate") {
        features.insert("generate", value(Array::from_iter(["tenant-runtime/cli"])));
        added.push("the feature `generate`");
    }
    let programs = document.entry("bin").or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    let programs = programs.as_array_of_tables_mut()?;
    if !programs.iter().any(|program| program.get("name").and_then(Item::as_str) == Some("gen-migrations")) {
        let mut program = Table::new();
        program.insert("name", value("gen-migrations"));
        program.insert("required-features", value(Array::from_iter(["generate"])));
        programs.push(program);
        added.push("the program `gen-migrations`");
    }
    // With two programs, `cargo run` requires `--bin` or this key.
    let package = table(document, "package")?;
    if has_program && !package.contains_key("default-run") {
        let name = package.get("name").and_then(Item::as_str).unwrap_or(library).to_owned();
        package.insert("default-run", value(name));
        added.push("`default-run`");
    }
    Some(added)
}

fn table<'a>(document: &'a mut DocumentMut, name: &str) -> Option<&'a mut dyn TableLike> {
    document.entry(name).or_insert(Item::Table(Table::new())).as_table_like_mut()
}

/// Returns the source of this crate: the folder from which it was built, or the registry.
fn own_source() -> Item {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let of_registry = folder.ancestors().any(|folder| folder.ends_with("registry/src"));
    if of_registry || !folder.join("Cargo.toml").exists() {
        return value(env!("CARGO_PKG_VERSION"));
    }
    let mut source = InlineTable::new();
    source.insert("path", env!("CARGO_MANIFEST_DIR").into());
    value(source)
}

/// Describes what is missing in existing files, which were not overwritten; empty if nothing is missing.
fn manual_steps(package: &Path, name: &str) -> String {
    let text = fs::read_to_string(package.join(name)).unwrap_or_default();
    match name {
        "src/lib.rs" if !text.contains("mod models") => "; add to it: pub mod models;".to_owned(),
        "clippy.toml" if !text.contains("sqlx::Pool") => format!("; add to it:\n{CLIPPY}"),
        "migrations/.gitattributes" if !text.contains("*.sql text eol=lf") => format!("; add to it:\n{ATTRIBUTES}"),
        CARGO_CONFIG if !text.contains("--bin gen-migrations") => format!("; add to it:\n{ALIAS}"),
        _ => String::new(),
    }
}

/// Creates a file unless it exists; returns whether the file was created.
fn create(path: &Path, text: &str) -> Result<bool, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| cannot("create", folder, &error))?;
    }
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| cannot("write", path, &error)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot("write", path, &error)),
    }
}

/// Replaces the text of a file in one step, so that it is never incomplete.
fn replace(path: &Path, text: &str) -> Result<(), Failure> {
    let new = path.with_extension("toml.new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(|error| {
        let _ = fs::remove_file(&new);
        cannot("write", path, &error)
    })
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::Message(format!("cannot {what} {}: {error}", path.display()))
}
