//! `init`: makes what a package needs to begin, and overwrites nothing.

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
};

use toml_edit::{Array, ArrayOfTables, DocumentMut, InlineTable, Item, Table, TableLike, value};

use super::Failure;

const CLIPPY: &str = include_str!("init/clippy.toml");
const MODELS: &str = include_str!("init/models.rs.txt");
const LIBRARY: &str = "//! The library of the package, which `gen-migrations` and the app share.\n\npub mod models;\n";

/// Makes the program, a first model, the migrations folder and the lints, and adds to Cargo.toml what these take.
pub(super) fn init(package: &Path, out: &mut impl io::Write) -> Result<(), Failure> {
    let manifest = package.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| {
        Failure::Message(format!(
            "cannot read {}: {error}\n  help: name the folder of a package, or make one with `cargo new --lib`",
            manifest.display()
        ))
    })?;
    let mut document: DocumentMut = text
        .parse()
        .map_err(|error| Failure::Message(format!("{} is no TOML that cargo takes: {error}", manifest.display())))?;
    let library = library(&document).ok_or_else(|| {
        Failure::Message(format!(
            "{} is of a workspace, not of a package\n  help: name the folder of the member that holds the models",
            manifest.display()
        ))
    })?;
    let added = complete(&mut document, &library, package.join("src/main.rs").exists())
        .ok_or_else(|| Failure::Message(format!("{} is not as cargo takes it", manifest.display())))?;

    let program = format!(
        "//! Writes the migrations: `cargo run --features generate --bin gen-migrations`.\n\n\
         fn main() -> std::process::ExitCode {{\n    tenant_runtime::cli::main(tenant_runtime::models![{library}])\n}}\n"
    );
    let files = [
        ("src/models.rs", MODELS),
        ("src/lib.rs", LIBRARY),
        ("src/bin/gen-migrations.rs", program.as_str()),
        ("clippy.toml", CLIPPY),
    ];
    for (name, text) in files {
        match create(&package.join(name), text)? {
            true => writeln!(out, "wrote {name}")?,
            false => writeln!(out, "kept {name}, which is there already{}", by_hand(package, name))?,
        }
    }
    let folder = package.join("migrations");
    fs::create_dir_all(&folder).map_err(|error| cannot("make", &folder, &error))?;
    if added.is_empty() {
        writeln!(out, "kept Cargo.toml, which has all that it takes")?;
    } else {
        replace(&manifest, &document.to_string())?;
        writeln!(out, "added to Cargo.toml: {}", added.join(", "))?;
    }
    writeln!(out, "next: cargo run --features generate --bin gen-migrations")?;
    Ok(())
}

/// Returns the name by which code names the library of a package; a workspace has none.
fn library(document: &DocumentMut) -> Option<String> {
    let name = |table: &str| document.get(table)?.get("name")?.as_str();
    let package = name("package")?;
    Some(name("lib").map_or_else(|| package.replace('-', "_"), str::to_owned))
}

/// Adds what is missing to the manifest; returns what that was, unless a table is something else.
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
    // With two programs `cargo run` would ask which one is meant.
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

/// Where this crate comes from: the folder that it was built from, or else the registry.
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

/// Says what a file that was kept may lack, if it does.
fn by_hand(package: &Path, name: &str) -> String {
    let text = fs::read_to_string(package.join(name)).unwrap_or_default();
    match name {
        "src/lib.rs" if !text.contains("mod models") => "; add to it: pub mod models;".to_owned(),
        "clippy.toml" if !text.contains("sqlx::Pool") => format!("; add to it:\n{CLIPPY}"),
        _ => String::new(),
    }
}

/// Writes a file that is not there yet; says whether it did.
fn create(path: &Path, text: &str) -> Result<bool, Failure> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|error| cannot("make", folder, &error))?;
    }
    match fs::File::create_new(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map_err(|error| cannot("write", path, &error)).map(|()| true),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(cannot("write", path, &error)),
    }
}

/// Puts a new text in the place of a file's, at once, so that nobody meets half of it.
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
