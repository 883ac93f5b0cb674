//! A builder for SQL text and the values of its placeholders.

use sqlx::{Arguments as _, Encode, Postgres, SqlStr, Type, error::BoxDynError, postgres::PgArguments};

use super::value::Bind;
use crate::{db::assert_sql_safe, ident::quoted, model::def::SqlType};

/// The SQL text built so far, and the values of its placeholders.
#[derive(Default)]
pub(super) struct SqlBuilder {
    sql: String,
    arguments: PgArguments,
    error: Option<BoxDynError>,
}

impl SqlBuilder {
    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Writes columns by name, because `*` fails for a role that lacks SELECT on any column.
    pub(super) fn names<'n>(&mut self, alias: &str, names: impl IntoIterator<Item = impl AsRef<str> + 'n>) {
        for (i, name) in names.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            self.push(&format!("{separator}{alias}{}", quoted(name.as_ref())));
        }
    }

    /// Binds a value and writes its placeholder.
    pub(super) fn bind_next<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(&mut self, value: T) {
        let added = self.arguments.add(value);
        self.note(added);
        self.placeholder();
    }

    /// Binds a column's value and writes its placeholder.
    pub(super) fn bind(&mut self, value: &dyn Bind, column: SqlType) {
        self.add_bound(value, column);
        self.placeholder();
    }

    /// Binds a column's value and returns the number of its placeholder, which the caller writes.
    pub(super) fn add_bound(&mut self, value: &dyn Bind, column: SqlType) -> usize {
        let added = value.bind(column, &mut self.arguments);
        self.note(added);
        self.arguments.len()
    }

    fn placeholder(&mut self) {
        let place = self.arguments.len();
        self.push(&format!("${place}"));
    }

    fn note(&mut self, added: Result<(), BoxDynError>) {
        if let Err(error) = added {
            self.error.get_or_insert(error);
        }
    }

    pub(super) fn built(self) -> BoundStatement {
        BoundStatement { sql: assert_sql_safe(self.sql), arguments: self.arguments, error: self.error }
    }
}

/// A statement ready to run.
pub(crate) struct BoundStatement {
    pub(super) sql: SqlStr,
    arguments: PgArguments,
    error: Option<BoxDynError>,
}

impl BoundStatement {
    /// Converts the statement to an sqlx query.
    ///
    /// # Errors
    ///
    /// If a value could not be encoded.
    pub(crate) fn into_query(self) -> sqlx::Result<sqlx::query::Query<'static, Postgres, PgArguments>> {
        match self.error {
            Some(error) => Err(sqlx::Error::Encode(error)),
            None => Ok(sqlx::query_with(self.sql, self.arguments)),
        }
    }
}
