//! What the derives call: declarations as data, and how a field's type is stored. No part of the public API.

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgValueRef},
};

use super::{
    access::{Names, RoleOf, TenantKeyOf, UserKeyOf, WiderThan},
    column_type::{PgColumn, RowReader},
    table::TenantTable,
    value::Values,
};
use crate::{
    model::def::{ColumnDef, MembershipDef, OnDelete, ReferenceDef, ScopeDef, SqlType, TableDef, TenancyDef},
    tenant::{KeyNewtype, Role, Tenancy},
};

/// What the derive asks of a field's type, and how it reads and writes the field.
///
/// It goes through one trait without supertraits, and never through a function with a bound: of a type that is no column
/// type, rustc then says the same at each use, and prints it once.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no PostgreSQL column type",
    label = "this type cannot be a column",
    note = "write `#[tenant(sql_type = \"…\")]` on the field, or `#[tenant(skip)]` to leave it out of the table",
    note = "for a newtype, implement `tenant_runtime::PgColumn`; for an enum, derive `TenantEnum`; \
            for types of chrono, time, serde_json and rust_decimal, turn on the feature of that name",
    note = "an `Option` is nullable; a `Vec` is an array, of a plain type that is neither an `Option` nor an enum"
)]
pub trait Stored: Sized {
    /// The column's type.
    const TYPE: ColumnType;

    /// Reads the next column of a row.
    ///
    /// # Errors
    ///
    /// When the value is not of the type.
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self>;

    /// Writes a value into a column.
    fn set(values: &mut Values, column: &'static str, value: Self);

    /// Writes a value into a column, where there is one.
    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>);
}

#[diagnostic::do_not_recommend]
impl<T: PgColumn> Stored for T {
    const TYPE: ColumnType = ColumnType { ty: T::SQL, nullable: T::NULLABLE };

    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        row.read()
    }

    fn set(values: &mut Values, column: &'static str, value: Self) {
        values.set(column, value);
    }

    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>) {
        values.set_some(column, value);
    }
}

/// The same for a field whose attribute `sql_type` says the column's type.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "sqlx does not read `{Self}` from PostgreSQL and write it there",
    label = "this type implements not all of sqlx's `Type`, `Encode` and `Decode`",
    note = "`sql_type` names the column's type only; derive `sqlx::Type` on `{Self}`, or implement the three traits"
)]
pub trait ColumnCodecAs: Sized {
    /// Reads the next column of a row.
    ///
    /// # Errors
    ///
    /// When the value is not of the type.
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self>;

    /// Writes a value into a column.
    fn set(values: &mut Values, column: &'static str, value: Self);

    /// Writes a value into a column, where there is one.
    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>);
}

#[diagnostic::do_not_recommend]
impl<T> ColumnCodecAs for T
where
    T: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
{
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self> {
        row.read()
    }

    fn set(values: &mut Values, column: &'static str, value: Self) {
        values.set(column, value);
    }

    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>) {
        values.set_some(column, value);
    }
}

/// The same for the key, whose type the table's impl holds to be a column type: it is not asked a second time.
#[doc(hidden)]
pub trait StoredKey: TenantTable {
    /// The column's type.
    const TYPE: ColumnType = <Self::Id as Stored>::TYPE;

    /// Reads the next column of a row.
    ///
    /// # Errors
    ///
    /// When the value is not of the type.
    fn read(row: &mut RowReader<'_>) -> sqlx::Result<Self::Id> {
        Stored::read(row)
    }

    /// Writes a key into a column.
    fn set(values: &mut Values, column: &'static str, value: Self::Id) {
        Stored::set(values, column, value);
    }

    /// Writes a key into a column, where there is one.
    fn set_some(values: &mut Values, column: &'static str, value: Option<Self::Id>) {
        Stored::set_some(values, column, value);
    }
}

impl<T: TenantTable> StoredKey for T {}

/// A column's type, and whether it takes NULL.
#[doc(hidden)]
#[derive(Debug, Clone, Copy)]
pub struct ColumnType {
    ty: SqlType,
    nullable: bool,
}

/// Declares a column's type as the attribute `sql_type` says it.
#[doc(hidden)]
#[must_use]
pub const fn custom(sql: &'static str, nullable: bool) -> ColumnType {
    ColumnType { ty: SqlType::Custom(sql), nullable }
}

/// Says whether a type is an `Option`, without asking that it be a column type.
///
/// `<Nullability<T>>::NULLABLE` finds the inherent constant for an `Option`, through aliases as well, and that of
/// [`NotNull`] for anything else.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nullability<T>(std::marker::PhantomData<T>);

impl<T> Nullability<Option<T>> {
    /// An `Option` takes NULL.
    pub const NULLABLE: bool = true;
}

/// The other half of [`Nullability`].
#[doc(hidden)]
pub trait NotNull {
    /// Anything but an `Option` takes no NULL.
    const NULLABLE: bool = false;
}

impl<T> NotNull for Nullability<T> {}

/// An enum that is stored as one of its labels. Implemented by `#[derive(TenantEnum)]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an enum of labels",
    label = "this type has no labels",
    note = "derive `TenantEnum` on the enum; a membership's role is one whose labels are the roles of the tenancy"
)]
pub trait Labelled: Sized {
    /// The enum's name.
    const NAME: &'static str;
    /// The labels in the order of the variants.
    const LABELS: &'static [&'static str];

    /// Returns the value's label.
    fn label(&self) -> &'static str;

    /// Returns the value that a label stands for.
    fn from_label(label: &str) -> Option<Self>;
}

/// Returns the type of a labelled column.
#[doc(hidden)]
#[must_use]
pub fn label_type() -> PgTypeInfo {
    <str as Type<Postgres>>::type_info()
}

/// Returns whether a column of this type can hold labels: `text`, `varchar` and their like can.
#[doc(hidden)]
#[must_use]
pub fn holds_labels(ty: &PgTypeInfo) -> bool {
    <str as Type<Postgres>>::compatible(ty)
}

/// Writes a value's label.
///
/// # Errors
///
/// When the text cannot be encoded.
#[doc(hidden)]
pub fn encode_label<T: Labelled>(value: &T, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
    <&str as Encode<'_, Postgres>>::encode(value.label(), buffer)
}

/// Reads a value from its label.
///
/// # Errors
///
/// When the enum has no such label.
#[doc(hidden)]
pub fn decode_label<T: Labelled>(value: PgValueRef<'_>) -> Result<T, BoxDynError> {
    let label = value.as_str()?;
    T::from_label(label).ok_or_else(|| format!("`{label}` is no label of the enum `{}`", T::NAME).into())
}

/// A key type of which the database makes values: random ones of a `Uuid`, a sequence of an integer.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the database makes no `{Self}` keys",
    label = "no key of this type can be made",
    note = "write `#[tenant(id, app_assigned)]` on the field if the app gives the key, or `default = \"…\"` if an SQL expression does"
)]
pub trait GeneratedId {}

impl GeneratedId for uuid::Uuid {}
impl GeneratedId for i64 {}
impl GeneratedId for i32 {}
impl GeneratedId for i16 {}
#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: GeneratedId>> GeneratedId for K {}

/// Declares that a column is a key which the database makes: that the app does not supply it.
#[doc(hidden)]
#[must_use]
pub const fn generated<T: GeneratedId>() -> bool {
    false
}

/// Declares a column that has nothing but a name and a type.
#[doc(hidden)]
#[must_use]
pub const fn column(name: &'static str, ty: ColumnType) -> ColumnDef {
    ColumnDef::blank(name, ty.ty, ty.nullable)
}

/// Declares that a field of type `F` refers to the table `T`.
#[doc(hidden)]
#[must_use]
pub const fn reference<F: Names<T::Id>, T: TenantTable>(on_delete: OnDelete) -> ReferenceDef {
    ReferenceDef { table: T::TABLE_NAME, on_delete }
}

/// Declares that a column of type `F` holds the tenant's key.
#[doc(hidden)]
#[must_use]
pub const fn tenant_scope<F: TenantKeyOf<T, T::Key>, T: Tenancy>(column: &'static str) -> ScopeDef {
    ScopeDef::Tenant { column }
}

/// Declares that a column of type `F` holds the key of the user whose row it is.
#[doc(hidden)]
#[must_use]
pub const fn owner<F: UserKeyOf<T, T::User>, T: Tenancy>(column: &'static str) -> Option<&'static str> {
    Some(column)
}

/// Declares a membership table, whose column `user` is of type `F`.
#[doc(hidden)]
#[must_use]
pub const fn membership<F: UserKeyOf<T, T::User>, T: Tenancy>(
    user: &'static str,
    role: &'static str,
) -> Option<MembershipDef> {
    Some(MembershipDef { user, role })
}

/// Declares that a column of type `F` holds the key of the user who invited.
#[doc(hidden)]
#[must_use]
pub const fn invited_by<F: UserKeyOf<T, T::User>, T: Tenancy>(column: &'static str) -> &'static str {
    column
}

/// Declares a role of the tenancy `T`.
#[doc(hidden)]
#[must_use]
pub const fn role<R: Role + RoleOf<T>, T: Tenancy>() -> Option<&'static str> {
    Some(R::NAME)
}

/// Declares a role that does to any row what the role `Own` does to its own.
#[doc(hidden)]
#[must_use]
pub const fn wider_role<R: Role + RoleOf<T> + WiderThan<Own>, Own, T: Tenancy>() -> Option<&'static str> {
    Some(R::NAME)
}

/// Stands in for the declaration of a struct that has mistakes.
#[doc(hidden)]
#[must_use]
pub const fn inert(tenancy: &'static TenancyDef) -> TableDef {
    TableDef::blank(tenancy)
}
