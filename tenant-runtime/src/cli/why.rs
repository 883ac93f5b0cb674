//! `why`: the grant, the policy and the condition that allow or deny a command to a role.

use std::io::Write;

use super::{
    Failure,
    runtime::{block_on, failed},
};
use crate::{
    migrate::generate::GenerateError,
    model::schema,
    registry::Models,
    why::{Question, Row, WhyError, why as ask, why_row},
};

/// The arguments of `why`.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Role, such as `viewer`
    #[arg(long)]
    role: String,
    /// Table, such as `app.projects`, or its struct
    #[arg(long, value_name = "NAME")]
    table: String,
    /// Command
    #[arg(long, value_name = "CMD", value_enum)]
    command: Command,
    /// Key of a row to evaluate the conditions on (a JSON array if it has several columns); requires a database
    #[arg(long, requires = "tenant", requires = "database_url")]
    row: Option<String>,
    /// Tenant ID of the context
    #[arg(long)]
    tenant: Option<String>,
    /// User ID of the context
    #[arg(long)]
    user: Option<String>,
    /// Superuser URL of the database with the row: postgres://user:password@host/database
    #[arg(long, value_name = "URL", env = "DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
}

/// The command of a statement.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Command {
    /// Read rows
    Select,
    /// Insert rows
    Insert,
    /// Update rows
    Update,
    /// Delete rows
    Delete,
}

/// Prints why a command is allowed or denied.
pub(super) fn why(models: &Models, arguments: Arguments, out: &mut impl Write) -> Result<(), Failure> {
    let command = match arguments.command {
        Command::Select => schema::Command::Select,
        Command::Insert => schema::Command::Insert,
        Command::Update => schema::Command::Update,
        Command::Delete => schema::Command::Delete,
    };
    let question = Question::new(arguments.role, arguments.table, command);
    let why = match (arguments.row, arguments.tenant, arguments.database_url) {
        (Some(key), Some(tenant), Some(url)) => {
            let row = Row::new(key, tenant, arguments.user);
            block_on(why_row(models, &question, &row, &url))?.map_err(failure)?
        }
        _ => ask(models, &question).map_err(failure)?,
    };
    write!(out, "{why}")?;
    Ok(())
}

fn failure(error: WhyError) -> Failure {
    match error {
        WhyError::Models(findings) => GenerateError::from(findings).into(),
        error => failed(error),
    }
}
