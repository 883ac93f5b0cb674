//! `audit`: whether a database is what the models say, and what leads around it.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use sqlx::Connection as _;

use super::{Failure, apply, target::Target};
use crate::{
    analyze::check,
    audit::{AuditError, Baseline, Report, audit},
    db::{connection_options, open_connection},
    migrate::{
        folder::Folder,
        generate::{GenerateError, generate},
    },
    model::schema::Schema,
    registry::Models,
};

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For a person
    Table,
    /// For a program
    Json,
    /// For code hosts and editors
    Sarif,
    /// What mends it, for an administrator to read and run
    Sql,
    /// What accepts it, once a person has given the reasons
    Baseline,
}

/// The baseline that is taken where none is named, if it is there.
const BASELINE: &str = "audit-baseline.json";

/// What to audit, and how to tell of it.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) target: Target,
    /// How to write what is found
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// The accepted findings, each with a reason [default: `audit-baseline.json` in the migrations folder, if it is there]
    #[arg(long, value_name = "FILE")]
    baseline: Option<PathBuf>,
}

/// Audits a database, or the folder itself.
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
            if generate(models, folder).is_ok_and(|generated| !generated.is_nothing()) {
                let text = "warning: the models say more than the migrations folder, so what it lacks is told as drift";
                writeln!(io::stderr(), "{text}\n")?;
            }
            audited(url, &schema)?
        }
        None => {
            let server = arguments.target.migrated_server(models, folder)?;
            audited(&server.admin_url(), &schema)?
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
        false => Err(Failure::Found(format!("the database is not what the models say: {}", report.counts()))),
    }
}

fn audited(url: &str, schema: &Schema) -> Result<Report, Failure> {
    let report = apply::block_on(async {
        let mut connection = open_connection(&connection_options(url)?).await?;
        let report = audit(&mut connection, schema).await;
        connection.close().await?;
        report
    })?;
    report.map_err(|error: AuditError| Failure::Message(apply::chain(&error)))
}

fn baseline(folder: &Folder, named: Option<&Path>) -> Result<Baseline, Failure> {
    let usual = folder.path().join(BASELINE);
    let path = named.unwrap_or(&usual);
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => return Ok(Baseline::default()),
        Err(error) => return Err(Failure::Message(format!("cannot read the baseline `{}`: {error}", path.display()))),
    };
    Baseline::parse(&text)
        .map_err(|error| Failure::Message(format!("cannot use the baseline `{}`: {error}", path.display())))
}
