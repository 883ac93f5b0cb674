//! Rust types of columns, and a reader of rows.

use sqlx::{
    Column as _, Decode, Encode, Postgres, Row as _, Type, TypeInfo as _, ValueRef as _,
    postgres::{PgRow, PgTypeInfo, PgTypeKind},
};

use super::{text_format, type_oids::TEXT};
use crate::{
    model::def::SqlType,
    tenant::{KeyNewtype, TextKey},
};

/// A Rust type that a column of a `#[derive(TenantTable)]` struct can have.
///
/// Implement it for a newtype with the SQL type of its content:
///
/// ```
/// #[derive(Debug, Clone, sqlx::Type)]
/// #[sqlx(transparent)]
/// struct Title(String);
///
/// impl tenant_runtime::PgColumn for Title {
///     const SQL: tenant_runtime::SqlType = String::SQL;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no PostgreSQL column type",
    label = "this type cannot be a column",
    note = "for a newtype, implement `tenant_runtime::PgColumn`; for an enum, derive `TenantEnum`; \
            for types of chrono, time, serde_json and rust_decimal, turn on the feature of that name"
)]
pub trait PgColumn:
    Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static
{
    /// The column's type.
    const SQL: SqlType;
    /// Whether the column is nullable.
    const NULLABLE: bool = false;
    /// Whether `Decode` returns the same value for PostgreSQL's text format as for the binary format.
    ///
    /// If this is false for a column that a single call returns, the call takes two or three round trips instead of one; see
    /// [`TenantDbOptions::inline_values`](crate::TenantDbOptions::inline_values). A newtype whose `Decode` is derived takes the value
    /// of its content: `const DECODES_TEXT: bool = String::DECODES_TEXT;`.
    const DECODES_TEXT: bool = false;
}

/// A column's type, and whether it is nullable.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ColumnType {
    pub(super) ty: SqlType,
    pub(super) nullable: bool,
    pub(super) decodes_text: bool,
}

impl ColumnType {
    pub(super) const fn of<T: PgColumn>() -> Self {
        Self { ty: T::SQL, nullable: T::NULLABLE, decodes_text: T::DECODES_TEXT }
    }
}

impl<T> PgColumn for Option<T>
where
    T: PgColumn,
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const SQL: SqlType = T::SQL;
    const NULLABLE: bool = true;
    const DECODES_TEXT: bool = T::DECODES_TEXT;
}

/// A type whose `Vec` is an array column: every column type except `u8`, because `Vec<u8>` is `bytea`.
#[diagnostic::on_unimplemented(
    message = "`Vec<{Self}>` has no PostgreSQL column type",
    label = "there is no array of this type",
    note = "`Vec<u8>` is `bytea`; arrays of plain column types are supported"
)]
pub trait PgElement: PgColumn {
    /// Whether `Vec<Self>` reads the same value from the text format. sqlx takes the element `NULL` for text, and
    /// reads nested arrays as texts, if the elements are texts.
    #[doc(hidden)]
    const ARRAY_DECODES_TEXT: bool = false;
}

#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: PgElement> + PgColumn> PgElement for K {}

impl<T> PgColumn for Vec<T>
where
    T: PgElement,
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const SQL: SqlType = SqlType::Array(&T::SQL);
    const DECODES_TEXT: bool = T::ARRAY_DECODES_TEXT;
}

impl PgColumn for Vec<u8> {
    const SQL: SqlType = SqlType::Bytea;
    const DECODES_TEXT: bool = true;
}

macro_rules! columns {
    ($($rust:ty => $sql:ident $(, $array:ident)?;)*) => {$(
        impl PgColumn for $rust {
            const SQL: SqlType = SqlType::$sql;
            const DECODES_TEXT: bool = true;
        }
        impl PgElement for $rust {
            $(const ARRAY_DECODES_TEXT: bool = columns!(@ $array);)?
        }
    )*};
    (@ arrays) => { true };
}

columns! {
    bool => Bool, arrays;
    i16 => Int2, arrays;
    i32 => Int4, arrays;
    i64 => Int8, arrays;
    f32 => Float4, arrays;
    f64 => Float8, arrays;
    String => Text;
    uuid::Uuid => Uuid, arrays;
    TextKey => Text;
}

#[cfg(feature = "chrono")]
columns! {
    sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc> => Timestamptz;
    sqlx::types::chrono::NaiveDateTime => Timestamp;
    sqlx::types::chrono::NaiveDate => Date;
    sqlx::types::chrono::NaiveTime => Time;
}

#[cfg(feature = "time")]
columns! {
    sqlx::types::time::OffsetDateTime => Timestamptz;
    sqlx::types::time::PrimitiveDateTime => Timestamp;
    sqlx::types::time::Date => Date;
    sqlx::types::time::Time => Time;
}

#[cfg(feature = "rust_decimal")]
columns! {
    sqlx::types::Decimal => Numeric;
}

#[cfg(feature = "json")]
columns! {
    serde_json::Value => Jsonb;
}

#[cfg(feature = "json")]
impl<T> PgColumn for sqlx::types::Json<T>
where
    T: Send + 'static,
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const SQL: SqlType = SqlType::Jsonb;
    const DECODES_TEXT: bool = true;
}

/// Returns whether a text, or an array of texts, can be read from a type that sqlx does not know as text: an enum, a domain,
/// or `citext`, which sqlx knows only if its schema is in the `search_path`.
fn is_text_as<T: Type<Postgres>>(ty: &PgTypeInfo) -> bool {
    let expected = T::type_info();
    match (expected.kind(), ty.kind()) {
        (PgTypeKind::Array(expected), PgTypeKind::Array(ty)) => is_text(expected) && is_written_as_text(ty),
        _ => is_text(&expected) && is_written_as_text(ty),
    }
}

fn is_text(ty: &PgTypeInfo) -> bool {
    ty.oid().is_some_and(|oid| oid.0 == TEXT)
}

/// Returns whether both formats of a type are the text itself.
fn is_written_as_text(ty: &PgTypeInfo) -> bool {
    match ty.kind() {
        PgTypeKind::Enum(_) => true,
        PgTypeKind::Domain(base) => <str as Type<Postgres>>::compatible(base) || is_written_as_text(base),
        _ => ty.name() == "citext" || ty.name().ends_with(".citext"),
    }
}

/// Reads the columns of a row from left to right, and keeps the error of the first column that cannot be read.
#[doc(hidden)]
#[derive(Debug)]
pub struct RowReader<'r> {
    row: &'r PgRow,
    next: usize,
    error: Option<sqlx::Error>,
}

impl<'r> RowReader<'r> {
    /// Creates a reader that starts at a column.
    pub(crate) fn from(row: &'r PgRow, next: usize) -> Self {
        Self { row, next, error: None }
    }

    /// Reads the next column.
    pub(super) fn read<T: Type<Postgres> + Decode<'r, Postgres> + 'static>(&mut self) -> sqlx::Result<T> {
        let index = self.next;
        self.next += 1;
        let value = match text_format::read(self.row, index) {
            Ok(Some(value)) => Ok(value),
            Ok(None) if is_text_as::<T>(&self.row.try_get_raw(index)?.type_info()) => self.row.try_get_unchecked(index),
            Ok(None) => self.row.try_get(index),
            Err(error) => Err(error),
        };
        value.map_err(|error| self.with_name(index, error))
    }

    /// Replaces the number of a column in an error by the name of the column.
    #[cold]
    fn with_name(&self, index: usize, error: sqlx::Error) -> sqlx::Error {
        match (error, self.row.columns().get(index)) {
            (sqlx::Error::ColumnDecode { source, .. }, Some(column)) => {
                sqlx::Error::ColumnDecode { index: format!("`{}`", column.name()), source }
            }
            (error, _) => error,
        }
    }

    /// Reads the next column; `None` if this column or one before it cannot be read, which [`error`](Self::error) explains.
    ///
    /// A derive tests the columns of a row together: a `?` for each column would make rustc slower.
    pub(super) fn read_or_keep_error<T: Type<Postgres> + Decode<'r, Postgres> + 'static>(&mut self) -> Option<T> {
        if self.error.is_some() {
            return None;
        }
        self.read().map_err(|error| self.error = Some(error)).ok()
    }

    /// Returns the error of the first column that could not be read.
    #[cold]
    pub fn error<T>(&mut self) -> sqlx::Result<T> {
        Err(self.error.take().unwrap_or(sqlx::Error::RowNotFound))
    }
}
