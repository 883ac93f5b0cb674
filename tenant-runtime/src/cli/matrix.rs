//! `matrix`: the declared privileges of each role on each table.

use std::io::Write;

use super::Failure;
use crate::{
    analyze::{Findings, check},
    matrix::Matrix,
    registry::Models,
};

/// Output formats for the matrix.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// Text
    #[default]
    Table,
    /// Markdown
    Markdown,
    /// JSON, for programs
    Json,
}

/// Prints the matrix; fails if the models have errors.
pub(super) fn matrix(models: &Models, format: Format, out: &mut impl Write) -> Result<(), Failure> {
    check(models)
        .map_err(|findings: Findings| Failure::from(crate::migrate::generate::GenerateError::from(findings)))?;
    let matrix = Matrix::declared(models);
    match format {
        Format::Table => write!(out, "{matrix}")?,
        Format::Markdown => write!(out, "{}", matrix.to_markdown())?,
        Format::Json => writeln!(out, "{:#}", matrix.to_json())?,
    }
    Ok(())
}
