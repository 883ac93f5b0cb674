//! Functions and traits for the derives: declarations as data, and storage of field types. Not part of the public API.

use sqlx::{
    Decode, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgTypeInfo, PgTypeKind, PgValueRef},
};

use super::{
    access::{ReferencesKey, RoleOf, TenantKeyOf, UserKeyOf, WiderThan},
    column_type::{ColumnType, PgColumn, RowReader},
    composite_reference::ReferencesKeys,
    row_key::RowKey,
    tenant_table::TenantTable,
    value::Values,
};
use crate::{
    model::{
        compare::same,
        def::{ColumnDef, MembershipDef, OnDelete, ReferenceDef, ScopeDef, SqlType, TableDef, TenancyDef},
    },
    tenant::{KeyNewtype, Role, Tenancy},
};

/// A field type that can be a column; the derive reads and writes values through this trait.
///
/// The trait has no supertraits, and its functions have no bounds: for an unsupported type, rustc
/// then finds the same error at each use and prints it once.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no PostgreSQL column type",
    label = "this type cannot be a column",
    note = "add `#[tenant(sql_type = \"…\")]` to the field, or `#[tenant(skip)]` to exclude it from the table",
    note = "for a newtype, implement `tenant_runtime::PgColumn`; for an enum, derive `TenantEnum`; \
            for types of chrono, time, serde_json and rust_decimal, turn on the feature of that name",
    note = "an `Option` is nullable; a `Vec` is an array of a plain type or of an enum, not of an `Option`"
)]
pub trait Stored: Sized {
    /// The column's type.
    const TYPE: ColumnType;

    /// Reads the next column of a row; `None` if the value does not have the expected type.
    fn read(row: &mut RowReader<'_>) -> Option<Self>;

    /// Writes a value into a column.
    fn set(values: &mut Values, column: &'static str, value: Self);

    /// Writes an optional value into a column.
    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>);
}

#[diagnostic::do_not_recommend]
impl<T: PgColumn> Stored for T {
    const TYPE: ColumnType = ColumnType::of::<T>();

    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        row.read_or_keep_error()
    }

    fn set(values: &mut Values, column: &'static str, value: Self) {
        values.set(column, value);
    }

    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>) {
        values.set_some(column, value);
    }
}

/// Like [`Stored`], for a field with the attribute `sql_type`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not implement sqlx's `Type`, `Encode` and `Decode` for PostgreSQL",
    label = "this type cannot be read and written by sqlx",
    note = "`sql_type` sets the column type only; derive `sqlx::Type` on `{Self}`, or implement the three traits"
)]
pub trait ColumnCodecAs: Sized {
    /// Reads the next column of a row; `None` if the value does not have the expected type.
    fn read(row: &mut RowReader<'_>) -> Option<Self>;

    /// Writes a value into a column.
    fn set(values: &mut Values, column: &'static str, value: Self);

    /// Writes an optional value into a column.
    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>);
}

#[diagnostic::do_not_recommend]
impl<T> ColumnCodecAs for T
where
    T: Type<Postgres> + for<'r> Decode<'r, Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
{
    fn read(row: &mut RowReader<'_>) -> Option<Self> {
        row.read_or_keep_error()
    }

    fn set(values: &mut Values, column: &'static str, value: Self) {
        values.set(column, value);
    }

    fn set_some(values: &mut Values, column: &'static str, value: Option<Self>) {
        values.set_some(column, value);
    }
}

/// Like [`Stored`], for a primary key of one field, whose type the table's impl has already checked.
#[doc(hidden)]
pub trait StoredKey: TenantTable {
    /// The column's type.
    const TYPE: ColumnType = <Self::Id as RowKey>::TYPE;

    /// Reads the next column of a row; `None` if the value does not have the expected type.
    fn read(row: &mut RowReader<'_>) -> Option<Self::Id> {
        RowKey::read(row)
    }

    /// Writes a key into a column.
    fn set(values: &mut Values, column: &'static str, value: Self::Id) {
        RowKey::set(value, values, column);
    }

    /// Writes an optional key into a column.
    fn set_some(values: &mut Values, column: &'static str, value: Option<Self::Id>) {
        if let Some(value) = value {
            RowKey::set(value, values, column);
        }
    }
}

impl<T: TenantTable> StoredKey for T {}

/// Declares a column's type from the attribute `sql_type`.
#[doc(hidden)]
#[must_use]
pub const fn custom(sql: &'static str, nullable: bool) -> ColumnType {
    ColumnType { ty: SqlType::Custom(sql), nullable, decodes_text: false }
}

/// Determines whether a type is an `Option`, without requiring that it is a column type.
///
/// `<Nullability<T>>::NULLABLE` finds the inherent constant for an `Option`, even through an alias, and the constant of
/// [`NotNull`] for any other type.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nullability<T>(std::marker::PhantomData<T>);

impl<T> Nullability<Option<T>> {
    /// An `Option` is nullable.
    pub const NULLABLE: bool = true;
}

/// The fallback of [`Nullability`] for types other than `Option`.
#[doc(hidden)]
pub trait NotNull {
    /// Other types are not nullable.
    const NULLABLE: bool = false;
}

impl<T> NotNull for Nullability<T> {}

/// An enum that is stored as one of its labels. Implemented by `#[derive(TenantEnum)]`.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not derive `TenantEnum`",
    label = "not an enum with labels",
    note = "derive `TenantEnum`; the role of a membership is an enum whose labels are the roles of the tenancy"
)]
pub trait Labelled: Sized {
    /// The enum's name.
    const NAME: &'static str;
    /// The labels in the order of the variants.
    const LABELS: &'static [&'static str];
    /// The renamed labels: each label with its previous text.
    const RENAMED: &'static [(&'static str, &'static str)];
    /// The removed labels: each with the label that replaces it.
    const REPLACED: &'static [(&'static str, &'static str)];

    /// Returns the value's label.
    fn label(&self) -> &'static str;

    /// Returns the value for a label.
    fn from_label(label: &str) -> Option<Self>;
}

/// Returns the type of a labeled column.
#[doc(hidden)]
#[must_use]
pub fn label_type() -> PgTypeInfo {
    <str as Type<Postgres>>::type_info()
}

/// Returns the type of a column with arrays of labels.
#[doc(hidden)]
#[must_use]
pub fn label_array_type() -> PgTypeInfo {
    <Vec<String> as Type<Postgres>>::type_info()
}

/// Returns whether a column of this type can contain labels: `text`, `varchar` and similar types, and enum types.
#[doc(hidden)]
#[must_use]
pub fn holds_labels(ty: &PgTypeInfo) -> bool {
    matches!(ty.kind(), PgTypeKind::Enum(_)) || <str as Type<Postgres>>::compatible(ty)
}

/// Returns whether a column of this type can contain arrays of labels.
#[doc(hidden)]
#[must_use]
pub fn holds_label_arrays(ty: &PgTypeInfo) -> bool {
    matches!(ty.kind(), PgTypeKind::Array(element) if holds_labels(element))
}

/// Writes a value's label.
///
/// # Errors
///
/// If the label cannot be encoded.
#[doc(hidden)]
pub fn encode_label<T: Labelled>(value: &T, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
    <&str as Encode<'_, Postgres>>::encode(value.label(), buffer)
}

/// Reads a value from its label.
///
/// # Errors
///
/// If the enum does not have the label.
#[doc(hidden)]
pub fn decode_label<T: Labelled>(value: PgValueRef<'_>) -> Result<T, BoxDynError> {
    let label = value.as_str()?;
    T::from_label(label).ok_or_else(|| format!("the enum `{}` has no label `{label}`", T::NAME).into())
}

/// A primary key type that the database can generate: random `Uuid` values, or integers from a sequence.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "the database cannot generate `{Self}` primary keys",
    label = "not a generated key type",
    note = "add `#[tenant(id, app_assigned)]` to the field if the application supplies the key, or `default = \"…\"` for an SQL expression"
)]
pub trait GeneratedId {}

impl GeneratedId for uuid::Uuid {}
impl GeneratedId for i64 {}
impl GeneratedId for i32 {}
impl GeneratedId for i16 {}
#[diagnostic::do_not_recommend]
impl<K: KeyNewtype<Inner: GeneratedId>> GeneratedId for K {}

/// Declares a primary key that the database generates.
#[doc(hidden)]
#[must_use]
pub const fn generated<T: GeneratedId>() -> bool {
    false
}

/// The type of a column that numbers the rows of each tenant.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a counter requires an `i32` or an `i64`, found `{Self}`",
    label = "not a type for `counter`",
    note = "change the type of the field to `i64`, or remove `counter`"
)]
pub trait CounterType {}

impl CounterType for i64 {}
impl CounterType for i32 {}

/// Declares a counter.
#[doc(hidden)]
#[must_use]
pub const fn counter<T: CounterType>() -> bool {
    true
}

/// Declares a column with a name and a type.
#[doc(hidden)]
#[must_use]
pub const fn column(name: &'static str, ty: ColumnType) -> ColumnDef {
    let mut column = ColumnDef::blank(name, ty.ty, ty.nullable);
    column.decodes_text = ty.decodes_text;
    column
}

/// Declares that a field of type `F` references the table `T`.
#[doc(hidden)]
#[must_use]
pub const fn reference<F: ReferencesKey<T::Id>, T: TenantTable>(on_delete: OnDelete) -> ReferenceDef {
    ReferenceDef::new(T::TABLE_NAME, on_delete)
}

/// Declares that fields with the types of the tuple `F` reference the table `T`.
#[doc(hidden)]
#[must_use]
pub const fn composite_reference<F: ReferencesKeys<T::Id>, T: TenantTable>(on_delete: OnDelete) -> ReferenceDef {
    ReferenceDef::new(T::TABLE_NAME, on_delete)
}

/// Declares that a column of type `F` holds the tenant ID.
#[doc(hidden)]
#[must_use]
pub const fn tenant_scope<F: TenantKeyOf<T, T::Key>, T: Tenancy>(column: &'static str) -> ScopeDef {
    ScopeDef::Tenant { column }
}

/// Declares that `column` references the parent of a row, in the table `P`.
#[doc(hidden)]
#[must_use]
pub const fn parent_scope<P: TenantTable>(column: &'static str) -> ScopeDef {
    ScopeDef::Parent { column, tenant: tenant_of_parent::<P>().name }
}

/// Declares the tenant column of a table whose rows have parents in the table `P`: a copy of the tenant column of `P`. Its name is
/// empty if `P` has none, which the generator reports.
#[doc(hidden)]
#[must_use]
pub const fn tenant_of_parent<P: TenantTable>() -> ColumnDef {
    let parent = P::TABLE;
    let mut column = ColumnDef::blank("", parent.tenancy.key, false);
    column.doc = "Tenant of the row, which is the tenant of its parent.";
    column.app_assigned = false;
    if let Some(tenant) = parent.tenant_column() {
        column.name = tenant;
        column.field = tenant;
        let mut at = 0;
        while at < parent.columns.len() {
            if same(parent.columns[at].name, tenant) {
                column.renamed_from = parent.columns[at].renamed_from;
            }
            at += 1;
        }
    }
    column
}

/// Declares that a column of type `F` holds the ID of the owner.
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

/// Declares that a column of type `F` holds the ID of the inviting user.
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

/// Declares a role for any row; it must include `Own`, the role for rows that the user owns.
#[doc(hidden)]
#[must_use]
pub const fn wider_role<R: Role + RoleOf<T> + WiderThan<Own>, Own, T: Tenancy>() -> Option<&'static str> {
    Some(R::NAME)
}

/// Returns the declaration of a struct with errors.
#[doc(hidden)]
#[must_use]
pub const fn inert(tenancy: &'static TenancyDef) -> TableDef {
    TableDef::blank(tenancy)
}
