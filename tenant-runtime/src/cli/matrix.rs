//! `matrix`: what each role may do with each table, as it is declared.

use std::io::Write;

use super::Failure;
use crate::{
    analyze::{Findings, check},
    matrix::Matrix,
    registry::Models,
};

/// How the matrix is printed.
#[derive(Debug, Clone, Copy, Default, clap::ValueEnum)]
pub(super) enum Format {
    /// For people, in a terminal.
    #[default]
    Table,
    /// For people, in a document.
    Markdown,
    /// For programs.
    Json,
}

/// Prints the matrix of models that pass the check.
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
