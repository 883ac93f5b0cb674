//! `audit`: whether a database is what the models say, and what leads around it.

use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
};

use clap::ValueEnum;
use sqlx::Connection as _;

use super::{Failure, apply};
use crate::{
    audit::{AuditError, Baseline, Finding, Report, Severity, audit},
    check::check,
    db::{connection_options, open_connection},
    migrate::{folder::Folder, generate::GenerateError},
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
    /// The database, as its administrator: postgres://user:password@host/database
    ///
    /// Without it a private PostgreSQL is started, the migrations are applied to it, and that is audited: so it shows whether
    /// the folder makes what the models say.
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
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
    let report = match &arguments.database_url {
        Some(url) => audited(url, &schema)?,
        None => {
            let server = apply::private_server()?;
            apply::run(folder, &server.admin_url(), None)?;
            audited(&server.admin_url(), &schema)?
        }
    };
    let report = report.accepting(&baseline);
    match arguments.format {
        Format::Table => table(&report, out)?,
        Format::Json => writeln!(out, "{}", report.to_json())?,
        Format::Sarif => writeln!(out, "{}", report.to_sarif())?,
        Format::Sql => sql(&report, out)?,
        Format::Baseline => writeln!(out, "{}", Baseline::of(&report))?,
    }
    match report.is_clean() {
        true => Ok(()),
        false => Err(Failure::Found(format!("the database is not what the models say: {}", counts(&report)))),
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

/// Writes the findings for a person, the worst first, each with what mends it.
fn table(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for finding in &report.findings {
        let Finding { severity, code, object, what, why, mend, .. } = finding;
        writeln!(out, "{severity} {code}: {object}\n  {what}")?;
        if !why.is_empty() {
            writeln!(out, "  why:  {why}")?;
        }
        match mend.lines().count() {
            0 => {}
            1 => writeln!(out, "  mend: {mend}")?,
            lines => writeln!(out, "  mend: {lines} lines of SQL")?,
        }
        writeln!(out)?;
    }
    let found = if report.is_clean() { "clean: ".to_owned() } else { String::new() };
    writeln!(
        out,
        "{found}{} compared in `{}` on {}; {}",
        plural(report.facts, "fact"),
        report.database,
        report.server,
        counts(report)
    )?;
    if report.is_clean() {
        writeln!(out, "fingerprint: {}", report.fingerprint)?;
    }
    if !report.findings.iter().all(|finding| finding.mend.is_empty()) {
        writeln!(
            out,
            "next: `--format sql` writes what mends it; read that, run it as an administrator, and audit again"
        )?;
    }
    Ok(())
}

/// Writes what mends the findings, each under what it mends.
fn sql(report: &Report, out: &mut impl Write) -> io::Result<()> {
    for Finding { code, object, what, mend, .. } in &report.findings {
        // A name may hold a line break, behind which a comment would end.
        let head = format!("{code} {object}: {what}").replace(['\n', '\r'], " ");
        match mend.as_str() {
            "" => writeln!(out, "-- {head}\n-- (no statement mends it)\n")?,
            mend => writeln!(out, "-- {head}\n{mend}\n")?,
        }
    }
    Ok(())
}

fn counts(report: &Report) -> String {
    let of = |severity| report.findings.iter().filter(|finding| finding.severity == severity).count();
    let parts = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    let mut parts: Vec<_> = parts
        .into_iter()
        .map(|(severity, word)| (of(severity), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| plural(count, word))
        .collect();
    if !report.accepted.is_empty() {
        parts.push(format!("{} accepted", report.accepted.len()));
    }
    if parts.is_empty() { "nothing was found".to_owned() } else { parts.join(", ") }
}

fn plural(count: usize, word: &str) -> String {
    format!("{count} {word}{}", if count == 1 { "" } else { "s" })
}
