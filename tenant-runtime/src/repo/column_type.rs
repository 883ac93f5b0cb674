//! Rust types of columns, and a reader of rows.

use sqlx::{Decode, Encode, Postgres, Row as _, Type, postgres::PgRow};

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
}

impl<T> PgColumn for Option<T>
where
    T: PgColumn,
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const SQL: SqlType = T::SQL;
    const NULLABLE: bool = true;
}

/// A type whose `Vec` is an array column: every column type except `u8`, because `Vec<u8>` is `bytea`.
#[diagnostic::on_unimplemented(
    message = "`Vec<{Self}>` has no PostgreSQL column type",
    label = "there is no array of this type",
    note = "`Vec<u8>` is `bytea`; arrays of plain column types are supported"
)]
pub trait PgElement: PgColumn {}

#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: PgElement> + PgColumn> PgElement for K {}

impl<T> PgColumn for Vec<T>
where
    T: PgElement,
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const SQL: SqlType = SqlType::Array(&T::SQL);
}

impl PgColumn for Vec<u8> {
    const SQL: SqlType = SqlType::Bytea;
}

macro_rules! columns {
    ($($rust:ty => $sql:ident,)*) => {$(
        impl PgColumn for $rust {
            const SQL: SqlType = SqlType::$sql;
        }
        impl PgElement for $rust {}
    )*};
}

columns! {
    bool => Bool,
    i16 => Int2,
    i32 => Int4,
    i64 => Int8,
    f32 => Float4,
    f64 => Float8,
    String => Text,
    uuid::Uuid => Uuid,
    TextKey => Text,
}

#[cfg(feature = "chrono")]
columns! {
    sqlx::types::chrono::DateTime<sqlx::types::chrono::Utc> => Timestamptz,
    sqlx::types::chrono::NaiveDateTime => Timestamp,
    sqlx::types::chrono::NaiveDate => Date,
    sqlx::types::chrono::NaiveTime => Time,
}

#[cfg(feature = "time")]
columns! {
    sqlx::types::time::OffsetDateTime => Timestamptz,
    sqlx::types::time::PrimitiveDateTime => Timestamp,
    sqlx::types::time::Date => Date,
    sqlx::types::time::Time => Time,
}

#[cfg(feature = "rust_decimal")]
columns! {
    sqlx::types::Decimal => Numeric,
}

#[cfg(feature = "json")]
columns! {
    serde_json::Value => Jsonb,
}

#[cfg(feature = "json")]
impl<T> PgColumn for sqlx::types::Json<T>
where
    T: Send + 'static,
    Self: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres>,
{
    const SQL: SqlType = SqlType::Jsonb;
}

/// Reads the columns of a row from left to right.
#[doc(hidden)]
#[derive(Debug)]
pub struct RowReader<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> RowReader<'r> {
    pub(crate) fn new(row: &'r PgRow) -> Self {
        Self::from(row, 0)
    }

    /// Creates a reader that starts at a later column.
    pub(crate) fn from(row: &'r PgRow, next: usize) -> Self {
        Self { row, next }
    }

    /// Reads the next column.
    pub(super) fn read<T: Type<Postgres> + Decode<'r, Postgres>>(&mut self) -> sqlx::Result<T> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index)
    }
}
