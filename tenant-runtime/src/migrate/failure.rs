//! A failed migration: whether a retry can succeed, and the error message with the failing line.

use sqlx::postgres::PgErrorPosition;

use super::{
    files::File,
    history::code,
    privileges::FILTERED,
    statements::{Statement, split},
};
use crate::error::{Error, MigrationError, server_error};

/// The reason why a file failed.
#[derive(Debug)]
pub(super) enum StatementFailure {
    /// A statement failed, with its text and the line of the file on which it begins.
    Statement { error: sqlx::Error, text: String, line: usize },
    /// A step other than a statement of the file failed.
    Around(sqlx::Error),
    /// An earlier run was interrupted, and it is unknown which statements it completed.
    Interrupted,
}

impl From<sqlx::Error> for StatementFailure {
    fn from(error: sqlx::Error) -> Self {
        Self::Around(error)
    }
}

impl StatementFailure {
    pub(super) fn at(statement: Statement<'_>, error: sqlx::Error) -> Self {
        Self::Statement { error, text: statement.text.to_owned(), line: statement.line }
    }

    /// Returns the reason to retry, if a retry can succeed.
    pub(super) fn retry_reason(&self) -> Option<&'static str> {
        let (Self::Statement { error, .. } | Self::Around(error)) = self else { return None };
        match code(error)? {
            "55P03" => Some("lock timeout"),
            "40P01" => Some("deadlock"),
            _ if is_role_conflict(error) => Some("concurrent role changes in the cluster"),
            _ => None,
        }
    }

    pub(super) fn into_error(self, file: &File) -> Error {
        match self {
            Self::Interrupted => {
                MigrationError::Dirty { version: file.migration.version, file: file.name.clone() }.into()
            }
            Self::Around(error) => error.into(),
            Self::Statement { error, text, line } => failed(file, error, &text, line),
        }
    }
}

/// Returns whether a migration conflicts with a migration of another database on the same server:
/// all databases share roles and their memberships, but sqlx's lock covers only one database.
fn is_role_conflict(error: &sqlx::Error) -> bool {
    server_error(error).is_some_and(|server| match server.code() {
        "XX000" => server.message().starts_with("tuple concurrently"),
        "23505" => server.constraint().is_some_and(|constraint| {
            ["pg_authid_", "pg_auth_members_", "pg_db_role_setting_"].iter().any(|name| constraint.starts_with(name))
        }),
        _ => false,
    })
}

fn failed(file: &File, error: sqlx::Error, text: &str, first_line: usize) -> Error {
    let Some(server) = server_error(&error) else { return error.into() };
    let mut message = format!("{} (SQLSTATE {})", server.message(), server.code());
    let position = match server.position() {
        Some(PgErrorPosition::Original(position)) => Some(position),
        _ => None,
    };
    let (line, excerpt) = excerpt(text, first_line, position);
    message.push_str(&excerpt);
    let help = help(server.code(), server.message(), server.r#where().is_some());
    let help = help.as_deref();
    let more = [("detail", server.detail()), ("hint", server.hint()), ("where", server.r#where()), ("help", help)];
    for (what, text) in more {
        if let Some(text) = text {
            message.push_str(&format!("\n{what}: {text}"));
        }
    }
    MigrationError::Failed { file: file.name.clone(), line, code: server.code().to_owned(), message }.into()
}

/// Returns what to do about an error of the server, which can be in a function that the statement calls.
fn help(code: &str, message: &str, in_function: bool) -> Option<String> {
    let filtered = message.strip_prefix(FILTERED).map(|name| name.trim_end_matches('"'));
    match (code, filtered) {
        ("55P03", _) => Some(
            "another transaction holds a lock on an object that this statement changes; retry when it has ended"
                .to_owned(),
        ),
        ("42501", Some(table)) if in_function => Some(format!(
            "the function, such as that of a trigger, uses `{table}` under policies, but the file runs with `row_security = off`; put \
             `SET LOCAL row_security = on` before the statement and `SET LOCAL row_security = off` after it, and lift FORCE on each \
             table that the statement itself reads: meanwhile, policies hide rows without an error"
        )),
        ("42501", Some(table)) => Some(format!(
            "policies of `{table}` would have hidden rows from this statement, which runs with `row_security = off`; as the role \
             that owns the table (`SET LOCAL ROLE …`), run `ALTER TABLE … NO FORCE ROW LEVEL SECURITY` before it and `ALTER TABLE \
             … FORCE ROW LEVEL SECURITY` after it, as `gen-migrations new NAME --data TABLE` writes it"
        )),
        ("25001", _) => Some("put this statement alone into a file whose first line is `-- no-transaction`".to_owned()),
        ("55P04", _) => {
            Some("put this statement into the next migration, after the one that adds the value".to_owned())
        }
        _ => None,
    }
}

/// Returns the line that the server reports, or the statement's first line if the server reports no
/// line, and an excerpt to print.
fn excerpt(text: &str, first_line: usize, position: Option<usize>) -> (usize, String) {
    let (line, column) = match position {
        Some(position) => {
            let before: Vec<char> = text.chars().take(position.saturating_sub(1)).collect();
            let column = before.iter().rev().take_while(|c| **c != '\n').count();
            (before.iter().filter(|c| **c == '\n').count(), Some(column))
        }
        None => (split(text).first().map_or(0, |statement| statement.line - 1), None),
    };
    let number = first_line + line;
    let gap = " ".repeat(number.to_string().len());
    let shown = text.lines().nth(line).unwrap_or_default().replace('\t', " ");
    let caret = column.map_or_else(String::new, |column| format!("\n{gap} | {}^", " ".repeat(column)));
    (number, format!("\n{gap} |\n{number} | {shown}{caret}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_excerpt_shows_the_line_and_column() {
        let text = "SELECT\n\t'ü', nope";
        let position = text.chars().position(|c| c == 'n').map(|at| at + 1);
        assert_eq!(excerpt(text, 9, position), (10, "\n   |\n10 |  'ü', nope\n   |       ^".to_owned()));
    }

    #[test]
    fn error_excerpt_without_position_shows_the_first_line_of_the_statement() {
        assert_eq!(excerpt("-- no-transaction\nVACUUM;\n", 1, None), (2, "\n  |\n2 | VACUUM;".to_owned()));
    }
}
