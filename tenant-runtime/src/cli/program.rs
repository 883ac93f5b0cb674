//! How this program is run in its package: by the alias `cargo migrations` that `init` writes, or by `cargo run`.

use std::{fs, path::Path};

use crate::registry::Models;

/// Returns the command line that runs this program in its package, without a command: messages call it `gen-migrations`.
pub(super) fn program(models: &Models) -> String {
    let package = models.package_folder();
    match package.ancestors().find_map(alias) {
        Some(alias) => format!("cargo {alias}"),
        None if requires_a_feature(package) => "cargo run --features generate --bin gen-migrations --".to_owned(),
        None => "cargo run --bin gen-migrations --".to_owned(),
    }
}

/// Returns the alias for this program in the cargo configuration of a folder.
fn alias(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join(".cargo/config.toml")).ok()?;
    let config: toml_edit::DocumentMut = text.parse().ok()?;
    let aliases = config.get("alias")?.as_table_like()?;
    let runs_it = |item: &toml_edit::Item| item.to_string().contains("--bin gen-migrations");
    aliases.iter().find(|(_, item)| runs_it(item)).map(|(name, _)| name.to_owned())
}

/// Returns whether the program requires the feature that `init` adds, which is not a default feature.
fn requires_a_feature(package: &Path) -> bool {
    let manifest = fs::read_to_string(package.join("Cargo.toml")).ok();
    let manifest: Option<toml_edit::DocumentMut> = manifest.and_then(|text| text.parse().ok());
    let Some(manifest) = manifest else { return false };
    let lists_it = |item: Option<&toml_edit::Item>| item.is_some_and(|item| item.to_string().contains("\"generate\""));
    let defaults = manifest.get("features").and_then(|features| features.get("default"));
    let mut programs = manifest.get("bin").and_then(toml_edit::Item::as_array_of_tables).into_iter().flatten();
    programs.any(|program| lists_it(program.get("required-features"))) && !lists_it(defaults)
}
