//! `verify`: tests a database as every role against the declaration; by default, a temporary PostgreSQL with the migrations.

use std::{fs, io::Write, path::PathBuf};

use super::{
    Failure, report,
    runtime::{block_on, failed},
    target::{Target, announce},
};
use crate::{
    migrate::{folder::Folder, generate::GenerateError},
    registry::Models,
    verify::{Report, VerifyError, VerifyOptions, verify as verify_on},
};

/// The arguments of `verify`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) target: Target,
    /// JSON file with values that cannot be generated: {"app.accounts": {"iban": ["DE02…"]}}, or rows: {"app.accounts":
    /// [{"iban": "DE02…", "kind": null}]}
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// Output format
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Output formats for the report.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// Text
    #[default]
    Table,
    /// JSON, for programs
    Json,
}

/// Verifies a database. A violation ends the command with exit code 1.
pub(super) fn verify(
    models: &Models,
    folder: &Folder,
    arguments: &Arguments,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let options = options(arguments)?;
    let report = match &arguments.target.database_url {
        Some(url) => {
            announce("verifying", url)?;
            verify_url(url, models, &options)?
        }
        None => {
            let verb = format!("verifying the migrations in {} on", report::short(folder.path()));
            let trial = arguments.target.migrated_trial(&verb, models, folder)?;
            verify_url(&trial.superuser_url(), models, &options)?
        }
    };
    match arguments.format {
        Format::Table => writeln!(out, "{report}")?,
        Format::Json => writeln!(out, "{:#}", report.to_json())?,
    }
    if report.is_clean() {
        return Ok(());
    }
    out.flush()?;
    Err(Failure::Found("verification failed: the database does not enforce the declared permissions".into()))
}

fn options(arguments: &Arguments) -> Result<VerifyOptions, Failure> {
    let Some(path) = &arguments.data else { return Ok(VerifyOptions::default()) };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Message(format!("cannot read {}: {error}", path.display())))?;
    VerifyOptions::default().values_from_json(&text).map_err(failure)
}

fn verify_url(url: &str, models: &Models, options: &VerifyOptions) -> Result<Report, Failure> {
    block_on(verify_on(url, models, options))?.map_err(failure)
}

fn failure(error: VerifyError) -> Failure {
    match error {
        VerifyError::Models(findings) => GenerateError::from(findings).into(),
        error => failed(error),
    }
}
