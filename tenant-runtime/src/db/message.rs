//! A message of several SQL commands that the server runs one after another in one round trip (simple query protocol).

use std::{future::poll_fn, io, pin::Pin};

use futures_core::Stream as _;
use sqlx::{
    Either, Executor as _, PgConnection, SqlStr,
    postgres::{PgRow, PgValueFormat},
};

use super::built_sql::assert_sql_safe;
use crate::error::server_error;

/// SQL commands, and which of them are the checks and the statement of the caller. No text of the app is part of a message: only
/// commands of this crate and statements that the repository generated.
#[derive(Debug, Default)]
pub(super) struct Message {
    sql: String,
    commands: usize,
    signature: Option<usize>,
    statement_check: Option<usize>,
    context_check: Option<usize>,
    statement: Option<usize>,
}

/// The result of a statement.
#[derive(Debug, Default)]
pub struct Answer {
    pub(crate) rows: Vec<PgRow>,
    pub(crate) affected: u64,
}

impl Answer {
    /// Returns whether the values have the text format, which some types read differently from the binary format.
    pub(crate) fn is_text(&self) -> bool {
        let first = self.rows.first().and_then(|row| sqlx::Row::try_get_raw(row, 0).ok());
        first.is_some_and(|value| value.format() == PgValueFormat::Text)
    }

    /// Returns the first row.
    ///
    /// # Errors
    ///
    /// [`sqlx::Error::RowNotFound`] if there is none.
    pub(crate) fn one(&self) -> sqlx::Result<&PgRow> {
        self.rows.first().ok_or(sqlx::Error::RowNotFound)
    }
}

/// The command at which a message failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FailedAt {
    /// A command that resets the connection or sets the context.
    Context,
    /// The command that sets a signed context.
    Signature,
    /// The check for statements that SQL has prepared.
    StatementCheck,
    /// The comparison of the server's settings with the context.
    ContextCheck,
    /// The statement, or a constraint that is checked when it is committed.
    Statement,
}

/// The error of a message, and where it occurred.
#[derive(Debug)]
pub(super) struct MessageError {
    pub(super) at: FailedAt,
    pub(super) error: sqlx::Error,
}

impl Message {
    /// Adds a command, whose text must not contain a second one.
    pub(super) fn push(&mut self, command: &str) {
        if self.commands > 0 {
            self.sql.push_str("; ");
        }
        self.sql.push_str(command);
        self.commands += 1;
    }

    pub(super) fn extend<'c>(&mut self, commands: impl IntoIterator<Item = &'c str>) {
        commands.into_iter().for_each(|command| self.push(command));
    }

    /// Adds the command that sets a signed context.
    pub(super) fn push_signature(&mut self, command: &str) {
        self.signature = Some(self.commands);
        self.push(command);
    }

    /// Adds the check for statements that SQL has prepared.
    pub(super) fn push_statement_check(&mut self, command: &str) {
        self.statement_check = Some(self.commands);
        self.push(command);
    }

    /// Adds the comparison of the server's settings with the context.
    pub(super) fn push_context_check(&mut self, command: &str) {
        self.context_check = Some(self.commands);
        self.push(command);
    }

    /// Adds the statement whose result is returned.
    pub(super) fn push_statement(&mut self, statement: &str) {
        self.statement = Some(self.commands);
        self.push(statement);
    }

    pub(super) fn into_sql(self) -> SqlStr {
        assert_sql_safe(self.sql)
    }

    /// Sends the message and waits for the last answer. Only then is the statement committed, if nothing keeps the transaction
    /// open: an earlier row can still be followed by the error of a deferred constraint.
    pub(super) async fn send(mut self, connection: &mut PgConnection) -> Result<Answer, MessageError> {
        let sql = assert_sql_safe(std::mem::take(&mut self.sql));
        let mut answers = connection.fetch_many(sqlx::raw_sql(sql));
        let (mut done, mut answer) = (0, Answer::default());
        while let Some(next) = poll_fn(|context| Pin::new(&mut answers).poll_next(context)).await {
            match next {
                Ok(Either::Left(end)) => {
                    if self.statement == Some(done) {
                        answer.affected = end.rows_affected();
                    }
                    done += 1;
                }
                Ok(Either::Right(row)) if self.statement == Some(done) => answer.rows.push(row),
                Ok(Either::Right(_)) => {}
                // The last command has ended, so everything is done: repeating a write would write twice.
                Err(_) if done == self.commands => break,
                Err(error) => return Err(MessageError { at: self.command(done), error }),
            }
        }
        Ok(answer)
    }

    fn command(&self, index: usize) -> FailedAt {
        match Some(index) {
            command if command == self.signature => FailedAt::Signature,
            command if command == self.statement_check => FailedAt::StatementCheck,
            command if command == self.context_check => FailedAt::ContextCheck,
            _ if self.statement.is_some_and(|statement| index >= statement) => FailedAt::Statement,
            _ => FailedAt::Context,
        }
    }
}

/// What an error says about the connection, and about the work that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loss {
    /// The server answered with an error, and the connection can be used again.
    None,
    /// The server has ended the connection and done nothing.
    Undone,
    /// The connection was lost, so it is unknown what the server has done.
    Unknown,
}

/// Returns what an error says about its connection.
pub(super) fn loss(error: &sqlx::Error) -> Loss {
    // Only writing to a socket returns this error, so the server has not received the end of the message.
    if matches!(error, sqlx::Error::Io(error) if error.kind() == io::ErrorKind::BrokenPipe) {
        return Loss::Undone;
    }
    match server_error(error).map(|server| server.code()) {
        // An administrator's command or a shutdown, the idle session timeout, the timeout of an idle transaction. PostgreSQL
        // sends these only before the commit; if it closes the connection after the commit, it sends no error.
        Some("57P01" | "57P05" | "25P03") => Loss::Undone,
        // A crash of another server process, or a connection exception, such as one of a connection pooler.
        Some(code) if code == "57P02" || code.starts_with("08") => Loss::Unknown,
        Some(_) => Loss::None,
        None => Loss::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_command_is_found_by_its_place() {
        let mut message = Message::default();
        message.extend(["SET a = 1", "BEGIN"]);
        message.push_statement_check("SELECT 1");
        message.push_context_check("SELECT 2");
        message.push_statement("SELECT 3");
        message.push("COMMIT");
        let failed: Vec<_> = (0..6).map(|index| message.command(index)).collect();
        use FailedAt::*;
        assert_eq!(failed, [Context, Context, StatementCheck, ContextCheck, Statement, Statement]);
        assert_eq!(message.into_sql().as_str(), "SET a = 1; BEGIN; SELECT 1; SELECT 2; SELECT 3; COMMIT");
    }

    #[test]
    fn error_without_an_answer_leaves_the_outcome_unknown() {
        let lost = |kind| loss(&sqlx::Error::Io(io::Error::from(kind)));
        assert_eq!(lost(io::ErrorKind::UnexpectedEof), Loss::Unknown);
        assert_eq!(lost(io::ErrorKind::ConnectionReset), Loss::Unknown);
        assert_eq!(lost(io::ErrorKind::BrokenPipe), Loss::Undone);
    }
}
