//! A builder for SQL text and the values of its placeholders.
//!
//! It writes the text twice: with placeholders, and with each value as a constant.

use sqlx::{Arguments as _, Encode, Postgres, Type, error::BoxDynError, postgres::PgArguments};

use super::{
    literal::{Constant, literal_of},
    value::{Bind, Of, Use},
};
use crate::{
    db::{BoundStatement, Inline, InlineValues, NotBuilt, assert_sql_safe},
    ident::quoted,
    model::def::SqlType,
};

/// The longest text with values. A longer constant takes the server longer to read than a bound value.
const LONGEST_TEXT: usize = 32 * 1024;

/// The SQL text built so far, and the values of its placeholders.
pub(super) struct SqlBuilder {
    sql: String,
    arguments: PgArguments,
    error: Option<NotBuilt>,
    /// The text with values; `None` once a value must stay out of it.
    inline: Option<Inline>,
    /// The constants of the placeholders.
    constants: Vec<String>,
    shows_deleted: bool,
}

impl Default for SqlBuilder {
    fn default() -> Self {
        let inline = Some(Inline { sql: String::new(), needs: InlineValues::None });
        let (sql, arguments, constants) = Default::default();
        Self { sql, arguments, error: None, inline, constants, shows_deleted: false }
    }
}

impl SqlBuilder {
    pub(super) fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
        if let Some(inline) = &mut self.inline {
            inline.sql.push_str(sql);
        }
    }

    /// Writes columns by name, because `*` fails for a role that lacks SELECT on any column.
    pub(super) fn names<'n>(&mut self, alias: &str, names: impl IntoIterator<Item = impl AsRef<str> + 'n>) {
        for (i, name) in names.into_iter().enumerate() {
            let separator = if i == 0 { "" } else { ", " };
            self.push(&format!("{separator}{alias}{}", quoted(name.as_ref())));
        }
    }

    /// Binds a value that the context contains, or a number of rows, and writes its placeholder.
    pub(super) fn bind_next<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(&mut self, value: T) {
        self.add_constant(Of::Context, || literal_of(&value));
        let added = self.arguments.add(value);
        self.note(added);
        self.place(self.arguments.len());
    }

    /// Binds a value and writes its placeholder, with a cast if `used` requires one.
    pub(super) fn bind(&mut self, value: &dyn Bind, of: Of<'_>, used: Use) {
        let ty = type_of(of, used);
        let place = self.add_bound_as(value, of, ty);
        self.place(place);
        let schema = if let Of::Column(def, _) = of { def.tenancy.schema } else { "" };
        if let Some(ty) = value.cast(ty, used, schema) {
            self.push(&format!("::{ty}"));
        }
    }

    /// Binds a value and returns the number of its placeholder, which the caller writes with [`place`](Self::place).
    pub(super) fn add_bound(&mut self, value: &dyn Bind, of: Of<'_>) -> usize {
        self.add_bound_as(value, of, type_of(of, Use::Written))
    }

    fn add_bound_as(&mut self, value: &dyn Bind, of: Of<'_>, ty: SqlType) -> usize {
        self.add_constant(of, || value.literal(ty));
        let added = value.bind(ty, &mut self.arguments);
        self.note(added);
        self.arguments.len()
    }

    /// Writes the placeholder of a bound value.
    pub(super) fn place(&mut self, place: usize) {
        self.sql.push_str(&format!("${place}"));
        if let (Some(inline), Some(constant)) = (&mut self.inline, self.constants.get(place - 1)) {
            inline.sql.push_str(constant);
        }
        self.inline.take_if(|inline| inline.sql.len() > LONGEST_TEXT);
    }

    fn add_constant(&mut self, of: Of<'_>, constant: impl FnOnce() -> Option<Constant>) {
        let Some(inline) = &mut self.inline else { return };
        match constant().and_then(|constant| Some((needs(of, &constant)?, constant.sql))) {
            Some((needs, constant)) => {
                inline.needs = inline.needs.max(needs);
                self.constants.push(constant);
            }
            None => self.inline = None,
        }
    }

    /// Makes the statement an error, which is returned when it is sent.
    pub(super) fn fail(&mut self, reason: NotBuilt) {
        self.error.get_or_insert(reason);
    }

    fn note(&mut self, added: Result<(), BoxDynError>) {
        if let Err(error) = added {
            self.fail(NotBuilt::Value(error));
        }
    }

    /// Keeps the values out of the text, because a column that is read needs the binary format.
    pub(super) fn read_in_binary(&mut self) {
        self.inline = None;
    }

    /// Notes that the statement reads deleted rows.
    pub(super) fn show_deleted(&mut self) {
        self.shows_deleted = true;
    }

    pub(super) fn built(self) -> BoundStatement {
        let Self { sql, arguments, error, inline, shows_deleted, .. } = self;
        BoundStatement { sql: assert_sql_safe(sql), arguments, error, inline, shows_deleted }
    }
}

/// Returns the type as which a value is used.
fn type_of(of: Of<'_>, used: Use) -> SqlType {
    match of {
        Of::Column(_, column) if used != Use::Pattern => column.ty,
        _ => SqlType::Text,
    }
}

/// Returns the strictest [`InlineValues`] with which a value may be inlined; `None` if it never may.
fn needs(of: Of<'_>, constant: &Constant) -> Option<InlineValues> {
    let by_type = if constant.is_text { InlineValues::All } else { InlineValues::NonText };
    match of {
        Of::Context => Some(InlineValues::None),
        Of::Label => Some(InlineValues::NonText),
        Of::Secret => None,
        Of::Column(_, column) if column.sensitive || column.select.is_some() => None,
        Of::Column(_, column) if column.ty.labels().is_some() => Some(InlineValues::NonText),
        Of::Column(..) | Of::Argument => Some(by_type),
    }
}
