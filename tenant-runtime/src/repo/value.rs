//! Values in statements: of any column type, as a single value or as an array.
//!
//! A value is compared and written as a value of the column's type. sqlx sends the type of the Rust value, and PostgreSQL
//! finds the operators and conversions of built-in types by itself. Where the attribute `sql_type` sets a type that PostgreSQL
//! cannot convert text to, such as `citext`:
//!
//! - A text is sent without a type, so the server infers the type from the column, the operator or the function. A cast would
//!   do less: it truncates values that are too long, and it raises an error for a value outside a domain, even in a filter.
//! - An array contains the type of its elements, so it is cast where it is compared with a column or passed to a function.

use std::{any::Any, sync::Arc};

use sqlx::{
    Arguments as _, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, PgTypeKind, types::Oid},
};

use super::{
    literal::{Constant, literal_as, literal_of, untyped_literal_of},
    type_oids::{ARRAYS, TEXT},
};
use crate::model::{
    def::{ColumnDef, SqlType, TableDef},
    sql_type::without_modifiers,
};

/// What decides whether a value may be part of the text.
#[derive(Clone, Copy)]
pub(super) enum Of<'c> {
    /// The context, which contains the value anyway, or a number of rows.
    Context,
    /// A label of an enum.
    Label,
    /// A column of a table.
    Column(&'c TableDef, &'c ColumnDef),
    /// An argument of a function.
    Argument,
    /// A secret, such as the token of an invitation.
    Secret,
}

/// How a statement uses a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A column is compared with the value, or, if the value is an array of such values, with each element.
    Compared,
    /// The value is a pattern, which is text whatever the type of the column is.
    Pattern,
    /// The value is written to a column.
    Written,
    /// The value is the argument of a function, whose parameter has the type of the column.
    Argument,
}

/// A value that can be bound to a placeholder.
pub(super) trait Bind: Send {
    /// Binds the value to a column of the given type.
    ///
    /// # Errors
    ///
    /// If the value cannot be encoded.
    fn bind(&self, column: SqlType, arguments: &mut PgArguments) -> Result<(), BoxDynError>;

    /// Returns the value as a constant; `None` if it has to be bound.
    fn literal(&self, column: SqlType) -> Option<Constant>;

    /// Returns the type to which the placeholder or the constant is cast, if a cast is needed; `schema` is that of the tenancy.
    fn cast(&self, column: SqlType, used: Use, schema: &str) -> Option<String>;
}

/// A value that is written to a column.
pub(super) trait Value: Bind + Any {
    /// Returns whether the value is an array, of which no array exists.
    fn is_array(&self) -> bool;

    /// Creates an array of this value and other values of its type.
    fn gather(self: Box<Self>, others: Vec<Box<dyn Value>>) -> Box<dyn Bind>;
}

/// One value.
pub(super) struct Scalar<T>(pub(super) T);

impl<T> Bind for Scalar<T>
where
    T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send,
{
    fn bind(&self, column: SqlType, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        match is_inferred(&self.0, column) {
            true => arguments.add(Untyped(&self.0)),
            false => arguments.add(&self.0),
        }
    }

    fn literal(&self, column: SqlType) -> Option<Constant> {
        match is_inferred(&self.0, column) {
            true => untyped_literal_of(&self.0),
            false => literal_of(&self.0),
        }
    }

    fn cast(&self, column: SqlType, used: Use, schema: &str) -> Option<String> {
        // Functions convert such arrays themselves: a caller without a tenant must not need USAGE on the schema of the type.
        if let SqlType::Array(SqlType::Enum(_)) = column {
            return (used != Use::Argument).then(|| column.name_in(schema));
        }
        let SqlType::Custom(name) = column else { return None };
        let needs_cast = match used {
            Use::Compared => is_array::<T>(),
            Use::Argument => !is_inferred(&self.0, column),
            Use::Pattern | Use::Written => false,
        };
        needs_cast.then(|| without_modifiers(name))
    }
}

/// Returns whether a text is sent without a type, so that the server infers the type.
fn is_inferred<T: Type<Postgres> + for<'q> Encode<'q, Postgres>>(value: &T, column: SqlType) -> bool {
    let ty = || value.produces().unwrap_or_else(T::type_info);
    matches!(column, SqlType::Custom(_) | SqlType::Enum(_)) && ty().oid().is_some_and(|oid| oid.0 == TEXT)
}

/// Returns whether the values of a type are arrays.
pub(super) fn is_array<T: Type<Postgres>>() -> bool {
    matches!(T::type_info().kind(), PgTypeKind::Array(_))
}

/// A value that is sent without a type.
struct Untyped<'a, T>(&'a T);

impl<T> Type<Postgres> for Untyped<'_, T> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl<'q, T: Encode<'q, Postgres>> Encode<'q, Postgres> for Untyped<'_, T> {
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        self.0.encode_by_ref(buffer)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(Self::type_info())
    }
}

impl<T> Value for Scalar<T>
where
    T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
{
    fn is_array(&self) -> bool {
        is_array::<T>()
    }

    fn gather(self: Box<Self>, others: Vec<Box<dyn Value>>) -> Box<dyn Bind> {
        let others = others.into_iter().filter_map(|value| (value as Box<dyn Any>).downcast::<Self>().ok());
        Box::new(Array([self].into_iter().chain(others).map(|value| value.0).collect()))
    }
}

/// Several values as one array.
///
/// The elements only need to be column types, whereas sqlx's arrays require another trait, which most enums and
/// newtypes lack.
pub(super) struct Array<T>(pub(super) Vec<T>);

impl<T> Bind for Array<T>
where
    T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send,
{
    fn bind(&self, column: SqlType, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(Typed { items: &self.0, ty: array_of(&T::type_info(), column) })
    }

    fn literal(&self, column: SqlType) -> Option<Constant> {
        let ty = array_of(&T::type_info(), column);
        literal_as(&Typed { items: &self.0, ty: ty.clone() }, &ty)
    }

    /// Rows are inserted from the elements of an array, which the server converts like single values, except to an enum.
    fn cast(&self, column: SqlType, used: Use, schema: &str) -> Option<String> {
        match (column, used) {
            (SqlType::Custom(name), Use::Compared) => Some(format!("{}[]", without_modifiers(name))),
            (SqlType::Enum(_), _) => Some(format!("{}[]", column.name_in(schema))),
            _ => None,
        }
    }
}

/// An array whose type is known at run time.
struct Typed<'a, T> {
    items: &'a [T],
    ty: PgTypeInfo,
}

impl<T> Type<Postgres> for Typed<'_, T> {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(Oid(0))
    }
}

impl<'q, T> Encode<'q, Postgres> for Typed<'_, T>
where
    T: Type<Postgres> + Encode<'q, Postgres>,
{
    fn encode_by_ref(&self, buffer: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <&[T] as Encode<'q, Postgres>>::encode_by_ref(&self.items, buffer)
    }

    fn produces(&self) -> Option<PgTypeInfo> {
        Some(self.ty.clone())
    }
}

/// Returns the type of an array. A user-defined element type is referenced by the name that the column declares.
fn array_of(element: &PgTypeInfo, column: SqlType) -> PgTypeInfo {
    let known = element.oid().and_then(|oid| ARRAYS.iter().find(|(element, _)| *element == oid.0));
    match (known, column) {
        (Some((_, array)), _) => PgTypeInfo::with_oid(Oid(*array)),
        (None, SqlType::Custom(name)) => PgTypeInfo::array_of(name),
        (None, _) => PgTypeInfo::with_oid(Oid(0)),
    }
}

/// A value with which a condition compares a column. Cloning the condition also clones the value.
#[doc(hidden)]
#[derive(Clone)]
pub struct Bound(Arc<dyn Bind + Sync>);

impl Bound {
    pub(super) fn new<T>(value: T) -> Self
    where
        T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static,
    {
        Self(Arc::new(Scalar(value)))
    }

    pub(super) fn array<T>(values: Vec<T>) -> Self
    where
        T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + Sync + 'static,
    {
        Self(Arc::new(Array(values)))
    }

    pub(super) fn as_bind(&self) -> &dyn Bind {
        &*self.0
    }
}

impl std::fmt::Debug for Bound {
    /// Shows no value, because values can be confidential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bound").finish_non_exhaustive()
    }
}

/// Returns whether a value is NULL in the database. A value that cannot be encoded is not NULL; binding it reports the
/// error.
pub(super) fn is_null<T: for<'q> Encode<'q, Postgres>>(value: &T) -> bool {
    matches!(value.encode_by_ref(&mut PgArgumentBuffer::default()), Ok(IsNull::Yes))
}

/// The columns that a statement writes, and their values.
#[doc(hidden)]
#[derive(Default)]
pub struct Values {
    columns: Vec<&'static str>,
    values: Vec<Box<dyn Value>>,
    /// The positions of arguments that are labels of enums.
    labels: Vec<usize>,
    /// The positions of arguments that are secrets.
    secrets: Vec<usize>,
}

impl Values {
    /// Combines columns and their values.
    pub(super) fn of(columns: Vec<&'static str>, values: Vec<Box<dyn Value>>) -> Self {
        Self { columns, values, labels: Vec::new(), secrets: Vec::new() }
    }

    /// Sets `column` to `value`, replacing an earlier value.
    pub(crate) fn set<T>(&mut self, column: &'static str, value: T)
    where
        T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
    {
        let value = Box::new(Scalar(value));
        match self.columns.iter().position(|known| *known == column) {
            Some(place) => self.values[place] = value,
            None => {
                self.columns.push(column);
                self.values.push(value);
            }
        }
    }

    /// Sets `column` to `value` if the value is `Some`.
    pub(super) fn set_some<T>(&mut self, column: &'static str, value: Option<T>)
    where
        T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
    {
        if let Some(value) = value {
            self.set(column, value);
        }
    }

    /// Adds the label of an enum as a function argument.
    pub(super) fn bind_label(&mut self, label: &'static str) {
        self.labels.push(self.values.len());
        self.bind(label);
    }

    /// Adds a secret as a function argument, which never becomes part of the text.
    pub(crate) fn bind_secret(&mut self, secret: Vec<u8>) {
        self.secrets.push(self.values.len());
        self.bind(secret);
    }

    /// Returns what each value is, as an argument of a function. `def` is the table of the columns.
    pub(super) fn kinds(&self, def: Option<&'static TableDef>) -> Vec<Of<'static>> {
        let column = |index: usize| {
            let name = *self.columns.get(index)?;
            let def = def?;
            def.columns.iter().find(|column| column.name == name).map(|column| Of::Column(def, column))
        };
        let kind = |index| match () {
            () if self.secrets.contains(&index) => Of::Secret,
            () if self.labels.contains(&index) => Of::Label,
            () => column(index).unwrap_or(Of::Argument),
        };
        (0..self.values.len()).map(kind).collect()
    }

    /// Adds a value without a column, such as a function argument.
    pub(crate) fn bind<T>(&mut self, value: T)
    where
        T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
    {
        self.values.push(Box::new(Scalar(value)));
    }

    /// Returns the columns.
    pub(super) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// Returns the values in the order of their columns.
    pub(super) fn into_values(self) -> Vec<Box<dyn Value>> {
        self.values
    }
}

impl std::fmt::Debug for Values {
    /// Shows only the columns, because values can be confidential.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Values").field("columns", &self.columns).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_a_column_twice_keeps_the_last_value() {
        let mut values = Values::default();
        values.set("a", 1_i32);
        values.set("b", "x".to_owned());
        values.set("a", 2_i32);
        assert_eq!((values.columns(), values.values.len()), (&["a", "b"][..], 2));
    }

    #[test]
    fn array_parameter_uses_the_element_type() {
        let of = |element: PgTypeInfo, column| array_of(&element, column).oid().map(|oid| oid.0);
        assert_eq!(of(<i32 as Type<Postgres>>::type_info(), SqlType::Int4), Some(1007));
        assert_eq!(of(<String as Type<Postgres>>::type_info(), SqlType::Custom("citext")), Some(1009));
        assert_eq!(array_of(&PgTypeInfo::with_name("mood"), SqlType::Custom("mood")).to_string(), "mood[]");
    }

    #[test]
    fn null_values_are_detected_before_binding() {
        assert_eq!((is_null(&None::<i32>), is_null(&Some(1)), is_null(&1)), (true, false, false));
    }
}
