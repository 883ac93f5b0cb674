//! `audit`: compares a database with the models, and reports drift and policy bypasses.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use sqlx::Connection as _;

use super::{
    Failure,
    runtime::{block_on, failed},
    target::{Target, announce},
};
use crate::{
    analyze::check,
    audit::{AuditError, Baseline, Report, audit},
    db::{connection_options, open_for_writing},
    migrate::{
        folder::Folder,
        generate::{GenerateError, generate},
    },
    model::schema::Schema,
    registry::Models,
};

/// Output formats for findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Text
    Table,
    /// JSON, for programs
    Json,
    /// SARIF, for code hosts and editors
    Sarif,
    /// The fixes, for an administrator to review and run
    Sql,
    /// A baseline that accepts the findings, after reasons are filled in
    Baseline,
}

/// The baseline in the migrations folder that is used by default, if it exists.
const BASELINE: &str = "audit-baseline.json";

/// The arguments of `audit`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) target: Target,
    /// Output format
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Accepted findings, each with a reason [default: `audit-baseline.json` in the migrations folder, if it exists]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Audits a database; without a URL, a temporary PostgreSQL with the migrations of the folder.
pub(super) fn run(
    models: &Models,
    folder: &Folder,
    arguments: &Arguments,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let schema = check(models).map_err(GenerateError::from)?.schema;
    let baseline = baseline(folder, arguments.baseline.as_deref())?;
    let report = match &arguments.target.database_url {
        Some(url) => {
            announce("auditing", url)?;
            if generate(models, folder).is_ok_and(|generated| !generated.is_nothing()) {
                let text = "warning: a migration for the models is missing; its changes are reported as drift";
                writeln!(io::stderr(), "{text}\n")?;
            }
            audit_url(url, &schema)?
        }
        None => {
            let trial = arguments.target.migrated_trial("auditing the migrations on", models, folder)?;
            audit_url(trial.administrator_url(), &schema)?
        }
    };
    let report = report.accepting(&baseline);
    match arguments.format {
        Format::Table => write!(out, "{report}")?,
        Format::Json => writeln!(out, "{}", report.to_json())?,
        Format::Sarif => writeln!(out, "{}", report.to_sarif())?,
        Format::Sql => write!(out, "{}", report.to_sql())?,
        Format::Baseline => writeln!(out, "{}", Baseline::of(&report))?,
    }
    match report.is_clean() {
        true => Ok(()),
        false if report.has_only_stale_entries() => Err(Failure::Found(format!(
            "the database matches the models, but the baseline has entries without a finding: {}",
            report.counts()
        ))),
        false => Err(Failure::Found(format!("the database does not match the models: {}", report.counts()))),
    }
}

fn audit_url(url: &str, schema: &Schema) -> Result<Report, Failure> {
    block_on(async {
        let mut connection = open_for_writing(&connection_options(url)?).await?;
        let report = audit(&mut connection, schema).await;
        connection.close().await?;
        report
    })?
    .map_err(|error: AuditError| failed(error))
}

fn baseline(folder: &Folder, named: Option<&Path>) -> Result<Baseline, Failure> {
    let default = folder.path().join(BASELINE);
    let path = named.unwrap_or(&default);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(Baseline::default()),
        Err(error) => return Err(Failure::Message(format!("cannot read the baseline `{}`: {error}", path.display()))),
    };
    Baseline::parse(&text)
        .map_err(|error| Failure::Message(format!("cannot use the baseline `{}`: {error}", path.display())))
}
