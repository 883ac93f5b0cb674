//! `why`: which grant, which policy, and which part of it lets a role do something, or keeps it from that.

use std::io::Write;

use super::{
    Failure,
    apply::{block_on, chain},
};
use crate::{
    migrate::generate::GenerateError,
    model::schema,
    registry::Models,
    why::{Question, Row, WhyError, why as ask, why_row},
};

/// What the command takes.
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The role, such as `viewer`
    #[arg(long)]
    role: String,
    /// The table, such as `app.projects`, or its struct
    #[arg(long)]
    table: String,
    /// The command
    #[arg(long, value_enum)]
    command: Command,
    /// The key of a row, which is looked at in the database
    #[arg(long, requires = "tenant", requires = "database_url")]
    row: Option<String>,
    /// The tenant in the context
    #[arg(long)]
    tenant: Option<String>,
    /// The user in the context
    #[arg(long)]
    user: Option<String>,
    /// The database that has the row, as a superuser: postgres://user:password@host/database
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
    /// Change rows
    Update,
    /// Delete rows
    Delete,
}

/// Tells why.
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
        error => Failure::Message(chain(&error)),
    }
}
