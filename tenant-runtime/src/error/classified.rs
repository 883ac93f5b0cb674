//! Which error of this crate an error of the server is.

use sqlx::postgres::PgDatabaseError;

use super::{
    Error,
    display::NOT_NULL,
    server::{DEADLOCK, SERIALIZATION_FAILURE, server_error},
};
use crate::model::{def::TableName, sqlstate};

/// The operation of a repository statement, which its errors name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    pub(crate) table: TableName,
    pub(crate) command: &'static str,
    pub(crate) role: &'static str,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        Self::classified(error, None)
    }
}

impl Attempt {
    /// Classifies an error of the statement.
    pub(crate) fn error(&self, error: sqlx::Error) -> Error {
        Error::classified(error, Some(self))
    }
}

// SQLSTATE codes that a repository statement returns if the database is behind the models.
const UNDEFINED_TABLE: &str = "42P01";
const UNDEFINED_COLUMN: &str = "42703";
const UNDEFINED_FUNCTION: &str = "42883";
const UNDEFINED_SCHEMA: &str = "3F000";

impl Error {
    /// Classifies an error of the driver; `attempt` is the repository statement, if it was one.
    fn classified(error: sqlx::Error, attempt: Option<&Attempt>) -> Self {
        if let sqlx::Error::Configuration(source) = error {
            return match source.downcast() {
                Ok(error) => *error,
                Err(source) => Self::Database(sqlx::Error::Configuration(source)),
            };
        }
        let Some(server) = server_error(&error) else { return Self::Database(error) };
        let (table, constraint) = (table_of(server, attempt), constraint_of(server));
        match server.code() {
            "42501" => {
                let command = attempt.map_or("use", |attempt| attempt.command);
                Self::Forbidden { table, command, role: attempt.map(|attempt| attempt.role), source: error }
            }
            "23505" | "23P01" => Self::UniqueViolation { table, constraint },
            "23503" => Self::ForeignKeyViolation { table, constraint },
            "23514" | "23502" => Self::CheckViolation { table, constraint },
            UNDEFINED_TABLE | UNDEFINED_COLUMN | UNDEFINED_FUNCTION | UNDEFINED_SCHEMA if attempt.is_some() => {
                Self::NotMigrated { table, source: error }
            }
            "25P02" => Self::Aborted,
            "57014" | "55P03" => Self::TimedOut { source: error },
            SERIALIZATION_FAILURE | DEADLOCK => Self::Retryable { source: error },
            sqlstate::LAST_MANAGER => Self::LastManager,
            sqlstate::NO_INVITATION => Self::NoInvitation,
            sqlstate::ACCESS_EXPIRED => Self::AccessExpired,
            sqlstate::REASON_TOO_SHORT => {
                let min_length = server.detail().and_then(|detail| detail.parse().ok());
                Self::ReasonTooShort { min_length: min_length.unwrap_or(1) }
            }
            sqlstate::CONSENT_REQUIRED => {
                Self::ConsentRequired { table: attempt.map_or_else(String::new, |attempt| attempt.table.to_string()) }
            }
            sqlstate::CONTEXT_NOT_SIGNED => Self::ContextNotSigned { source: error },
            _ => Self::Database(error),
        }
    }
}

fn table_of(server: &PgDatabaseError, attempt: Option<&Attempt>) -> String {
    match (attempt, server.schema(), server.table()) {
        // The error of a foreign key names the table that has the key, which can differ from the
        // command's table.
        (_, Some(schema), Some(table)) => format!("{schema}.{table}"),
        (Some(attempt), ..) => attempt.table.to_string(),
        _ => server.message().rsplit(' ').next().unwrap_or_default().trim_matches('"').to_owned(),
    }
}

fn constraint_of(server: &PgDatabaseError) -> String {
    match (server.constraint(), server.column()) {
        (Some(constraint), _) => constraint.to_owned(),
        (None, Some(column)) => format!("{NOT_NULL} ({column})"),
        (None, None) => "a constraint".to_owned(),
    }
}
