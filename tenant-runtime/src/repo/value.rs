//! Values in statements: of any column type, as a single value or as an array.

use std::{any::Any, sync::Arc};

use sqlx::{
    Arguments as _, Encode, Postgres, Type,
    encode::IsNull,
    error::BoxDynError,
    postgres::{PgArgumentBuffer, PgArguments, PgTypeInfo, types::Oid},
};

use super::{
    literal::{Constant, literal_as, literal_of},
    type_oids::ARRAYS,
};
use crate::model::def::{ColumnDef, SqlType, TableDef};

/// What decides whether a value may be part of the text.
#[derive(Clone, Copy)]
pub(super) enum Of<'c> {
    /// The context, which contains the value anyway, or a number of rows.
    Context,
    /// A label of an enum.
    Label,
    /// A column.
    Column(&'c ColumnDef),
    /// An argument of a function.
    Argument,
    /// A secret, such as the token of an invitation.
    Secret,
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
}

/// A value that is written to a column.
pub(super) trait Value: Bind + Any {
    /// Creates an array of this value and other values of its type.
    fn gather(self: Box<Self>, others: Vec<Box<dyn Value>>) -> Box<dyn Bind>;
}

/// One value.
pub(super) struct Scalar<T>(pub(super) T);

impl<T> Bind for Scalar<T>
where
    T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send,
{
    fn bind(&self, _: SqlType, arguments: &mut PgArguments) -> Result<(), BoxDynError> {
        arguments.add(&self.0)
    }

    fn literal(&self, _: SqlType) -> Option<Constant> {
        literal_of(&self.0)
    }
}

impl<T> Value for Scalar<T>
where
    T: Type<Postgres> + for<'q> Encode<'q, Postgres> + Send + 'static,
{
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
#[derive(Clone)]
pub(super) struct Bound(Arc<dyn Bind + Sync>);

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
            def?.columns.iter().find(|column| column.name == name).map(Of::Column)
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
