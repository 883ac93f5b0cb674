//! `verify`: a database is attacked as every role, or a private one that has the migrations of the folder.

use std::{
    fs,
    io::{self, Write},
    path::PathBuf,
};

use super::{
    Failure,
    apply::{block_on, chain},
    target::Target,
};
use crate::{
    migrate::{folder::Folder, generate::GenerateError},
    registry::Models,
    verify::{Report, VerifyError, VerifyOptions, verify as verify_on},
};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) target: Target,
    /// A JSON file with values that cannot be made up: {"app.accounts": {"iban": ["DE02…"]}}
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// How to print what was found
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// How the report is printed.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
enum Format {
    /// For people.
    #[default]
    Table,
    /// For programs.
    Json,
}

/// Proves a database; a difference ends the command with exit code 1.
pub(super) fn verify(
    models: &Models,
    folder: &Folder,
    arguments: &Arguments,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let options = options(arguments)?;
    let report = match &arguments.target.database_url {
        Some(url) => on(url, models, &options)?,
        None => {
            let server = arguments.target.migrated_server(models, folder)?;
            let _ =
                writeln!(io::stderr(), "proving the migrations of {} on {}", folder.path().display(), server.origin());
            on(&server.admin_url(), models, &options)?
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
    Err(Failure::Found("the database is not proved to do what is declared".into()))
}

fn options(arguments: &Arguments) -> Result<VerifyOptions, Failure> {
    let Some(path) = &arguments.data else { return Ok(VerifyOptions::default()) };
    let text = fs::read_to_string(path)
        .map_err(|error| Failure::Message(format!("cannot read {}: {error}", path.display())))?;
    VerifyOptions::default().values_from_json(&text).map_err(failure)
}

fn on(url: &str, models: &Models, options: &VerifyOptions) -> Result<Report, Failure> {
    block_on(verify_on(url, models, options))?.map_err(failure)
}

fn failure(error: VerifyError) -> Failure {
    match error {
        VerifyError::Models(findings) => GenerateError::from(findings).into(),
        error => Failure::Message(chain(&error)),
    }
}
