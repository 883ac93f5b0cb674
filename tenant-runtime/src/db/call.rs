//! A statement of a repository method, in two forms: with placeholders, and with its values as constants in the text.

use sqlx::{
    Postgres, SqlStr,
    error::BoxDynError,
    postgres::{PgArguments, PgRow},
    query::Query,
};

use super::message::Answer;
use crate::{
    error::{Attempt, Error, Result},
    model::def::TableName,
};

/// Which values of single repository calls may be written into the text of the statement; see
/// [`TenantDbOptions::inline_values`](crate::TenantDbOptions::inline_values).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum InlineValues {
    /// None, except those that the context contains anyway: the IDs of the tenant and the user.
    None,
    /// Numbers, booleans, UUIDs, dates, times and the labels of enums; NULL.
    #[default]
    NonText,
    /// All values, also texts, binary values and JSON.
    All,
}

/// A statement that the repository has built.
#[derive(Debug)]
pub(crate) struct BoundStatement {
    pub(crate) sql: SqlStr,
    pub(crate) arguments: PgArguments,
    pub(crate) error: Option<NotBuilt>,
    pub(crate) inline: Option<Inline>,
    /// Whether the statement reads deleted rows, which the transaction hides from other statements.
    pub(crate) shows_deleted: bool,
}

/// Why a statement could not be built.
#[derive(Debug)]
pub(crate) enum NotBuilt {
    /// A value could not be encoded.
    Value(BoxDynError),
    /// The filter nests more conditions than this.
    TooDeep { table: TableName, limit: u16 },
}

/// The text of a statement in which each value is a constant.
#[derive(Debug)]
pub(crate) struct Inline {
    pub(crate) sql: String,
    /// The strictest [`InlineValues`] with which all values may be inlined.
    pub(crate) needs: InlineValues,
}

impl BoundStatement {
    /// Returns the query with bound values. It can run more than once.
    ///
    /// # Errors
    ///
    /// If the statement could not be built.
    pub(crate) fn query(&self) -> sqlx::Result<Query<'static, Postgres, PgArguments>> {
        match &self.error {
            Some(NotBuilt::Value(error)) => Err(sqlx::Error::Encode(error.to_string().into())),
            Some(NotBuilt::TooDeep { table, limit }) => {
                Err(Error::FilterTooDeep { table: table.to_string(), limit: *limit }.into_sqlx())
            }
            None => Ok(sqlx::query_with(self.sql.clone(), self.arguments.clone())),
        }
    }

    /// Describes the statement for its errors.
    pub(crate) fn reads(self, attempt: Attempt) -> Call {
        Call { statement: self, attempt, writes: false }
    }

    /// Describes a statement that writes, which is never repeated once it may have been committed.
    pub(crate) fn writes(self, attempt: Attempt) -> Call {
        Call { statement: self, attempt, writes: true }
    }
}

/// A statement with what is needed to run it and to report its errors.
#[derive(Debug)]
pub struct Call {
    statement: BoundStatement,
    attempt: Attempt,
    writes: bool,
}

impl Call {
    pub(super) fn writes(&self) -> bool {
        self.writes
    }

    pub(super) fn sql(&self) -> &SqlStr {
        &self.statement.sql
    }

    /// Returns the text with the values, if the setting allows it.
    pub(super) fn text(&self, allowed: InlineValues) -> Option<&str> {
        if self.shows_deleted() {
            return None;
        }
        let inline = self.statement.inline.as_ref().filter(|_| self.statement.error.is_none())?;
        (inline.needs <= allowed).then_some(&*inline.sql)
    }

    pub(super) fn shows_deleted(&self) -> bool {
        self.statement.shows_deleted
    }

    /// Returns the query with bound values.
    pub(super) fn query(&self) -> sqlx::Result<Query<'static, Postgres, PgArguments>> {
        self.statement.query()
    }

    /// Describes an error of the statement.
    pub(super) fn error(&self, error: sqlx::Error) -> Error {
        self.attempt.error(error)
    }

    /// Describes the error of reading a result that has been committed.
    pub(super) fn unreadable(&self, error: Error) -> Error {
        match error {
            Error::Database(source) if self.writes && is_decoding(&source) => {
                Error::UnreadableResult { table: self.attempt.table.to_string(), source }
            }
            error => error,
        }
    }
}

/// Returns whether a result could not be read because a value does not have the expected form.
pub(super) fn cannot_be_read<T>(result: &Result<T>) -> bool {
    matches!(result, Err(Error::Database(error)) if is_decoding(error))
}

fn is_decoding(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::ColumnDecode { .. } | sqlx::Error::Decode(_))
}

/// Reads each row of an answer.
pub(crate) fn each<T>(answer: &Answer, read: impl Fn(&PgRow) -> Result<T>) -> Result<Vec<T>> {
    answer.rows.iter().map(read).collect()
}
